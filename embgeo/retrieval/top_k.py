"""The running top-k of a search that sees documents in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np


@dataclass
class TopK:
    """The k best documents of each query so far.

    Attributes
    ----------
    scores : (m, k) float32, descending; −inf where fewer than k documents were seen.
    rows : (m, k) int64 document rows, −1 where empty. Equal scores stand in the order of their rows.
    """

    scores: np.ndarray
    rows: np.ndarray

    @classmethod
    def empty(cls, queries: int, k: int) -> TopK:
        return cls(np.full((queries, k), -np.inf, np.float32), np.full((queries, k), -1, np.int64))

    def merge(self, scores: np.ndarray, rows: np.ndarray) -> None:
        """Take in a block: `scores` (m, b) float32 of the documents `rows` (b,) int64.

        The result does not depend on the order of the blocks. Cost: one pass over the scores.
        """
        _merge_kernel()(np.ascontiguousarray(scores, np.float32), rows.astype(np.int64), self.scores, self.rows)


@cache
def _merge_kernel() -> Any:
    import numba

    @numba.njit(cache=True, parallel=True, nogil=True)
    def merge(scores, rows, best_scores, best_rows):  # type: ignore[no-untyped-def]
        k = best_scores.shape[1]
        for i in numba.prange(scores.shape[0]):
            worst = best_scores[i, k - 1]
            worst_row = best_rows[i, k - 1]
            for j in range(scores.shape[1]):
                s = scores[i, j]
                if s < worst or (s == worst and worst_row >= 0 and rows[j] > worst_row) or s != s:
                    continue
                at = k - 1
                while at > 0 and (
                    best_scores[i, at - 1] < s
                    or (best_scores[i, at - 1] == s and (best_rows[i, at - 1] > rows[j] or best_rows[i, at - 1] < 0))
                ):
                    best_scores[i, at] = best_scores[i, at - 1]
                    best_rows[i, at] = best_rows[i, at - 1]
                    at -= 1
                best_scores[i, at] = s
                best_rows[i, at] = rows[j]
                worst = best_scores[i, k - 1]
                worst_row = best_rows[i, k - 1]

    return merge
