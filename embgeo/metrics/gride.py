"""Gride: intrinsic dimension by scale."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.space import Space

MAX_RANK = 64  # of the nearer neighbour; the farther is at twice the rank


@measure(
    "gride_dim",
    family="dimension",
    summary="Degrees of freedom at the scale of about a hundred neighbours; the curve shows smaller scales.",
    range=(0.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² d",
    source="Denti et al. 2022, eq. 5",
    interval=False,
    curve=CurveFacts(
        "scale",
        x="mean distance of the neighbour at rank 2m",
        y="dimension",
        title="Dimension against scale",
        note="Dimension estimate by scale; a plateau indicates a stable dimension.",
        place=2,
    ),
)
def gride_dim(space: Space) -> Reading:
    """Maximum-likelihood dimension from μ = r_2m / r_m, the ratio of neighbour distances at ranks 2m and m.

    The density of μ is d (μ^d − 1)^(m−1) / (B(m, m) μ^(d(2m−1)+1)). The curve has m = 1, 2, 4, …, 64 (as far as the
    distinct rows reach) against the mean distance of neighbour 2m; the value is that of the largest m, so it depends
    on n. m = 1 is TwoNN by maximum likelihood. Copies, equal up to rounding, are taken out first; Euclidean.

    Raises `Undefined` for fewer than 5 distinct rows and where neighbours are at equal distances.

    >>> X = np.random.default_rng(0).random((2000, 1)).astype(np.float32)
    >>> abs(gride_dim(Space(X)).value - 1) < 0.05
    True
    """
    distinct = space.distinct
    if distinct.n < 5:
        raise Undefined(f"Gride needs at least 5 distinct rows; got {distinct.n}")
    ranks = [m for m in (2**i for i in range(MAX_RANK.bit_length())) if 2 * m < distinct.n]
    r = distinct.neighbours(2 * ranks[-1], "euclidean")[0].astype(np.float64)
    dimensions = [maximum_likelihood_dimension(r[:, m - 1], r[:, 2 * m - 1], m) for m in ranks]
    known = [d for d in dimensions if d is not None]
    if not known:
        raise Undefined("neighbours at ranks m and 2m are at equal distances, as on a lattice or simplex")
    return Reading(
        known[-1],
        curves={
            "scale": {
                "x": [float(r[:, 2 * m - 1].mean()) for m in ranks],
                "y": dimensions,
                "rank": [2 * m for m in ranks],
            }
        },
        details={"rank": 2 * ranks[max(i for i, d in enumerate(dimensions) if d is not None)]},
    )


def maximum_likelihood_dimension(near: np.ndarray, far: np.ndarray, m: int) -> float | None:
    """The d that maximises the likelihood of far / near at ranks 2m and m; None when the ratios are all 1.

    The score n/d + (m − 1) Σ log μ · μ^d / (μ^d − 1) − (2m − 1) Σ log μ falls in d: bisection on log d.
    """
    logs = np.log(far[near > 0] / near[near > 0])
    logs = logs[logs > 1e-7]  # a ratio of 1 is a float32 tie
    if len(logs) < 3:
        return None
    low, high = math.log(1e-3), math.log(1e5)
    for _ in range(60):
        middle = (low + high) / 2
        d = math.exp(middle)
        # μ^d / (μ^d − 1) = 1 / (1 − μ^−d)
        score = len(logs) / d + (m - 1) * (logs / -np.expm1(-d * logs)).sum() - (2 * m - 1) * logs.sum()
        low, high = (middle, high) if score > 0 else (low, middle)
    return math.exp(low)
