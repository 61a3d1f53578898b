"""Spread: how many documents are told apart at the scale of the distances themselves."""

from __future__ import annotations

import math

from embgeo.metrics.registry import measure_of_distances
from embgeo.space.space import Metric, Space


@measure_of_distances(
    "spread",
    family="diversity",
    summary="The number of clearly different documents, by {kind}: near 1 everything blurs into one point.",
    range=(1.0, math.inf),
    better="higher",
    invariances={"rotation", "row_order", "duplicates"},
    cost="n² d",
    source="Willerton 2015, eq. 1 (t = 1)",
    quick=True,
)
def spread(space: Space, metric: Metric) -> float:
    """Σ_i 1 / Σ_j exp(−d(x_i, x_j)): from 1 (all rows equal) to n (all far apart), under 1 − cos to at most e².

    Copying every row leaves it unchanged. Raises `Undefined` for zero rows under cosine.

    >>> import numpy as np
    >>> spread(Space(np.array([[0.0], [1000.0]], np.float32)), "euclidean")
    2.0
    >>> round(spread(Space(np.array([[1, 0], [-1, 0]], np.float32)), "cosine"), 4)  # 2 / (1 + e⁻²)
    1.7616
    """
    return float((1 / space.row_sums(metric, "exp_minus")).sum())
