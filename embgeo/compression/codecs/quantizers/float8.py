"""8-bit floats: e4m3 and e5m2 scaled to their range (`fp8`, `fp8e5m2`), and bare casts (`fp8raw`, `fp8e5m2raw`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import ml_dtypes
import numpy as np

from embgeo.compression.codecs.part import Reducer, quantizer
from embgeo.compression.codecs.training import Training

FORMATS: dict[str, np.dtype] = {
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
}


@cache
def levels(format: str) -> np.ndarray:
    """(256,) float32: the value of every byte; the bytes that mean NaN or infinity (never written) hold 0."""
    values = np.arange(256, dtype=np.uint8).view(FORMATS[format]).astype(np.float32)
    values[~np.isfinite(values)] = 0
    return values


def largest(format: str) -> float:
    """The largest finite value: 448 for e4m3, 57344 for e5m2."""
    return float(ml_dtypes.finfo(FORMATS[format]).max)


@dataclass(frozen=True)
class FittedFloat8:
    """Byte = format(z · scale[0]), z = value(byte) / scale[0].

    Attributes
    ----------
    scale : (1,) float32; one for all coordinates, so that it cannot change a ranking and folds into the query.
    """

    format: str
    width: int
    scale: np.ndarray

    @property
    def code_bytes(self) -> int:
        return self.width

    @property
    def table(self) -> np.ndarray:
        """(256,) float32 value of each byte, unscaled; divide a score by `scale[0]`."""
        return levels(self.format)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        limit = np.float32(largest(self.format))
        return np.clip(Z * self.scale[0], -limit, limit).astype(FORMATS[self.format]).view(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.table[codes] / self.scale[0]


def _scaled(format: str, Z: np.ndarray) -> FittedFloat8:
    peak = float(np.abs(Z).max())
    scale = largest(format) / peak if peak > 0 else 1.0
    return FittedFloat8(format, Z.shape[1], np.array([scale], np.float32))


@quantizer(r"fp8", example="fp8", summary="float8 e4m3, scaled so that the largest value fits", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8:
    """float8 e4m3 (4 exponent and 3 mantissa bits, largest 448), the documents' largest |coordinate| mapped to 448.

    A larger value in a new document saturates. Source: Micikevicius et al. 2022, "FP8 formats for deep learning".
    """

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "fp8"

    def code_bytes(self, width: int) -> int:
        return width

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat8:
        return _scaled("e4m3", Z)


@quantizer(r"fp8e5m2", example="fp8e5m2", summary="float8 e5m2, scaled to its range", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8E5M2:
    """float8 e5m2: more range, one mantissa bit less than `fp8`."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "fp8e5m2"

    def code_bytes(self, width: int) -> int:
        return width

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat8:
        return _scaled("e5m2", Z)


@quantizer(r"fp8raw", example="fp8raw", summary="float8 e4m3 without scaling: a bare cast", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8Raw:
    """The bare cast to e4m3 of published storage studies; unit vectors of many dimensions reach its subnormals."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "fp8raw"

    def code_bytes(self, width: int) -> int:
        return width

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat8:
        return FittedFloat8("e4m3", Z.shape[1], np.ones(1, np.float32))


@quantizer(r"fp8e5m2raw", example="fp8e5m2raw", summary="float8 e5m2 without scaling: a bare cast", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8E5M2Raw:
    """The bare cast to e5m2."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "fp8e5m2raw"

    def code_bytes(self, width: int) -> int:
        return width

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat8:
        return FittedFloat8("e5m2", Z.shape[1], np.ones(1, np.float32))
