"""Exact duplicate rows of a space, found once."""

from __future__ import annotations

import numpy as np


class Duplicates:
    """Groups of exactly equal rows, from (n,) keys that are equal exactly when rows are.

    Attributes
    ----------
    first : (groups,) row of the first occurrence of each group, ascending.
    counts : (groups,) size of each group.
    group : (n,) group of each row, as an index into `first`.
    """

    def __init__(self, keys: np.ndarray) -> None:
        _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        self.first = first[order]
        self.counts = counts[order]
        self.group = rank[group.ravel()]
        for array in (self.first, self.counts, self.group):
            array.flags.writeable = False

    @property
    def copies(self) -> int:
        """Rows that repeat an earlier row."""
        return int(self.counts.sum() - len(self.counts))


def row_keys(X: np.ndarray) -> np.ndarray:
    """(n,) opaque keys, equal exactly when rows are."""
    rows = np.ascontiguousarray(X + np.float32(0))  # −0 becomes 0
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
