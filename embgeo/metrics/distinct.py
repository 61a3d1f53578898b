"""Distances between the distinct points of a space: a metric space has no duplicates, a corpus has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from embgeo.metrics.registry import Undefined

if TYPE_CHECKING:
    from embgeo.metrics.space import Space


def distinct_distances(space: Space, metric: Literal["euclidean", "cosine"], at_least: int = 2) -> np.ndarray:
    """(m, m) float32 distances between the first rows of each group of rows that `metric` cannot tell apart.

    Raises `Undefined` when fewer than `at_least` distinct rows remain.
    """
    first = space.duplicates_under(metric).first
    if len(first) < at_least:
        raise Undefined(f"needs at least {at_least} distinct documents; got {len(first)}")
    D = space.distances(metric)
    if len(first) == space.n:
        return D
    return space.shared(("distinct_distances", metric), lambda: D[np.ix_(first, first)])
