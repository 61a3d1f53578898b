"""8-bit floats: e4m3 and e5m2 scaled to their range (`fp8`, `fp8e5m2`), and bare casts (`fp8raw`, `fp8e5m2raw`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import ml_dtypes
import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.table_code import PlainCode, TableCode
from embgeo.compression.codecs.training import Training

FORMATS: dict[str, np.dtype] = {"e4m3": np.dtype(ml_dtypes.float8_e4m3fn), "e5m2": np.dtype(ml_dtypes.float8_e5m2)}


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
class FittedFloat8(FittedQuantizer):
    """Byte = format(z · scale[0]), z = value(byte) / scale[0].

    Attributes
    ----------
    scale : (1,) float32; one for all coordinates, so that it cannot change a ranking and folds into the query.
    """

    kind: ClassVar[str] = "FittedFloat8"
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

    def table_code(self) -> TableCode:
        return TableCode.of_levels(8, np.tile(self.table / self.scale[0], (self.width, 1)))

    def plain_code(self) -> PlainCode:
        return PlainCode(FORMATS[self.format].name, scale=float(self.scale[0]))


class Float8Format(Quantizer):
    """One byte per coordinate, in `format`; `scaled` to its range or cast as it is."""

    format: ClassVar[str]
    scaled: ClassVar[bool] = True
    bits = 8

    def fit(self, Z: np.ndarray, training: Training) -> FittedFloat8:
        peak = float(np.abs(Z).max()) if self.scaled else 0.0
        scale = largest(self.format) / peak if peak > 0 else 1.0
        return FittedFloat8(self.format, Z.shape[1], np.array([scale], np.float32))


@quantizer(r"fp8", example="fp8", summary="float8 e4m3, scaled so that the largest value fits", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8(Float8Format):
    """float8 e4m3 (4 exponent and 3 mantissa bits, largest 448), the documents' largest |coordinate| mapped to 448.

    A larger value in a new document saturates. Source: Micikevicius et al. 2022, "FP8 formats for deep learning".
    """

    spelling: ClassVar[str] = "fp8"
    format: ClassVar[str] = "e4m3"


@quantizer(r"fp8e5m2", example="fp8e5m2", summary="float8 e5m2, scaled to its range", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8E5M2(Float8Format):
    """float8 e5m2: more range, one mantissa bit less than `fp8`."""

    spelling: ClassVar[str] = "fp8e5m2"
    format: ClassVar[str] = "e5m2"


@quantizer(r"fp8raw", example="fp8raw", summary="float8 e4m3 without scaling: a bare cast", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8Raw(Float8Format):
    """The bare cast to e4m3 of published storage studies; unit vectors of many dimensions fall into its subnormals."""

    spelling: ClassVar[str] = "fp8raw"
    format: ClassVar[str] = "e4m3"
    scaled: ClassVar[bool] = False


@quantizer(r"fp8e5m2raw", example="fp8e5m2raw", summary="float8 e5m2 without scaling: a bare cast", fitted=FittedFloat8)
@dataclass(frozen=True)
class Float8E5M2Raw(Float8Format):
    """The bare cast to e5m2."""

    spelling: ClassVar[str] = "fp8e5m2raw"
    format: ClassVar[str] = "e5m2"
    scaled: ClassVar[bool] = False
