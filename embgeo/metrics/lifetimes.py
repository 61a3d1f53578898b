"""Mean lifetime and midlife of the H0 bars: the typical gap that must be bridged to join a document to the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.metrics.registry import Reading, measure_of_distances
from embgeo.space.space import Metric, Space

FACTS: dict[str, Any] = {
    "family": "topology",
    "range": (0.0, float("inf")),
    "invariances": {"rotation", "row_order", "duplicates"},
    "cost": "n²",
    "cap": 5000,
    "interval": False,
}


@measure_of_distances(
    "lifetime_mean",
    summary="The average distance at which a document joins the rest: small in a dense store, large when documents "
    "stand alone.",
    source="Rottach et al. 2025 (UTS): mean length of the finite H0 bars",
    **FACTS,
)
def lifetime_mean(space: Space, metric: Metric) -> Reading:
    """Mean positive minimum spanning tree edge; under cosine distance 1 − cos in [0, 2].

    Falls as n grows, so it has no interval. Duplicates make no bar. Raises `Undefined` when all rows are equal.

    >>> lifetime_mean(Space(np.array([[0], [1], [3]], np.float32)), "euclidean").value  # (1 + 2) / 2
    1.5
    >>> round(lifetime_mean(Space(np.eye(3, dtype=np.float32)), "cosine").value, 4)  # right angles
    1.0
    """
    deaths = space.positive_deaths(metric)
    quantiles = np.quantile(deaths, [0.05, 0.5, 0.95])
    return Reading(float(deaths.mean()), details={"quantiles_5_50_95": quantiles.tolist(), "bars": len(deaths)})


@measure_of_distances(
    "midlife_mean",
    summary="Half the average distance at which a document joins the rest; kept for comparison with published tables.",
    source="Rottach et al. 2025 (UTS): mean of (birth + death) / 2 of the finite H0 bars",
    **FACTS,
)
def midlife_mean(space: Space, metric: Metric) -> float:
    """Half of `lifetime_mean`: H0 bars are born at 0.

    >>> midlife_mean(Space(np.array([[0], [1], [3]], np.float32)), "euclidean")  # (1/2 + 2/2) / 2
    0.75
    """
    return float(space.positive_deaths(metric).mean()) / 2
