"""Spectral entropy: how evenly the directions carry the vectors."""

from __future__ import annotations

import math

from embgeo.errors import Undefined
from embgeo.metrics.effective_rank import exp_entropy
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "spectral_entropy",
    family="spectrum",
    summary="How evenly the vectors use the directions: 1 all equally (nothing to compress), 0 only one.",
    range=(0.0, 1.0),
    better="higher",
    invariances={"rotation", "scale", "row_order"},
    cost="n d² + d³",
    source="von Neumann entropy of X Xᵀ / tr X Xᵀ over its largest value",
)
def spectral_entropy(space: Space) -> float:
    """Entropy of the eigenvalues of XᵀX divided by their sum, over log min(n, d); not centred.

    `effective_rank` takes the singular values instead of their squares. Raises `Undefined` for n = 1 or d = 1 and when
    every row is zero.

    >>> import numpy as np
    >>> round(spectral_entropy(Space(np.eye(4, dtype=np.float32))), 6)
    1.0
    """
    directions = min(space.n, space.d)
    if directions < 2:
        raise Undefined("spectral entropy needs at least 2 rows and 2 dimensions")
    return min(max(math.log(exp_entropy(space.gram_spectrum)) / math.log(directions), 0.0), 1.0)
