"""Participation ratio of the variance."""

from __future__ import annotations

import math

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "participation_ratio",
    family="dimension",
    summary="How many directions share the variance, as one number; if far below the dimension, PCA loses little.",
    range=(1.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="Gao et al. 2017, eq. 5",
    quick=True,
)
def participation_ratio(space: Space) -> float:
    """(Σ λ)² / Σ λ² of the covariance eigenvalues: from 1 (a line) to d (equal variances).

    Not `trace_ratio`, which keeps the mean. Raises `Undefined` for one row and for rows that are all equal.

    >>> import numpy as np
    >>> participation_ratio(Space(np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)))
    2.0
    """
    spectrum = space.covariance_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are equal: no variance to share")
    p = spectrum / spectrum[0]
    return float(max(p.sum() ** 2 / (p @ p), 1.0))
