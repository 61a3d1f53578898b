"""Outlier dimensions: coordinates much larger than the others."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space

DEVIATIONS = 3.0


@measure(
    "outlier_dimensions",
    family="isotropy",
    summary="Number of coordinates far larger than the rest: they dominate similarities and wreck shared int8 ranges.",
    range=(0.0, math.inf),
    better="lower",
    invariances={"scale", "row_order", "duplicates"},
    cost="n d",
    source="Kovaleva et al. 2021, §3 (3 standard deviations)",
    quick=True,
)
def outlier_dimensions(space: Space) -> Reading:
    """Number of dimensions whose root mean square lies more than 3 standard deviations above the mean of all.

    A whole number, at most d / 10. The details name them with their share of Σ ‖x‖². Rotation spreads them out.
    Raises `Undefined` for d < 11 (no dimension can be 3 deviations off) and when every row is zero.

    >>> X = np.ones((4, 40), np.float32)
    >>> X[:, 7] = 100
    >>> outlier_dimensions(Space(X)).details["dimensions"]
    [7]
    """
    if space.d < 11:
        raise Undefined(f"outliers of 3 standard deviations need at least 11 dimensions; got {space.d}")
    squares = np.diag(space.gram)
    total = squares.sum()
    if not total > 0:
        raise Undefined("all rows are zero")
    size = np.sqrt(squares / total)
    found = np.flatnonzero(size > size.mean() + DEVIATIONS * size.std() + 1e-12)
    found = found[np.argsort(-size[found], kind="stable")]
    return Reading(
        float(len(found)), details={"dimensions": found.tolist(), "shares": [float(squares[j] / total) for j in found]}
    )
