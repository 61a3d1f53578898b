"""4-bit floats e2m1 with one scale per dimension (`fp4`), and the nibble arithmetic that 4-bit alphabets share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_nibbles

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
SIGN = 8


def signed_levels(magnitudes: tuple[float, ...]) -> np.ndarray:
    """(16,) float32: nibble 0–7 are the magnitudes, nibble 8–15 their negatives."""
    values = np.array(magnitudes, np.float32)
    return np.concatenate([values, -values])


def nearest_nibble(Z: np.ndarray, magnitudes: tuple[float, ...]) -> np.ndarray:
    """(n, r) uint8 nibbles of the nearest signed level, beyond the ends the last one; −0 is never written.

    Halfway values go to the even nibble, which for e2m1 is IEEE's round half to even.
    """
    size = np.abs(Z)
    levels = np.zeros(Z.shape, np.uint8)
    values = np.array(magnitudes, np.float32)
    for below, middle in enumerate((values[1:] + values[:-1]) / 2):
        levels += (size > middle) if below % 2 == 0 else (size >= middle)
    levels[(Z < 0) & (levels > 0)] |= SIGN
    return levels


@cache
def pair_values(magnitudes: tuple[float, ...]) -> np.ndarray:
    """(256, 2) float32: the two levels that each byte holds, low half first."""
    levels = signed_levels(magnitudes)
    every = np.arange(256)
    pairs = np.stack([levels[every & 15], levels[every >> 4]], axis=1)
    pairs.flags.writeable = False
    return pairs


def nibble_values(codes: np.ndarray, width: int, magnitudes: tuple[float, ...]) -> np.ndarray:
    """(n, ⌈width/2⌉) bytes → (n, width) float32 levels."""
    return pair_values(magnitudes)[codes].reshape(len(codes), 2 * codes.shape[1])[:, :width]


@dataclass(frozen=True)
class FittedFloat4(FittedQuantizer):
    """Nibble = e2m1(z_j / scale[j]), two per byte, the even dimension in the low half.

    Attributes
    ----------
    scale : (r,) float32; the scale of a dimension that is zero everywhere is 1.
    """

    kind: ClassVar[str] = "FittedFloat4"
    scale: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (len(self.scale) + 1) // 2

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return pack_nibbles(nearest_nibble(Z / self.scale, E2M1))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return nibble_values(codes, len(self.scale), E2M1) * self.scale

    def table_code(self) -> TableCode:
        return TableCode.of_levels(4, self.scale[:, None] * signed_levels(E2M1))

    def saturation(self, Z: np.ndarray) -> float:
        """Share of the values of Z (n, r) that lie beyond the largest level."""
        return float(np.mean(np.abs(Z) > self.scale * np.float32(E2M1[-1] * (1 + 1e-6))))


@quantizer(r"fp4", example="fp4", summary="float4 e2m1 scaled to each dimension's range", fitted=FittedFloat4)
@dataclass(frozen=True)
class Float4(Quantizer):
    """Half a byte per coordinate: e2m1 (±0, ½, 1, 1½, 2, 3, 4, 6), the largest |z_j| of the documents mapped to 6.

    A bare cast is worthless: components of unit vectors lie below the smallest step and every score becomes 0.
    State: 4·r bytes. Source: Rouhani et al. 2023, "Microscaling data formats for deep learning" (the element format).
    """

    spelling: ClassVar[str] = "fp4"
    bits = 4

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat4:
        peak = np.abs(Z).max(axis=0) / np.float32(E2M1[-1])
        return FittedFloat4(np.where(peak > 0, peak, 1).astype(np.float32))


@quantizer(r"fp4raw", example="fp4raw", summary="float4 e2m1 without scaling: a bare cast", fitted=FittedFloat4)
@dataclass(frozen=True)
class Float4Raw(Quantizer):
    """The bare cast to e2m1 of published storage studies: it leaves almost nothing of unit vectors."""

    spelling: ClassVar[str] = "fp4raw"
    bits = 4

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat4:
        return FittedFloat4(np.ones(Z.shape[1], np.float32))
