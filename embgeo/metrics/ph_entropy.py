"""Persistent entropy of H0: how evenly the corpus falls apart into components as the scale grows."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measure_of_distances
from embgeo.space.space import Metric, Space


def persistent_entropy(lifetimes: np.ndarray) -> float:
    """−Σ p log₂ p with p the positive lifetimes divided by their sum; from 0 (one bar) to log₂ of their number.

    >>> persistent_entropy(np.array([1.0, 1.0, 2.0, 0.0]))  # p = 1/4, 1/4, 1/2: 0.5 + 0.5 + 0.5
    1.5
    """
    bars = np.asarray(lifetimes, dtype=np.float64)
    bars = bars[bars > 0]
    if not len(bars):
        raise Undefined("persistent entropy needs two distinct documents; all are equal")
    p = bars / bars.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


@measure_of_distances(
    "ph_entr",
    family="topology",
    summary="How even the gaps between neighbouring documents are: log2(n) when all are equal, lower with tight groups "
    "and wide gaps.",
    range=(0.0, float("inf")),
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n²",
    source="Atienza et al. 2020, eq. 1; H0 bars as minimum spanning tree edges",
    interval=False,
)
def ph_entropy(space: Space, metric: Metric) -> Reading:
    """Persistent entropy of the positive H0 lifetimes, in bits. Grows with log₂ n, so it has no interval.

    From 0 to log₂ of the number of bars. Duplicates make no bar. Raises `Undefined` when all rows are equal, and for
    zero rows under cosine.

    >>> X = np.array([[0], [1], [2], [4]], np.float32)  # gaps 1, 1, 2: shares 1/4, 1/4, 1/2
    >>> ph_entropy(Space(X), "euclidean").value
    1.5
    >>> ph_entropy(Space(np.eye(3, dtype=np.float32)), "cosine").value  # two bars of length 1
    1.0
    """
    deaths = space.tree_lengths(metric)
    value = persistent_entropy(deaths)
    bars = int((deaths > 0).sum())
    return Reading(value, details={"bars": bars, "largest_possible": float(np.log2(bars))})
