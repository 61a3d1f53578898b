"""Iterative quantization (`itq`): sign bits after a rotation learned for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.cost import FACTORISATION, PRODUCT, Cost
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import Quantizer, Reducer, quantizer
from embgeo.compression.codecs.quantizers.binary import FittedSigns
from embgeo.compression.codecs.training import Training
from embgeo.threads import one_blas_thread

FIT_ROWS = 20_000
ROUNDS = 50
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ITQRotation(Reducer):
    """Alternates between the signs B of the rotated rows and the rotation nearest to them (orthogonal Procrustes).

    Starts from a random rotation and ends after 50 rounds, or when a round takes less than a thousandth off the squared
    error; on at most 20,000 rows, centred. A round costs n·r² and an SVD of r².
    """

    spelling: ClassVar[str] = "itq rotation"

    def width(self, dimension: int) -> int:
        return dimension

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        each = 2 * min(rows, FIT_ROWS) * width**2 * PRODUCT + 4 * width**3 * FACTORISATION
        return Cost(ROUNDS * each / 2, documents * width**2 * PRODUCT)

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
            with one_blas_thread(len(rotation)):
                left, _, right = np.linalg.svd(V.T @ signs)
            rotation = left @ right
        return Linear(np.ascontiguousarray(rotation, np.float32), mean)


def haar_rotation(dimension: int, seed: int) -> np.ndarray:
    """(d, d) float32 orthogonal, Haar-distributed: the QR decomposition of a Gaussian matrix, with its signs fixed.

    Learning starts from it; only what was learned is stored.
    Source: Mezzadri 2007, "How to generate random matrices from the classical compact groups".
    """
    rng = np.random.default_rng([seed, dimension, 0x207A7E])
    with one_blas_thread(dimension):
        Q, R = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    rotation: np.ndarray = (Q * np.sign(np.diag(R))).astype(np.float32)
    return rotation


@quantizer(
    r"itq",
    example="itq",
    summary="sign bits after centring and the rotation that brings documents nearest to ±1 (learned; as pca192,itq)",
    fitted=FittedSigns,
)
@dataclass(frozen=True)
class ITQ(Quantizer):
    """One bit per coordinate about the mean, after a learned rotation; the mean is restored at scoring.

    The paper reduces with PCA first: write `pca192,itq` for 192 bits. The rotation is state (r²·4 bytes) and learned,
    so evaluate it out of sample. Source: Gong & Lazebnik 2011, "Iterative quantization", eq. 2 and §2.2.
    """

    spelling: ClassVar[str] = "itq"
    bits = 1

    @property
    def before(self) -> tuple[Reducer, ...]:
        return (ITQRotation(),)

    def fit(self, Z: np.ndarray, training: Training) -> FittedSigns:
        # a residual has no unit length to restore: the size of least squared error
        return FittedSigns(Z.shape[1], np.array([np.abs(Z).mean(dtype=np.float64)], np.float32))
