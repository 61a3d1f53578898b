"""The direction-preserving 4-bit alphabet in blocks of 16 (`dp4`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.quantizers.block_float4 import E4M3, E4M3_LARGEST, blocks_of, nibbles_in_blocks
from embgeo.compression.codecs.quantizers.float4 import nibble_values
from embgeo.compression.codecs.summed_code import Blocks, SummedCode
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_nibbles
from embgeo.numeric.compiled import compiled

BLOCK = 16
LEVELS = (0.0, 1.0, 2.1206, 3.4016, 5.0364, 7.2473, 10.4646, 13.1779)
# what a block's largest value may map to: the upper levels, so that re-encoding is stable, and values around them
REACH = (13.1779, 14.5, 13.8, 12.5, 11.8, 11.1, 10.4646, 9.8, 9.2, 8.6, 8.0, 7.2473, 6.6, 6.0, 5.0364, 4.4, 3.4016)


@dataclass(frozen=True)
class FittedDirection4(FittedQuantizer):
    """A row is ⌈r/2⌉ bytes of nibbles, then an e4m3 byte for each block of 16: z = level · e4m3 · unit[0].

    Several scales are tried for each block; the one whose decoded block is closest in direction is kept, then the scale
    that makes it closest in length as well.

    Attributes
    ----------
    unit : (1,) float32; the largest block of the documents gets the scale byte 448.
    """

    kind: ClassVar[str] = "FittedDirection4"
    width: int
    unit: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (self.width + 1) // 2 + -(-self.width // BLOCK)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        blocks = blocks_of(np.asarray(Z, np.float32), BLOCK)
        nibbles = np.empty(blocks.shape, np.uint8)
        scales = np.empty(blocks.shape[:2], np.float32)
        values = np.array(LEVELS, np.float32)
        _direction_kernel()(np.ascontiguousarray(blocks), values, np.array(REACH, np.float32), nibbles, scales)
        codes = np.minimum(scales / self.unit[0], np.float32(E4M3_LARGEST)).astype(E4M3).view(np.uint8)
        flat = nibbles.reshape(len(Z), BLOCK * blocks.shape[1])
        return np.concatenate([pack_nibbles(flat[:, : self.width]), codes], axis=1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        half = (self.width + 1) // 2
        values = nibble_values(codes[:, :half], self.width, LEVELS)
        scales = np.ascontiguousarray(codes[:, half:]).view(E4M3).astype(np.float32) * self.unit[0]
        return values * np.repeat(scales, BLOCK, axis=1)[:, : self.width]

    def summed_code(self) -> SummedCode:
        half = (self.width + 1) // 2
        every = np.arange(256, dtype=np.uint8).view(E4M3).astype(np.float32) * self.unit[0]
        return nibbles_in_blocks(self.width, LEVELS, Blocks(BLOCK, every, lambda codes: codes[:, half:]))


@cache
def _direction_kernel() -> Any:
    import numba

    @compiled(parallel=True, fastmath=True)
    def kernel(blocks, levels, reach, nibbles, scales):  # type: ignore[no-untyped-def]
        n, count, size = blocks.shape
        middles = (levels[1:] + levels[:-1]) / np.float32(2)
        rises = levels[1:] - levels[:-1]
        for i in numba.prange(n):
            share = np.empty(size, np.float32)
            value = np.empty(size, np.float32)
            for b in range(count):
                peak = np.float32(0)
                for j in range(size):
                    share[j] = abs(blocks[i, b, j])
                    peak = max(peak, share[j])
                    nibbles[i, b, j] = 0
                scales[i, b] = 0
                if peak == 0:
                    continue
                for j in range(size):
                    share[j] /= peak
                best, best_at = np.float32(-1), 0
                for at in range(len(reach)):
                    value[:] = 0
                    for level in range(len(rises)):
                        edge, rise = middles[level] / reach[at], rises[level]
                        for j in range(size):
                            value[j] += rise if share[j] > edge else np.float32(0)
                    dot, square = np.float32(0), np.float32(0)
                    for j in range(size):
                        dot += value[j] * share[j]
                        square += value[j] * value[j]
                    # cosine² up to the block's own length, which is the same at every scale
                    if dot * dot > best * square * np.float32(1.000001):
                        best, best_at = dot * dot / square, at
                        scales[i, b] = dot / square * peak
                for level in range(len(rises)):
                    edge = middles[level] / reach[best_at]
                    for j in range(size):
                        nibbles[i, b, j] += share[j] > edge
                for j in range(size):
                    if nibbles[i, b, j] > 0 and blocks[i, b, j] < 0:
                        nibbles[i, b, j] += 8

    return kernel


@quantizer(
    r"dp4",
    example="dp4",
    summary="4-bit alphabet optimised for the direction of 16 coordinates, e4m3 scale per block: 4.5 bits",
    fitted=FittedDirection4,
)
@dataclass(frozen=True)
class Direction4(Quantizer):
    """15 levels ±{0, 1, 2.1206, 3.4016, 5.0364, 7.2473, 10.4646, 13.1779}, chosen so that the worst angle between a
    block of 16 values and its decoded block is small; the scale of a block is free and costs 8 bits here, as in
    `fp4b16`. One of the 16 nibbles (−0) stays unused. State: 4 bytes.
    """

    spelling: ClassVar[str] = "dp4"

    def code_bytes(self, width: int) -> int:
        return (width + 1) // 2 + -(-width // BLOCK)

    def fit(self, Z: np.ndarray, training: Training) -> FittedDirection4:
        blocks = np.abs(blocks_of(Z, BLOCK))
        # no scale is larger than that of a block whose largest value is put on the lowest reach
        unit = float(blocks.max()) / (min(REACH) * E4M3_LARGEST)
        return FittedDirection4(Z.shape[1], np.array([unit if unit > 0 else 1.0], np.float32))
