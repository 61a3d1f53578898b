"""The rotation that brings centred documents closest to the corners of a cube; a part of `itq`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.compression.reducers.linear import Linear
from embgeo.compression.reducers.rotation import haar_rotation
from embgeo.compression.training import Training

FIT_ROWS = 20_000
ROUNDS = 50


@dataclass(frozen=True)
class ITQRotation:
    """Alternates between the signs B of the rotated rows and the rotation nearest to them (orthogonal Procrustes).

    50 rounds from a random rotation, on at most 20,000 rows, after centring; cost 50·(n·r² + r³).
    """

    name = "itq rotation"

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        mean = Z.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = Z if len(Z) <= FIT_ROWS else Z[:: -(-len(Z) // FIT_ROWS)]
        V = sample - mean
        rotation = haar_rotation(Z.shape[1], training.seed)
        for _ in range(ROUNDS):
            signs = np.where(V @ rotation > 0, np.float32(1), np.float32(-1))
            left, _, right = np.linalg.svd(V.T @ signs)
            rotation = left @ right
        return Linear(np.ascontiguousarray(rotation, np.float32), mean)
