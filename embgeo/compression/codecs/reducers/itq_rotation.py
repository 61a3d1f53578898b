"""The rotation that brings centred documents closest to the corners of a cube; a part of `itq`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.training import Training, one_thread

FIT_ROWS = 20_000
ROUNDS = 50
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ITQRotation:
    """Alternates between the signs B of the rotated rows and the rotation nearest to them (orthogonal Procrustes).

    Starts from a random rotation and ends after 50 rounds, or when a round takes less than a thousandth off the squared
    error; on at most 20,000 rows, centred. A round costs n·r² and an SVD of r².
    """

    name = "itq rotation"

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        mean = Z.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = Z if len(Z) <= FIT_ROWS else Z[:: -(-len(Z) // FIT_ROWS)]
        V = sample - mean
        rotation = haar_rotation(Z.shape[1], training.seed)
        error = np.inf
        for _ in range(ROUNDS):
            Y = V @ rotation
            signs = np.where(Y > 0, np.float32(1), np.float32(-1))
            # ‖sY − B‖² at the best size s, per bit
            power = float(np.einsum("ij,ij->", Y, Y, dtype=np.float64))
            before, error = error, 1 - float(np.abs(Y).sum(dtype=np.float64)) ** 2 / max(power * Y.size, 1e-300)
            if error > before * (1 - TOLERANCE):
                break
            with one_thread(len(rotation)):
                left, _, right = np.linalg.svd(V.T @ signs)
            rotation = left @ right
        return Linear(np.ascontiguousarray(rotation, np.float32), mean)


def haar_rotation(dimension: int, seed: int) -> np.ndarray:
    """(d, d) float32 orthogonal, Haar-distributed: the QR decomposition of a Gaussian matrix, its signs settled.

    Where learning starts from; only what was learned is stored.
    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups".
    """
    rng = np.random.default_rng([seed, dimension, 0x207A7E])
    with one_thread(dimension):
        Q, R = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    rotation: np.ndarray = (Q * np.sign(np.diag(R))).astype(np.float32)
    return rotation
