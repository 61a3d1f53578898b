"""Condition number of the vectors."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "condition_number",
    family="spectrum",
    summary="Ratio of strongest to weakest direction; if very large, the weakest can be dropped.",
    range=(1.0, math.inf),
    better="lower",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="largest over smallest singular value (Golub & Van Loan, §2.6.2)",
)
def condition_number(space: Space) -> float:
    """σ_1 / σ_d of X, not centred; 1 when all directions carry the same.

    Raises `Undefined` when X has less than full column rank (to float32 rounding of its largest direction): the number
    would be infinite.

    >>> round(condition_number(Space(np.diag([3, 1]).astype(np.float32))), 6)
    3.0
    """
    spectrum = space.gram_spectrum
    rank = int(np.count_nonzero(spectrum))
    if rank < space.d:
        raise Undefined(f"the vectors span {rank} of {space.d} dimensions: the condition number is infinite")
    return float(np.sqrt(spectrum[0] / spectrum[-1]))
