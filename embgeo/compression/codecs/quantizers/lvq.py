"""Locally-adaptive quantization (`lvq8`, `lvq4`): evenly spaced levels over each vector's own range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.summed_code import LEVELS, Asked, SummedCode
from embgeo.compression.codecs.training import Training
from embgeo.errors import InputError
from embgeo.numeric.bits import pack_nibbles, unpack_nibbles

FACTOR_BYTES = 4
HALF_LARGEST = 65504.0


@dataclass(frozen=True)
class FittedLVQ(FittedQuantizer):
    """z = mean + (low + level · step) · unit[0], with low and step of the row itself.

    A row is its levels (`bits` each, two nibbles per byte), then low and step as little-endian float16.

    Attributes
    ----------
    mean : (r,) float32 of the documents.
    unit : (1,) float32, the mean |z − mean|, so that float16 has the range it needs whatever the norms.
    """

    kind: ClassVar[str] = "FittedLVQ"
    bits: int
    mean: np.ndarray
    unit: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (len(self.mean) * self.bits + 7) // 8 + FACTOR_BYTES

    def encode(self, Z: np.ndarray) -> np.ndarray:
        top = np.float32(2**self.bits - 1)
        R = (Z - self.mean) / self.unit[0]
        lowest, highest = R.min(axis=1, keepdims=True), R.max(axis=1, keepdims=True)
        factors = np.concatenate([lowest, (highest - lowest) / top], axis=1)
        # the levels are computed from the factors as stored
        stored = np.clip(factors, -HALF_LARGEST, HALF_LARGEST).astype("<f2")
        low, step = stored[:, :1].astype(np.float32), stored[:, 1:].astype(np.float32)
        levels = np.clip(np.rint((R - low) / np.where(step > 0, step, 1)), 0, top).astype(np.uint8)
        packed = levels if self.bits == 8 else pack_nibbles(levels)
        return np.concatenate([packed, np.ascontiguousarray(stored).view(np.uint8)], axis=1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        packed = codes[:, :-FACTOR_BYTES]
        stored = np.ascontiguousarray(codes[:, -FACTOR_BYTES:]).view("<f2").astype(np.float32) * self.unit[0]
        levels = packed if self.bits == 8 else unpack_nibbles(packed, len(self.mean))
        decoded: np.ndarray = self.mean + stored[:, :1] + stored[:, 1:] * levels.astype(np.float32)
        return decoded

    def summed_code(self) -> SummedCode:
        width = len(self.mean)
        middle = np.float32((2**self.bits - 1) / 2)  # levels about 0, so that sums do not cancel
        tables = np.tile(np.arange(LEVELS, dtype=np.float32) - middle, (width, 1))

        def levels(codes: np.ndarray) -> np.ndarray:
            packed = codes[:, :-FACTOR_BYTES]
            return packed if self.bits == 8 else unpack_nibbles(packed, width)

        def numbers(codes: np.ndarray) -> np.ndarray:
            stored = np.ascontiguousarray(codes[:, -FACTOR_BYTES:]).view("<f2").astype(np.float32)
            low, step = stored.T * self.unit[0]
            return np.stack([step, low + middle * step], axis=1)

        def queries(Z: np.ndarray) -> Asked:
            return Z, Z.sum(axis=1), Z @ self.mean

        return SummedCode(np.full(width, self.bits, np.uint8), tables, levels, numbers, queries)


@quantizer(
    r"lvq([48])",
    example="lvq8",
    summary="mean removed, evenly spaced levels over each vector's own range; two float16 factors per vector",
    fitted=FittedLVQ,
)
@dataclass(frozen=True)
class LVQ(Quantizer):
    """Mean removal, then 256 or 16 evenly spaced levels from the vector's smallest to its largest coordinate.

    The factors cost 4 bytes per vector and are counted. Nothing but the mean is learned, so a new document can never
    lie out of range. The second level (LVQ-8×8: residuals for rescoring) is not implemented here. State: 4·(r + 1)
    bytes. Source: Aguerrebere et al. 2023, "Similarity search in the blink of an eye with compressed indices", eq. 2–4.
    """

    spelling: ClassVar[str] = "lvq{bits}"
    factor_bytes: ClassVar[int] = FACTOR_BYTES
    bits: int

    def code_bytes(self, width: int) -> int:
        if width < 2:
            raise InputError(f"{self.name} needs at least 2 dimensions to have a range; got {width}")
        return super().code_bytes(width)

    def fit(self, Z: np.ndarray, training: Training) -> FittedLVQ:
        mean = Z.mean(axis=0, dtype=np.float64).astype(np.float32)
        size = float(np.abs(Z - mean).mean(dtype=np.float64))
        return FittedLVQ(self.bits, mean, np.array([size if size > 0 else 1.0], np.float32))
