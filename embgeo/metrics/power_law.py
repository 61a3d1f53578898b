"""Power-law exponent of the covariance spectrum."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.space import Space
from embgeo.threads import one_blas_thread

ASPECT = 2  # rows over columns of every submatrix
MAX_COLUMNS = 128
SUBMATRICES = 16
MIN_COLUMNS = 8


@measure(
    "power_law_exponent",
    family="spectrum",
    summary="How heavy the tail of strong directions is: low means a few directions dominate the rest.",
    range=(1.0, math.inf),
    invariances={"scale"},
    cost="16 submatrices of 256 × 128",
    source="Hu et al. 2025 (fixed-aspect-ratio subsampling); Hill 1975",
    interval=False,
    curve=CurveFacts(
        "spectrum",
        x="principal component",
        y="variance",
        title="Spectrum",
        note="Variance along each principal component; a straight line indicates a power law.",
        log="xy",
        place=0,
    ),
)
def power_law_exponent(space: Space) -> Reading:
    """Hill estimate of α in the density λ^−α of the larger half of the eigenvalues, over submatrices of one shape.

    The bulk of a covariance spectrum depends on n/d (Marchenko & Pastur), so spectra of different spaces compare only
    at one shape: 16 random submatrices of 2m × m with m = min(d, n/2, 128), rows and columns drawn without
    replacement, columns centred; their eigenvalues are pooled, each submatrix scaled to mean 1. The detail
    `rank_slope` is the plain slope of log λ_i against log i over the whole covariance.

    Raises `Undefined` for m < 8 and for rows that are all equal.

    >>> X = np.random.default_rng(0).standard_normal((600, 300)).astype(np.float32)
    >>> 2 < power_law_exponent(Space(X)).value < 5  # no heavy tail: the Marchenko–Pastur bulk
    True
    """
    m = min(space.d, space.n // ASPECT, MAX_COLUMNS)
    if m < MIN_COLUMNS:
        raise Undefined(f"needs {MIN_COLUMNS} dimensions and {ASPECT * MIN_COLUMNS} rows; got {space.d} and {space.n}")
    pooled = []
    X, _ = space.rows_for("euclidean")
    with one_blas_thread():
        for _ in range(SUBMATRICES):
            rows = space.rng.choice(space.n, ASPECT * m, replace=False)
            columns = space.rng.choice(space.d, m, replace=False)
            part = X[np.ix_(rows, columns)].astype(np.float64)
            part -= part.mean(axis=0)
            eigenvalues = np.linalg.eigvalsh(part.T @ part)
            if eigenvalues[-1] > 0:
                pooled.append(eigenvalues / eigenvalues.mean())
    if not pooled:
        raise Undefined("all rows are equal: no variance")
    ranked = np.sort(np.concatenate(pooled))[::-1]
    tail = ranked[: len(ranked) // 2]
    tail = tail[tail > 1e-12 * tail[0]]
    excess = float(np.log(tail / tail[-1]).mean())
    if excess < 1e-6:
        raise Undefined("all directions carry the same variance: no tail")
    spectrum = space.covariance_spectrum[space.covariance_spectrum > 0]
    slope = float(np.polyfit(np.log(np.arange(1, len(spectrum) + 1)), np.log(spectrum), 1)[0])
    return Reading(
        1 + 1 / excess,
        curves={"spectrum": {"x": np.arange(1, len(spectrum) + 1), "y": spectrum}},
        details={"columns": m, "rank_slope": slope},
    )
