"""Vendi scores: the effective number of different documents."""

from __future__ import annotations

import math

from embgeo.metrics.effective_rank import exp_entropy
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "vendi_score",
    family="diversity",
    summary="The effective number of different documents: how many mutually orthogonal ones would be as diverse.",
    range=(1.0, math.inf),
    better="higher",
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d² + d³",
    source="Friedman & Dieng 2023, eq. 1",
    quick=True,
)
def vendi_score(space: Space) -> float:
    """exp of the entropy of the eigenvalues of K / n, K the cosine similarity matrix (unit diagonal).

    From 1 (one direction) to min(n, d). The eigenvalues of U Uᵀ / n are those of Uᵀ U / n, so the cost is that of the
    smaller Gram matrix. This is the score as defined; the published column `vendi_score` feeds distances to it and is
    `vendi_score_distance_euclidean|cosine` here. Raises `Undefined` for zero rows.

    >>> import numpy as np
    >>> round(vendi_score(Space(np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32))), 6)
    2.0
    """
    return exp_entropy(space.unit_gram_spectrum)
