"""How evenly the documents spread over the sphere of directions."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "uniformity",
    family="isotropy",
    summary="How evenly documents cover the directions of the space: lower is more even, 0 if all share one direction.",
    range=(-8.0, 0.0),
    better="lower",
    invariances={"rotation", "scale", "row_order"},
    cost="n² d",
    source="Wang & Isola 2020, eq. 2 (t = 2)",
    quick=True,
)
def uniformity(space: Space) -> float:
    """Logarithm of the mean Gaussian potential of pairs, log mean_{i<j} exp(−2 ‖u_i − u_j‖²), on unit rows.

    −8 for antipodal pairs, 0 when all directions agree; a uniform sphere of high dimension has about −4. Duplicates
    count as pairs at distance 0. Not the alignment of Wang & Isola, which needs judged pairs.

    Raises `Undefined` for one row and for zero rows.

    >>> uniformity(Space(np.array([[1, 0], [-1, 0]], np.float32)))  # one pair at distance 2: −2 · 4
    -8.0
    """
    if space.n < 2:
        raise Undefined("uniformity needs at least 2 rows; got 1")
    # ‖u − v‖² = 2 (1 − cos): the potential is exp(−4 · cosine distance)
    total = space.row_sums("cosine", "exp_minus", scale=4.0).sum() - space.n
    return max(float(np.log(total / (space.n * (space.n - 1)))), -8.0)
