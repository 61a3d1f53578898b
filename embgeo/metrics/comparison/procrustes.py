"""Procrustes error: what remains between two representations after the best rotation."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from embgeo.metrics.comparison.pairing import centred_pair
from embgeo.space.space import Space


def procrustes_error(a: Space, b: Space) -> float:
    """1 − ‖XᵀY‖²_* of the rows centred and scaled to Frobenius norm 1: the share of squared length left unexplained.

    0: the same up to shift, rotation, reflection and scale; 1: unrelated. Symmetric; a missing dimension counts as
    zeros. O(n d²). Raises `Undefined` where all rows of one side are equal, `InputError` for different row counts.
    Source: Gower 1975; Schönemann 1966.

    >>> X = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    >>> round(procrustes_error(Space(X), Space(X[:, :1])), 6)  # one of two equal dimensions gone: 1 − (1/√2)²
    0.5
    """
    X, Y = centred_pair(a, b)
    product = X.T @ Y
    with threadpool_limits(1, user_api="blas"):  # see Space: decompositions this small wait for their own threads
        kept = np.linalg.svd(product, compute_uv=False).sum()
    return float(np.clip(1 - kept**2, 0.0, 1.0))
