"""SVCCA: how many of the strong directions of two representations are the same."""

from __future__ import annotations

import numpy as np

from embgeo.errors import InputError
from embgeo.metrics.pairwise.registry import pairwise
from embgeo.space.pairs import centred_pair
from embgeo.space.space import Space
from embgeo.threads import one_blas_thread


@pairwise("svcca", place=1)
def svcca(a: Space, b: Space, keep: float = 0.99) -> float:
    """Mean canonical correlation of the principal components that keep 99 % of the variance on each side.

    1: the strong directions span the same subspace; about √(d/n) for unrelated rows, so n must be far above d. Unlike
    in CKA, all kept directions count equally. O(n d²). Raises `Undefined` where all rows of one side are equal,
    `InputError` for different row counts or a share outside (0, 1]. Source: Raghu et al. 2017, §2.

    >>> X = np.array([[1, 0], [-1, 0], [0, 2], [0, -2]], np.float32)
    >>> round(svcca(Space(X), Space(X @ np.array([[5, 1], [0, 1]], np.float32))), 6)  # any invertible map
    1.0
    """
    if not 0 < keep <= 1:
        raise InputError(f"the share of variance to keep must be in (0, 1]; got {keep}")
    X, Y = centred_pair(a, b)
    U, V = _components(X, keep), _components(Y, keep)
    with one_blas_thread():
        correlations = np.linalg.svd(U.T @ V, compute_uv=False)
    return float(np.clip(correlations, 0.0, 1.0).mean())


def _components(X: np.ndarray, keep: float) -> np.ndarray:
    """(n, r) orthonormal principal scores that keep the share."""
    scatter = X.T @ X
    with one_blas_thread():
        values, vectors = np.linalg.eigh(scatter)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    held = np.cumsum(values) / values.sum()
    r = int(np.searchsorted(held, keep - 1e-9) + 1)
    r = min(r, int(np.count_nonzero(values > 1e-10 * values[0])))
    scores = X @ vectors[:, :r]
    return scores / np.linalg.norm(scores, axis=0)
