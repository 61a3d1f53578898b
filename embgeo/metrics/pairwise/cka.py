"""Linear CKA: whether two representations see the same similarities between documents."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.pairwise.registry import pairwise
from embgeo.space.pairs import centred_pair
from embgeo.space.space import Space


@pairwise("linear_cka", place=0)
def linear_cka(a: Space, b: Space) -> float:
    """‖YᵀX‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F) of the centred rows: 1 the same up to rotation and scale, 0 unrelated.

    Symmetric. Dominated by the strongest directions; biased upwards when n is not far above d. O(n d²), never n × n.
    Raises `Undefined` where all rows of one side are equal, `InputError` for different row counts. Source: Kornblith
    et al. 2019, eq. 3 with linear kernels.

    >>> X = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    >>> round(linear_cka(Space(X), Space(X @ np.array([[0, 3], [-3, 0]], np.float32))), 6)  # turned and scaled
    1.0
    """
    X, Y = centred_pair(a, b)
    own = np.linalg.norm(_gram(X)) * np.linalg.norm(_gram(Y))
    shared = np.square(Y.T @ X).sum()
    return float(np.clip(shared / own, 0.0, 1.0))


def _gram(X: np.ndarray) -> np.ndarray:
    return X.T @ X if X.shape[1] <= X.shape[0] else X @ X.T
