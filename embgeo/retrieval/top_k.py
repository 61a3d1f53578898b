"""The running top-k of a search that sees documents in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from embgeo.files.ids import as_ids
from embgeo.numeric.compiled import compiled


@dataclass
class TopK:
    """The k best documents of each query so far.

    Attributes
    ----------
    scores : (m, k) float32, descending; −inf where fewer than k documents were seen.
    rows : (m, k) int64 document rows, −1 where empty.
    precedence : (n,) int64, the place of each document among equal scores (`tie_order`); None: the order of the rows.
    """

    scores: np.ndarray
    rows: np.ndarray
    precedence: np.ndarray | None = None

    @classmethod
    def empty(cls, queries: int, k: int, precedence: np.ndarray | None = None) -> TopK:
        return cls(np.full((queries, k), -np.inf, np.float32), np.full((queries, k), -1, np.int64), precedence)

    def merge(self, scores: np.ndarray, rows: np.ndarray) -> None:
        """Take in a block: `scores` (m, b) float32 of the documents `rows` (b,) int64.

        The result does not depend on the order of the blocks. Cost: one pass over the scores.
        """
        places = np.empty(0, np.int64) if self.precedence is None else self.precedence
        _merge_kernel()(np.ascontiguousarray(scores, np.float32), rows.astype(np.int64), self.scores, self.rows, places)

    def join(self, scores: np.ndarray, rows: np.ndarray) -> None:
        """Take in the best of other documents, as a `TopK` of them holds: `scores` and `rows` (m, j).

        The result is that of `merge` of all their documents.
        """
        scores, rows = np.hstack([self.scores, scores]), np.hstack([self.rows, rows])
        places = rows if self.precedence is None else self.precedence[rows]
        order = np.lexsort((places, -scores, rows < 0), axis=1)[:, : self.scores.shape[1]]
        self.scores[:] = np.take_along_axis(scores, order, 1)
        self.rows[:] = np.take_along_axis(rows, order, 1)


def tie_order(doc_ids: Sequence[str]) -> np.ndarray:
    """(n,) int64 place of each document among equal scores: by descending id, as in trec_eval.

    With it, which of many tied documents are kept does not depend on the order of the rows.

    >>> tie_order(["a", "c", "b"]).tolist()
    [2, 0, 1]
    """
    places = np.empty(len(doc_ids), np.int64)
    places[as_ids(doc_ids).ascending()[::-1]] = np.arange(len(doc_ids))
    return places


@cache
def _merge_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def merge(scores, rows, best_scores, best_rows, places):  # type: ignore[no-untyped-def]
        k = best_scores.shape[1]
        by_place = len(places) > 0
        for i in numba.prange(scores.shape[0]):
            worst = best_scores[i, k - 1]
            for j in range(scores.shape[1]):
                s = scores[i, j]
                if s < worst or s != s:
                    continue
                row = rows[j]
                at = k
                while at > 0:
                    other = best_rows[i, at - 1]
                    if best_scores[i, at - 1] > s:
                        break
                    if best_scores[i, at - 1] == s and other >= 0:
                        ahead = places[other] < places[row] if by_place else other < row
                        if ahead:
                            break
                    if at < k:
                        best_scores[i, at] = best_scores[i, at - 1]
                        best_rows[i, at] = other
                    at -= 1
                if at < k:
                    best_scores[i, at] = s
                    best_rows[i, at] = row
                    worst = best_scores[i, k - 1]

    return merge
