"""Matrix nuclear norm and its fast L1,2 approximation."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space

SOURCE = "Li et al. 2024 (Matrix Nuclear-Norm), eqs. 4 and 9; divided by √(n · mean ‖x‖²) here"


@measure(
    "nuclear_norm",
    family="spectrum",
    summary="Size and evenness of all directions in one number: it grows as more directions carry the vectors.",
    range=(0.0, math.inf),
    better="higher",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source=SOURCE,
)
def nuclear_norm(space: Space) -> float:
    """Σ σ_i / ‖X‖_F: from 1 (one direction) to √min(n, d).

    The paper divides by the number of rows, so that its value depends on it; divided by ‖X‖_F it stands for the rank
    alone: its square is at most the rank. Raises `Undefined` when every row is zero.

    >>> round(nuclear_norm(Space(np.eye(4, dtype=np.float32))), 6)  # 4 / √4
    2.0
    """
    spectrum = space.gram_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are zero")
    return float(np.sqrt(spectrum).sum() / np.sqrt(spectrum.sum()))


@measure(
    "nuclear_norm_l12",
    family="spectrum",
    summary="Fast approximation of the nuclear norm from column lengths: equal to it when columns are orthogonal.",
    range=(0.0, math.inf),
    better="higher",
    invariances={"scale", "row_order", "duplicates"},
    cost="n d",
    source=SOURCE,
)
def nuclear_norm_l12(space: Space) -> float:
    """Σ_j ‖column j‖ / ‖X‖_F, the L1,2 norm in place of the nuclear norm; an upper bound of `nuclear_norm`.

    Depends on the axes, so a rotation changes it. Raises `Undefined` when every row is zero.

    >>> round(nuclear_norm_l12(Space(np.eye(4, dtype=np.float32))), 6)
    2.0
    """
    squares = np.diag(space.gram)
    if not squares.sum() > 0:
        raise Undefined("all rows are zero")
    return float(np.sqrt(squares).sum() / np.sqrt(squares.sum()))
