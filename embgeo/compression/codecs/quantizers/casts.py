"""Plain number formats (`f32`, `f16`, `bf16`): a cast, no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ml_dtypes
import numpy as np

from embgeo.compression.codecs.part import Reducer, quantizer
from embgeo.compression.codecs.training import Training

FORMATS: dict[str, np.dtype] = {
    "f32": np.dtype("<f4"),
    "f16": np.dtype("<f2"),
    "bf16": np.dtype(ml_dtypes.bfloat16),
}


@dataclass(frozen=True)
class FittedCast:
    """Coordinates in `format`, little-endian."""

    format: str
    width: int

    @property
    def code_bytes(self) -> int:
        return self.width * FORMATS[self.format].itemsize

    def encode(self, Z: np.ndarray) -> np.ndarray:
        dtype = FORMATS[self.format]
        limit = float(ml_dtypes.finfo(dtype).max)
        values = np.ascontiguousarray(np.clip(Z, -limit, limit).astype(dtype))
        return values.view(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(codes).view(FORMATS[self.format])
        return values.astype(np.float32)


@quantizer(r"f32", example="f32", summary="4 bytes a coordinate: the exact baseline", fitted=FittedCast)
@dataclass(frozen=True)
class Float32:
    """IEEE single precision, unchanged."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "f32"

    def code_bytes(self, width: int) -> int:
        return 4 * width

    def fit(self, Z: np.ndarray, training: Training) -> FittedCast:
        return FittedCast(self.name, Z.shape[1])


@quantizer(r"f16", example="f16", summary="2 bytes a coordinate, 11 significant bits", fitted=FittedCast)
@dataclass(frozen=True)
class Float16:
    """IEEE half precision; saturates at 65504."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "f16"

    def code_bytes(self, width: int) -> int:
        return 2 * width

    def fit(self, Z: np.ndarray, training: Training) -> FittedCast:
        return FittedCast(self.name, Z.shape[1])


@quantizer(r"bf16", example="bf16", summary="2 bytes a coordinate, the range of float32", fitted=FittedCast)
@dataclass(frozen=True)
class BFloat16:
    """bfloat16: 8 significant bits."""

    before: ClassVar[tuple[Reducer, ...]] = ()
    name: ClassVar[str] = "bf16"

    def code_bytes(self, width: int) -> int:
        return 2 * width

    def fit(self, Z: np.ndarray, training: Training) -> FittedCast:
        return FittedCast(self.name, Z.shape[1])
