"""Procrustes error: what remains between two representations after the best rotation."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.pairwise.registry import pairwise
from embgeo.space.pairs import centred_pair
from embgeo.space.space import Space
from embgeo.threads import one_blas_thread


@pairwise("procrustes_error", place=5)
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
    with one_blas_thread():
        kept = np.linalg.svd(product, compute_uv=False).sum()
    return float(np.clip(1 - kept**2, 0.0, 1.0))
