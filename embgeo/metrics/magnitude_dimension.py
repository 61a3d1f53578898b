"""Magnitude dimension: the steepest growth of the effective number of points with the scale."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import CurveFacts, DocumentFacts, Reading, measure
from embgeo.space.magnitude import magnitude_of
from embgeo.space.space import Space


@measure(
    "mag_dim",
    family="magnitude",
    summary="How fast documents become distinguishable at finer scales, as a dimension; its weights mark outliers.",
    range=(0.0, float("inf")),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² · about 200 products",
    source="Meckes 2015; Andreeva et al. 2023: max slope of log magnitude against log scale",
    cap=5000,
    interval=False,
    curve=CurveFacts(
        "magnitude_dimension_profile",
        x="scale t",
        y="slope of log magnitude",
        title="Magnitude dimension against scale",
        note="Slope of the magnitude on log axes; mag_dim is its peak.",
        place=8,
    ),
    documents=DocumentFacts(
        "weight",
        value="weight",
        largest="boundary documents: largest magnitude weight",
        colour="outlier_weight",
        label="outlier weight (magnitude)",
    ),
)
def mag_dim(space: Space) -> Reading:
    """Largest secant slope of log M(t) over log t between 29 equally spaced scales up to where M = 0.95 n.

    Euclidean distances between the distinct rows; the conventions are those of the published table (30 scales, 0
    included and left out of the slopes). Depends on n, so it has no interval.

    `rows["weight"]` is each document's magnitude weight at the upper end of the steepest step, duplicates sharing
    theirs: near 1 for documents that stand alone at the edge of the cloud, near 0 (or below) deep inside it.
    Raises `Undefined` for fewer than two distinct rows.

    >>> pair = np.array([[0], [1]], np.float32)  # M = 2 / (1 + e^−t), slope t / (e^t + 1), largest 0.278 at t = 1.278
    >>> round(mag_dim(Space(pair)).value, 2)
    0.28
    """
    magnitude = magnitude_of(space)
    slopes, scales = magnitude.profile
    steepest = int(np.argmax(slopes))
    weights = magnitude.weights[steepest + 2]
    groups = space.duplicates
    shared = (weights / groups.counts)[groups.group]
    return Reading(
        float(slopes[steepest]),
        curves={"magnitude_dimension_profile": {"x": scales.tolist(), "y": slopes.tolist()}},
        details={
            "scale": float(magnitude.scales[steepest + 2]),
            "largest_residual": float(magnitude.residuals.max()),
            "iterations": magnitude.iterations,
            "direct_solves": magnitude.direct,
        },
        rows={"weight": shared},
    )
