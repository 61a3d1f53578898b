"""Average similarity of document pairs."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space


@measure(
    "avg_pair_sim_euclidean",
    family="similarity",
    summary="How close two random documents are by distance: near 1, the store can hardly tell documents apart.",
    range=(0.0, 1.0),
    better="lower",
    invariances={"rotation", "translation", "row_order", "duplicates"},
    cost="n² d",
    source="UTS table: mean of 1 / (1 + ‖x − y‖)",
    quick=True,
)
def avg_pair_sim_euclidean(space: Space) -> float:
    """Mean of 1 / (1 + ‖x_i − x_j‖) over all n² ordered pairs, the n pairs of a row with itself included.

    1 when all rows are equal. Copying every row leaves it unchanged.

    >>> avg_pair_sim_euclidean(Space(np.array([[0.0], [1.0]], np.float32)))  # (1 + 1/2 + 1/2 + 1) / 4
    0.75
    """
    return float(space.row_sums("euclidean", "inverse_one_plus").sum() / space.n**2)


@measure(
    "avg_pair_sim_cosine",
    family="similarity",
    summary="Mean cosine of two random documents: if far above 0, all vectors share a direction without information.",
    range=(-1.0, 1.0),
    better="lower",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d",
    source="UTS table; Ethayarajh 2019, §3.3",
    quick=True,
)
def avg_pair_sim_cosine(space: Space) -> Reading:
    """Mean cosine over all n² ordered pairs, self pairs included as in the published table: ‖mean of the unit rows‖².

    1 when all rows point one way, about 1/n when they cancel. Raises `Undefined` for zero rows. The mean μ over pairs
    of different documents, which `epsilon_corpus` uses, is (1 − μ)/n lower; it is in the details.

    >>> avg_pair_sim_cosine(Space(np.array([[1, 0], [0, 1]], np.float32))).value  # (1 + 0 + 0 + 1) / 4
    0.5
    """
    centre = space.unit.mean(axis=0, dtype=np.float64)
    value = float(min(centre @ centre, 1.0))
    return Reading(value, details={} if space.n < 2 else {"different_documents": (value * space.n - 1) / (space.n - 1)})
