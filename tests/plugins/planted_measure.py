"""A third-party measure: one file that embgeo does not know, loaded by EMBGEO_PLUGINS=planted_measure."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import CurveFacts, DocumentFacts, Reading, measure
from embgeo.space.space import Space


@measure(
    "planted_norm",
    family="planted",
    summary="The mean length of the vectors, planted by a test.",
    range=(0.0, float("inf")),
    better="neither",
    invariances={"rotation", "row_order", "duplicates"},
    cost="n d",
    source="nobody",
    quick=True,
    curve=CurveFacts(
        "lengths", x="rank of the document", y="length", title="Planted lengths", note="Longest first.", place=0
    ),
    documents=DocumentFacts(
        "length", value="length", largest="planted: longest vectors", colour="length", label="planted length"
    ),
)
def planted_norm(space: Space) -> Reading:
    """Mean Euclidean norm.

    >>> planted_norm(Space(np.array([[3.0, 4.0]], np.float32))).value
    5.0
    """
    ranked = np.sort(space.norms)[::-1]
    curve = {"x": np.arange(1, space.n + 1), "y": ranked}
    return Reading(float(space.norms.mean()), curves={"lengths": curve}, rows={"length": space.norms})
