"""TwoNN: intrinsic dimension from the two nearest neighbours."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space

KEPT = 0.5  # share of points that are fitted, those with the smallest ratios: the rest deviate from the law


@measure(
    "twonn_dim",
    family="dimension",
    summary="Intrinsic dimension: the degrees of freedom that documents have at the scale of their nearest neighbours.",
    range=(0.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² d",
    source="Facco et al. 2017",
    quick=True,
)
def twonn_dim(space: Space) -> Reading:
    """Slope through the origin of −log(1 − F(μ)) against log μ, μ = second over first neighbour distance.

    F is the empirical distribution; the half of the points with the larger ratios is left out, as in the published
    table. Copies, equal up to rounding, are taken out first (30 % copies turn 5 into 9), and the loop never resamples
    with replacement for the same reason. Euclidean neighbours, exact.

    Raises `Undefined` for fewer than 5 distinct rows and when all ratios are equal to 1 (a lattice).

    >>> X = np.cumsum(1.5 ** np.arange(12), dtype=np.float32)[:, None]  # gaps grow by 3/2: μ = 3/2
    >>> round(twonn_dim(Space(X)).value, 3)  # log(12⁶ / (12 · 11 · 10 · 9 · 8 · 7)) / (6 log 3/2)
    0.617
    """
    distinct = space.distinct
    if distinct.n < 5:
        raise Undefined(f"TwoNN needs at least 5 distinct rows; got {distinct.n}")
    r, _ = distinct.neighbours(2, "euclidean")
    r = r[r[:, 0] > 0].astype(np.float64)
    mu = np.sort(r[:, 1] / r[:, 0])
    kept = int(len(mu) * KEPT)
    x, y = np.log(mu[:kept]), -np.log1p(-np.arange(kept) / max(len(mu), 1))
    if not (x * x).sum() > 0:
        raise Undefined("first and second neighbours are at equal distances for most rows, as on a lattice")
    return Reading(float(x @ y / (x @ x)), details={"distinct_rows": distinct.n, "duplicates": space.n - distinct.n})
