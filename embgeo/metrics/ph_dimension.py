"""Persistent homology dimension: how fast the total H0 length grows with the number of points."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, Reading, measure_of_distances
from embgeo.space.space import Metric, Space

REPEATS = 5
FRACTIONS = 10  # sizes m/10, 2m/10, …, 9m/10: 500, 1000, …, 4500 at the published 5,000 points
MIN_ROWS = 100


@measure_of_distances(
    "ph_dim",
    family="dimension",
    summary="Intrinsic dimension of the corpus, estimated from how fast gaps close as documents are added.",
    range=(-float("inf"), float("inf")),
    invariances={"rotation", "scale", "duplicates"},
    cost="n²",
    source="Adams et al. 2020; Birdal et al. 2021, α = 1: 1 / (1 − slope of log Σ lifetimes against log n)",
    cap=5000,
    interval=False,
    curve=CurveFacts(
        "total_length",
        x="documents",
        y="total H0 length",
        title="Persistent-homology dimension, {metric}",
        note="Total length of the H0 bars by sample size, with the fitted line.",
        place=9,
    ),
)
def ph_dim(space: Space, metric: Metric) -> Reading:
    """Steadier than the published estimate: log total lengths averaged over 5 draws at each of 9 sizes, then one fit.

    Subsamples are drawn from the distinct rows (m of them) at m/10, …, 9m/10, without replacement; the size schedule
    is the published one at m = 5,000. The published value is that of a single draw. Under 1 − cos,
    a squared distance, the value is about half of that under Euclidean distance.
    Raises `Undefined` below 100 distinct rows, or when the length grows faster than the points.

    >>> line = np.linspace(0, 1, 2000, dtype=np.float32)[:, None]  # its length stays 1, however many points
    >>> round(ph_dim(Space(line), "euclidean").value, 1)
    1.0
    >>> angles = np.random.default_rng(0).random(1000)  # n gaps of about 1/n: n · (1/n)² falls like 1/n
    >>> round(ph_dim(Space(np.c_[np.cos(angles), np.sin(angles)].astype("f4")), "cosine").value, 1)
    0.5
    """
    points = space.distinct_under(metric, at_least=MIN_ROWS)
    sizes = [points.n * part // FRACTIONS for part in range(1, FRACTIONS)]
    members = [space.rng.choice(points.n, size, replace=False) for _ in range(REPEATS) for size in sizes]
    lengths = points.subsample_lengths(metric, members)
    sums = np.array([one.sum(dtype=np.float64) for one in lengths]).reshape(REPEATS, len(sizes))
    x, y = np.log10(sizes), np.log10(sums)
    slopes = np.array([np.polyfit(x, row, 1)[0] for row in y])
    slope, intercept = np.polyfit(x, y.mean(axis=0), 1)
    if slope >= 1:
        raise Undefined(f"the total H0 length grows faster than the number of points (slope {slope:.3f}): no dimension")
    curve = {
        "x": list(sizes),
        "y": (10 ** y.mean(axis=0)).tolist(),
        "fit": (10 ** (intercept + slope * x)).tolist(),
        "low": sums.min(axis=0).tolist(),
        "high": sums.max(axis=0).tolist(),
        "log": "xy",
    }
    singles = 1 / (1 - slopes)
    details = {"repeats": REPEATS, "slope": float(slope), "spread_of_single_draws": float(singles.std(ddof=1))}
    return Reading(float(1 / (1 - slope)), curves={"total_length": curve}, details=details)
