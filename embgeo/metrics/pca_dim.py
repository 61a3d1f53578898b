"""Dimensions from the covariance spectrum."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space

SHARE_OF_LARGEST = 0.05


@measure(
    "pca_dim",
    family="dimension",
    summary="How many principal components stand out: a first guess at how far PCA can cut the vectors.",
    range=(1.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="Fukunaga & Olsen 1971 (α = 0.05)",
    quick=True,
)
def pca_dim(space: Space) -> float:
    """Number of covariance eigenvalues above 5 % of the largest; a whole number from 1 to min(n − 1, d).

    Raises `Undefined` for one row and for rows that are all equal.

    >>> pca_dim(Space(np.array([[10, 0], [-10, 0], [0, 1], [0, -1]], np.float32)))  # variances 100 : 1
    1.0
    """
    spectrum = space.covariance_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are equal: no variance to distribute")
    return float(np.count_nonzero(spectrum > SHARE_OF_LARGEST * spectrum[0]))
