"""What every search over a store shares: the protocol, ties, scores of candidates, queries of any norm."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, Protocol, Self

import numpy as np

from embgeo.embeddings import balanced
from embgeo.numeric.compiled import compiled

BLOCK_ROWS = 8192
FEW_QUERIES = 4  # up to this many are scored one by one, by a codec's own loop if it has one

Found = tuple[np.ndarray, np.ndarray]
Search = Callable[[Any, np.ndarray, int], Found]


class Searcher(Protocol):
    """A searchable store. It holds the codes as they are stored, never a float32 copy."""

    @property
    def name(self) -> str: ...

    @property
    def ram_bytes(self) -> int: ...

    def search(self, Q: np.ndarray, k: int) -> Found:
        """Scores (m, k) float32, larger is nearer, and rows (m, k) int64, −1 where there are fewer than k."""
        ...


class EffortSearcher(Searcher, Protocol):
    """A searcher whose effort can be changed without rebuilding anything."""

    def with_effort(self, effort: int) -> Self: ...


def metric_of(similarity: str) -> str:
    """`l2` for euclidean, else `inner_product` (cosine stores hold unit vectors, so it is their metric too)."""
    return "l2" if similarity == "euclidean" else "inner_product"


def best_of(scores: np.ndarray, rows: np.ndarray, k: int) -> Found:
    """The k best of each row, descending, equal scores in row order; padded with −inf and −1."""
    order = np.lexsort((rows, -scores))[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    if (missing := k - rows.shape[1]) > 0:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return scores, rows


def pair_scores(
    Z: np.ndarray, of_query: np.ndarray, documents: np.ndarray, of_document: np.ndarray, similarity: str
) -> np.ndarray:
    """(p,) float32 scores of the pairs of query `of_query` (p,) of Z (m, r) and `of_document` (p,) of documents (n, r);
    that of a pair does not depend on the others."""
    out = np.empty(len(of_query), np.float32)
    Z, documents = (np.ascontiguousarray(values, np.float32) for values in (Z, documents))
    _pair_kernel()(Z, of_query, documents, of_document, similarity == "euclidean", out)
    return out


@cache
def _pair_kernel() -> Any:
    import numba

    @compiled(parallel=True, fastmath={"reassoc", "contract"})
    def kernel(Z, of_query, documents, of_document, euclidean, out):  # type: ignore[no-untyped-def]
        for pair in numba.prange(len(out)):
            i, j, total = of_query[pair], of_document[pair], np.float32(0)
            if euclidean:
                for c in range(Z.shape[1]):
                    gap = documents[j, c] - Z[i, c]
                    total -= gap * gap
            else:
                for c in range(Z.shape[1]):
                    total += documents[j, c] * Z[i, c]
            out[pair] = total

    return kernel


def any_norm(search: Search) -> Search:
    """The `search` method of a searcher over `self.tier`, for queries of any norm under inner products.

    Float32 sums and 8-bit tables handle only queries of about unit norm. Queries so long or short that their products
    would overflow or underflow float32 are scaled to it by a power of two, which changes no ranking and rounds nothing;
    the scores are scaled back, as far as float32 can represent them.
    """

    @wraps(search)
    def balanced_search(self: Any, Q: np.ndarray, k: int) -> Found:
        if self.tier.similarity == "euclidean":
            return search(self, Q, k)
        even, exponents = balanced(Q)
        scores, rows = search(self, even, k)
        if not exponents.any():
            return scores, rows
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(scores, exponents[:, None]), rows

    return balanced_search
