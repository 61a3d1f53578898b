"""Three levels per coordinate, five coordinates per byte (`ternary`): 1.6 bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.summed_code import LEVELS, SummedCode
from embgeo.compression.codecs.training import Training

PER_BYTE = 5
# Max 1960, table I, three levels of a standard normal: 0 between ±.6120, else ±1.2240
THRESHOLD, LEVEL = 0.6120, 1.2240


@cache
def trits() -> np.ndarray:
    """(256, 5) float32 in {−1, 0, 1}: a byte's digits in base 3, lowest first; bytes above 242 are never written."""
    digits = np.arange(256)[:, None] // 3 ** np.arange(PER_BYTE) % 3
    table = (digits - 1).astype(np.float32)
    table.flags.writeable = False
    return table


@dataclass(frozen=True)
class FittedTernary(FittedQuantizer):
    """Digit j is 0, 1 or 2 for z_j below, within or above mean[j] ± .612·scale[j]; decoded as
    mean[j] + {−1, 0, 1}·level.

    Attributes
    ----------
    mean, scale : (r,) float32 of each coordinate; level = 1.224·scale.
    """

    kind: ClassVar[str] = "FittedTernary"
    mean: np.ndarray
    scale: np.ndarray

    @property
    def code_bytes(self) -> int:
        return -(-len(self.mean) // PER_BYTE)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        edge = np.float32(THRESHOLD) * self.scale
        digits = (self.mean - edge <= Z).astype(np.uint8) + (self.mean + edge < Z)
        digits = np.pad(digits, ((0, 0), (0, -Z.shape[1] % PER_BYTE)), constant_values=1)
        weights = 3 ** np.arange(PER_BYTE, dtype=np.uint8)
        bytewise = digits.reshape(len(Z), digits.shape[1] // PER_BYTE, PER_BYTE)
        packed: np.ndarray = (bytewise * weights).sum(axis=2, dtype=np.uint8)
        return packed

    def decode(self, codes: np.ndarray) -> np.ndarray:
        values = trits()[codes].reshape(len(codes), PER_BYTE * codes.shape[1])[:, : len(self.mean)]
        return self.mean + values * (np.float32(LEVEL) * self.scale)

    def summed_code(self) -> SummedCode:
        width = len(self.mean)
        tables = np.zeros((width, LEVELS), np.float32)
        tables[:, :3] = (
            self.mean[:, None] + np.array([-1, 0, 1], np.float32) * (np.float32(LEVEL) * self.scale)[:, None]
        )

        def levels(codes: np.ndarray) -> np.ndarray:
            return np.asarray(trits()[codes].reshape(len(codes), -1)[:, :width] + 1, np.uint8)

        return SummedCode(np.full(width, 2, np.uint8), tables, levels)


@quantizer(
    r"ternary", example="ternary", summary="three levels per coordinate, five per byte: 1.6 bits", fitted=FittedTernary
)
@dataclass(frozen=True)
class Ternary(Quantizer):
    """−1, 0 or 1 about each dimension's mean, with the Lloyd–Max levels of a normal: error .190 of the variance against
    .363 of one bit. Five digits share a byte (3⁵ = 243), so 1.6 bits, not the 1.5 or 2 of other packings.
    State: 8·r bytes.
    """

    spelling: ClassVar[str] = "ternary"

    def code_bytes(self, width: int) -> int:
        return -(-width // PER_BYTE)

    def fit(self, Z: np.ndarray, training: Training) -> FittedTernary:
        mean, scale = Z.mean(axis=0, dtype=np.float64), Z.std(axis=0, dtype=np.float64)
        return FittedTernary(mean.astype(np.float32), scale.astype(np.float32))
