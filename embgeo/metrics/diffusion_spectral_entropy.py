"""Diffusion spectral entropy: how many modes a random walk over nearby documents has."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space
from embgeo.threads import one_blas_thread


@measure(
    "diffusion_spectral_entropy",
    family="spectrum",
    summary="Entropy of a random walk over nearby documents, in bits: 0 is one cluster, more is more regions.",
    range=(0.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order"},
    cost="n³ at the cap of 1,000 rows",
    source="Liao et al. 2023, definition 3.1 (t = 1)",
    cap=1000,
    interval=False,
)
def diffusion_spectral_entropy(space: Space) -> float:
    """Entropy in bits of the absolute eigenvalues of the diffusion matrix, divided by their sum; from 0 to log₂ n.

    Gaussian kernel exp(−D² / σ²) with σ half the median distance of distinct rows (the paper fixes σ by hand, which
    depends on the scale), anisotropic normalisation by the degrees, then row normalisation. m regions far apart have
    about log₂ m bits. Duplicates weigh as they come.

    Raises `Undefined` for fewer than 12 distinct rows.

    >>> X = np.repeat(100 * np.eye(12), 20, axis=0) + np.random.default_rng(0).random((240, 12))
    >>> 3 < diffusion_spectral_entropy(Space(X.astype(np.float32))) < 4  # 12 regions: log₂ 12 = 3.6
    True
    """
    if space.distinct.n < 12:
        raise Undefined(f"the random walk needs at least 12 distinct rows; got {space.distinct.n}")
    between = space.distinct.distances()
    sigma = float(np.median(between[np.triu_indices(len(between), 1)].astype(np.float64))) / 2
    if not (0 < sigma < math.inf):
        raise Undefined(f"the distances have no usable scale ({sigma})")
    scaled = space.distances() / sigma if sigma > 1e-30 else space.distances().astype(np.float64) / sigma
    kernel = np.exp(-(np.minimum(scaled.astype(np.float64), 1e3) ** 2))
    degree = kernel.sum(axis=1)
    kernel /= np.outer(degree, degree)
    # symmetric, with the eigenvalues of the row-normalised walk
    root = np.sqrt(kernel.sum(axis=1))
    kernel /= np.outer(root, root)
    with one_blas_thread():
        eigenvalues = np.abs(np.linalg.eigvalsh(kernel))
    p = eigenvalues / eigenvalues.sum()
    p = p[p > 1e-15]
    return max(float(-(p * np.log2(p)).sum()), 0.0)
