"""Length of the common part of all vectors."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "mean_vector_norm",
    family="isotropy",
    summary="How much of the vectors' length all documents share: that part does not distinguish documents.",
    range=(0.0, 1.0),
    better="lower",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d",
    source="Mu & Viswanath 2018, §2.1",
    quick=True,
)
def mean_vector_norm(space: Space) -> float:
    """‖mean of the rows‖ over their root mean square norm: 0 centred, 1 all rows equal.

    Raises `Undefined` when every row is zero.

    >>> round(mean_vector_norm(Space(np.array([[1, 0], [0, 1]], np.float32))), 6)  # ‖(½, ½)‖
    0.707107
    """
    length = float(np.sqrt(np.square(space.norms / max(space.norms.max(), 1e-300)).mean())) * float(space.norms.max())
    if not length > 0:
        raise Undefined("all rows are zero")
    return min(float(np.linalg.norm(space.mean / length)), 1.0)
