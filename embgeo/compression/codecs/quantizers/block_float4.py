"""4-bit floats with a scale for every few values of a vector: `fp4b16` (NVFP4 style) and `fp4b32` (MX style)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import ml_dtypes
import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.quantizers.float4 import E2M1, nearest_nibble, nibble_values, signed_levels
from embgeo.compression.codecs.summed_code import LEVELS, Blocks, SummedCode
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_nibbles, unpack_nibbles

E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
E4M3_LARGEST = 448.0
E8M0_BIAS = 127


def blocks_of(Z: np.ndarray, size: int) -> np.ndarray:
    """(n, r) → (n, ⌈r/size⌉, size) float32, the last block padded with zeros."""
    n, width = Z.shape
    count = -(-width // size)
    if count * size != width:
        Z = np.pad(Z, ((0, 0), (0, count * size - width)))
    return Z.reshape(n, count, size)


def nibbles_in_blocks(width: int, levels: tuple[float, ...], blocks: Blocks) -> SummedCode:
    """A code of `width` signed levels of half a byte, then the scales of their blocks."""
    tables = np.zeros((width, LEVELS), np.float32)
    tables[:, :16] = signed_levels(levels)
    # the bytes that no scale is written as may mean NaN
    blocks = replace(blocks, values=np.nan_to_num(blocks.values, posinf=0.0, neginf=0.0))
    half = (width + 1) // 2
    return SummedCode(
        np.full(width, 4, np.uint8), tables, lambda codes: unpack_nibbles(codes[:, :half], width), blocks=blocks
    )


@dataclass(frozen=True)
class FittedBlockFloat4(FittedQuantizer):
    """A row is ⌈r/2⌉ bytes of e2m1 nibbles, then one scale byte for each block of `block` coordinates.

    block 16: scale = e4m3(byte) · unit[0];  block 32: scale = 2^(byte − 127) · unit[0] with unit 1 (e8m0).

    Attributes
    ----------
    unit : (1,) float32, NVFP4's second-level scale: the largest block of the documents gets the scale byte 448.
    """

    kind: ClassVar[str] = "FittedBlockFloat4"
    width: int
    block: int
    unit: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (self.width + 1) // 2 + -(-self.width // self.block)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        blocks = blocks_of(Z, self.block)
        codes = self._scale_codes(np.abs(blocks).max(axis=2))
        scale = self._scales(codes)[:, :, None]
        # a block whose scale rounds to 0 holds nothing
        levels = nearest_nibble(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0), E2M1)
        flat = levels.reshape(len(Z), self.block * levels.shape[1])
        return np.concatenate([pack_nibbles(flat[:, : self.width]), codes], axis=1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        values = nibble_values(codes[:, : (self.width + 1) // 2], self.width, E2M1)
        scales = self._scales(codes[:, (self.width + 1) // 2 :])
        return values * np.repeat(scales, self.block, axis=1)[:, : self.width]

    def summed_code(self) -> SummedCode:
        half, values = (self.width + 1) // 2, np.append(self._scales(np.arange(255, dtype=np.uint8)), np.float32(0))
        return nibbles_in_blocks(self.width, E2M1, Blocks(self.block, values, lambda codes: codes[:, half:]))

    def _scale_codes(self, peak: np.ndarray) -> np.ndarray:
        if self.block == 16:
            wanted = np.minimum(peak / np.float32(E2M1[-1]) / self.unit[0], np.float32(E4M3_LARGEST))
            return wanted.astype(E4M3).view(np.uint8)
        # the largest value gets e2m1's largest exponent, 2² (what lies above 6 · scale saturates)
        exponent = np.frexp(peak)[1] - 1 - 2
        return np.where(peak > 0, np.clip(exponent + E8M0_BIAS, 0, 254), 0).astype(np.uint8)

    def _scales(self, codes: np.ndarray) -> np.ndarray:
        if self.block == 16:
            return np.ascontiguousarray(codes).view(E4M3).astype(np.float32) * self.unit[0]
        return np.ldexp(np.float32(1), codes.astype(np.int32) - E8M0_BIAS)


def _code_bytes(width: int, block: int) -> int:
    return (width + 1) // 2 + -(-width // block)


@quantizer(
    r"fp4b16",
    example="fp4b16",
    summary="float4 e2m1 with an e4m3 scale for every 16 coordinates of a vector (NVFP4 style): 4.5 bits",
    fitted=FittedBlockFloat4,
)
@dataclass(frozen=True)
class NVFloat4(Quantizer):
    """e2m1 values, one float8 e4m3 scale for 16 of them in the code itself, one float32 unit for all.

    The scale follows each vector, so nothing but the unit is learned. Source: NVIDIA 2025, "Pretraining large language
    models with NVFP4", appendix on the format. State: 4 bytes.
    """

    spelling: ClassVar[str] = "fp4b16"

    def code_bytes(self, width: int) -> int:
        return _code_bytes(width, 16)

    def fit(self, Z: np.ndarray, training: Training) -> FittedBlockFloat4:
        peak = float(np.abs(Z).max())
        unit = peak / (E2M1[-1] * E4M3_LARGEST) if peak > 0 else 1.0
        return FittedBlockFloat4(Z.shape[1], 16, np.array([unit], np.float32))


@quantizer(
    r"fp4b32",
    example="fp4b32",
    summary="float4 e2m1 with a power-of-two scale for every 32 coordinates of a vector (MX style): 4.25 bits",
    fitted=FittedBlockFloat4,
)
@dataclass(frozen=True)
class MXFloat4(Quantizer):
    """e2m1 values and one e8m0 exponent for 32 of them, as in the OCP microscaling formats; nothing is learned.

    The power of two wastes up to half the range of a block: expect more error than `fp4b16`, bit for bit.
    Source: Rouhani et al. 2023, "Microscaling data formats for deep learning".
    """

    spelling: ClassVar[str] = "fp4b32"

    def code_bytes(self, width: int) -> int:
        return _code_bytes(width, 32)

    def fit(self, Z: np.ndarray, training: Training) -> FittedBlockFloat4:
        return FittedBlockFloat4(Z.shape[1], 32, np.ones(1, np.float32))
