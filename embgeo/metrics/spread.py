"""Spread: how many documents are told apart at the scale of the distances themselves."""

from __future__ import annotations

import math

from embgeo.metrics.registry import measure
from embgeo.space.space import Space

SOURCE = "Willerton 2015, eq. 1 (t = 1)"
SUMMARY = "The number of clearly different documents, {}: near 1 everything blurs into one point."


@measure(
    "spread_euclidean",
    family="diversity",
    summary=SUMMARY.format("by distance"),
    range=(1.0, math.inf),
    better="higher",
    invariances={"rotation", "translation", "row_order", "duplicates"},
    cost="n² d",
    source=SOURCE,
    quick=True,
)
def spread_euclidean(space: Space) -> float:
    """Σ_i 1 / Σ_j exp(−‖x_i − x_j‖): from 1 (all rows equal) to n (all far apart).

    Copying every row leaves it unchanged.

    >>> import numpy as np
    >>> spread_euclidean(Space(np.array([[0.0], [1000.0]], np.float32)))
    2.0
    """
    return float((1 / space.row_sums("euclidean", "exp_minus")).sum())


@measure(
    "spread_cosine",
    family="diversity",
    summary=SUMMARY.format("by angle"),
    range=(1.0, math.inf),
    better="higher",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n² d",
    source=SOURCE,
    quick=True,
)
def spread_cosine(space: Space) -> float:
    """Σ_i 1 / Σ_j exp(−(1 − cos(x_i, x_j))): from 1 (one direction) to at most e², for cosine distances end at 2.

    Raises `Undefined` for zero rows.

    >>> import numpy as np
    >>> round(spread_cosine(Space(np.array([[1, 0], [-1, 0]], np.float32))), 4)  # 2 / (1 + e⁻²)
    1.7616
    """
    return float((1 / space.row_sums("cosine", "exp_minus")).sum())
