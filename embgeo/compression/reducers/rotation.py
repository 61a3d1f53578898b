"""Random rotation (`rot`): spreads what a vector holds evenly over its coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from embgeo.compression.parts import reducer
from embgeo.compression.reducers.linear import Linear
from embgeo.compression.training import Training, one_thread


@reducer(
    r"rot",
    example="rot",
    summary="random rotation: evens out the coordinates before few-bit quantizers (can hurt plain sign bits)",
    fitted=Linear,
)
@dataclass(frozen=True)
class Rotation:
    """A Haar-distributed orthogonal matrix from the QR decomposition of a Gaussian one, equal for equal seed and width.

    Scores are unchanged but for rounding; what changes is what a quantizer sees. State: r²·4 bytes.
    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups".
    """

    @property
    def name(self) -> str:
        return "rot"

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        return Linear(haar_rotation(Z.shape[1], training.seed))


@lru_cache(maxsize=16)
def haar_rotation(dimension: int, seed: int) -> np.ndarray:
    """(d, d) float32 orthogonal, read-only."""
    rng = np.random.default_rng([seed, dimension, 0x207A7E])
    with one_thread(dimension):
        Q, R = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    rotation = (Q * np.sign(np.diag(R))).astype(np.float32)
    rotation.flags.writeable = False
    return rotation
