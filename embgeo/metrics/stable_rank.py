"""Stable rank and trace ratio: ranks from ratios of norms."""

from __future__ import annotations

import math

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "stable_rank",
    family="spectrum",
    summary="How much lies outside the single strongest direction; near 1 a common direction dominates every vector.",
    range=(1.0, math.inf),
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="Rudelson & Vershynin 2007, §1",
    quick=True,
)
def stable_rank(space: Space) -> float:
    """‖X‖²_F / ‖X‖²₂ of the rows as they are (not centred): from 1 to min(n, d).

    Raises `Undefined` when every row is zero.

    >>> import numpy as np
    >>> round(stable_rank(Space(np.diag([2, 1]).astype(np.float32))), 6)  # (4 + 1) / 4
    1.25
    """
    spectrum = space.gram_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are zero")
    return float((spectrum / spectrum[0]).sum())


@measure(
    "trace_ratio",
    family="spectrum",
    summary="How many directions carry the similarities, as one number that is low if a few strong ones dominate.",
    range=(1.0, math.inf),
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="(tr K)² / ‖K‖²_F of the similarity matrix K = X Xᵀ",
)
def trace_ratio(space: Space) -> float:
    """(tr K)² / ‖K‖²_F = (Σ λ)² / Σ λ² with K = X Xᵀ, not centred: from 1 to min(n, d).

    `participation_ratio` is the same of the covariance. Raises `Undefined` when every row is zero.

    >>> import numpy as np
    >>> round(trace_ratio(Space(np.diag([2, 1]).astype(np.float32))), 6)  # 5² / (16 + 1)
    1.470588
    """
    spectrum = space.gram_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are zero")
    p = spectrum / spectrum[0]
    return float(max(p.sum() ** 2 / (p @ p), 1.0))
