"""Area under the magnitude function: the effective number of documents, averaged over all scales."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.magnitude import magnitude_of
from embgeo.space.space import Space


@measure(
    "mag_area",
    family="magnitude",
    summary="The effective number of different documents, averaged over all scales: higher means more diverse.",
    range=(1.0, float("inf")),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² · about 200 products",
    source="Limbeck et al. 2024, MagArea: trapezoid area under M(t) divided by the convergence scale",
    cap=5000,
    interval=False,
    curve=CurveFacts(
        "magnitude_function",
        x="scale t",
        y="effective number of documents",
        title="Magnitude against scale",
        note="Effective number of documents by scale: 1 at the coarsest, all of them at the finest.",
        place=7,
    ),
)
def mag_area(space: Space) -> Reading:
    """∫ M(t) dt / T by the trapezoid rule over 30 equally spaced scales from 0 (M = 1) to T, where M = 0.95 n.

    Euclidean distances between the distinct rows. About proportional to n, so it has no interval; divide by n to
    compare samples of different size. Raises `Undefined` for fewer than two distinct rows.

    >>> pair = np.array([[0], [1]], np.float32)  # 2 / (1 + e^−t) up to T = ln 19: 2 ln 10 / ln 19
    >>> round(mag_area(Space(pair)).value, 2)
    1.56
    """
    magnitude = magnitude_of(space)
    area = float(np.trapezoid(magnitude.values, magnitude.scales) / magnitude.scales[-1])
    curve = {"x": magnitude.scales.tolist(), "y": magnitude.values.tolist()}
    details = {"per_document": area / len(space.duplicates.first), "convergence_scale": float(magnitude.scales[-1])}
    return Reading(area, curves={"magnitude_function": curve}, details=details)
