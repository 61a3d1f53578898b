"""Effective rank: how many directions carry the vectors."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "effective_rank",
    family="spectrum",
    summary="How many directions the vectors effectively use; if far below the dimension, PCA can shrink the store.",
    range=(1.0, math.inf),
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="Roy & Vetterli 2007, eq. 4",
    quick=True,
)
def effective_rank(space: Space) -> float:
    """exp of the Shannon entropy of the singular values of X (not centred) divided by their sum.

    From 1 (all rows on one line) to min(n, d) (all singular values equal). Computed from the smaller Gram matrix in
    float64, never from an n × d decomposition. Not the entropy of the *squared* values (see `spectral_entropy`).

    Raises `Undefined` when every row is zero.

    >>> round(effective_rank(Space(np.array([[3, 0], [0, 3]], np.float32))), 6)
    2.0
    """
    return exp_entropy(np.sqrt(space.gram_spectrum))


def exp_entropy(weights: np.ndarray) -> float:
    """exp of the entropy of non-negative weights divided by their sum: how many of them count."""
    total = weights.sum()
    if total == 0:
        raise Undefined("all rows are zero: no direction is used")
    p = weights[weights > 0] / total
    return float(np.exp(-(p * np.log(p)).sum()))
