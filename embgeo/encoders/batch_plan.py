"""The batch plan of a run: which rows are encoded together, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BatchPlan:
    """Rows sorted by text length, longest first, cut into batches.

    Texts of similar length share a batch, so padding is small; the longest come first, so a batch that does not fit in
    memory fails at once. Length is in characters, ties keep the row order: the plan depends only on the texts and the
    batch size, which makes a resumed run bit-identical.

    Attributes
    ----------
    order : (n,) int64, row numbers in the order they are encoded.
    batch_size : rows per batch; the last one may be shorter.
    """

    order: np.ndarray
    batch_size: int

    @property
    def batches(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def rows(self, first: int, last: int | None = None) -> np.ndarray:
        """Row numbers of the batches first … last − 1 (of one batch when `last` is None)."""
        last = first + 1 if last is None else last
        return self.order[first * self.batch_size : last * self.batch_size]


def plan_batches(texts: Sequence[str], batch_size: int) -> BatchPlan:
    """The plan for these texts; O(n log n)."""
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    return BatchPlan(np.argsort(-lengths, kind="stable"), batch_size)
