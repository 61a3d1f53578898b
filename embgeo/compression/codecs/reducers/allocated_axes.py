"""The principal axes that adaptive bits quantize: those that get at least one bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.training import Training, principal_axes, second_moment
from embgeo.numeric.lloyd_max import allocate_bits


@dataclass(frozen=True)
class AllocatedAxes:
    """PCA about the origin, cut after the last axis that gets a bit of `budget` bytes; a part of `adaptive`."""

    budget: int
    name = "axes"

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        axes = training.principal[1] if Z is training.X else principal_axes(second_moment(Z))[1]
        axes = axes.astype(np.float32)
        bits = allocate_bits((Z @ axes).var(axis=0, dtype=np.float64), 8 * self.budget)
        used = np.flatnonzero(bits)
        return Linear(np.ascontiguousarray(axes[:, : used[-1] + 1]))
