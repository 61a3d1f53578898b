"""The overlaps that packings reach: what the capacity formulas invert."""

from __future__ import annotations

import math

from embgeo.limits.capacity import ONE_PARAMETER_C, RANDOM_C


def packing_overlap(dimension: int, vectors: float) -> float:
    """The overlap √(C ln(k/d) / d) that the best packings of k `vectors` reach; 0 for k ≤ d, an orthogonal set."""
    return math.sqrt(ONE_PARAMETER_C * math.log(max(vectors / dimension, 1.0)) / dimension)


def random_overlap(dimension: int, vectors: float) -> float:
    """The overlap √(C ln(k) / d) of k random `vectors`."""
    return math.sqrt(RANDOM_C * math.log(max(vectors, 1.0)) / dimension)
