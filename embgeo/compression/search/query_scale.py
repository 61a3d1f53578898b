"""Inner products with queries of any length: float32 sums and 8-bit tables hold only queries of about unit size."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from embgeo.embeddings import balanced

Search = Callable[[Any, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def any_length(search: Search) -> Search:
    """The `search` method of a searcher over `self.codec`, for queries of any length under inner products.

    Queries so long or short that their products would leave float32 are brought to about unit size by a power of two,
    which changes no ranking and rounds nothing; the scores are brought back, as far as float32 holds them.
    """

    @wraps(search)
    def balanced_search(self: Any, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self.codec.similarity == "euclidean":
            return search(self, Q, k)
        even, exponents = balanced(Q)
        scores, rows = search(self, even, k)
        if not exponents.any():
            return scores, rows
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(scores, exponents[:, None]), rows

    return balanced_search
