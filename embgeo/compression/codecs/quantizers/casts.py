"""Plain number formats (`f32`, `f16`, `bf16`): a cast, no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.table_code import PlainCode
from embgeo.compression.codecs.training import Training

FORMATS: dict[str, np.dtype] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "bf16": np.dtype(ml_dtypes.bfloat16)}


@dataclass(frozen=True)
class FittedCast(FittedQuantizer):
    """Coordinates in `format`, little-endian."""

    kind: ClassVar[str] = "FittedCast"
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

    @property
    def faiss_rounds_queries(self) -> bool:
        return self.format == "bf16"

    def faiss_index(self, metric: int) -> Any:
        import faiss

        if self.format == "f32":
            return faiss.IndexFlat(self.width, metric)
        kind = {"f16": faiss.ScalarQuantizer.QT_fp16, "bf16": faiss.ScalarQuantizer.QT_bf16}[self.format]
        index = faiss.IndexScalarQuantizer(self.width, kind, metric)
        index.is_trained = True
        return index

    def plain_code(self) -> PlainCode:
        return PlainCode(FORMATS[self.format].name)


class Cast(Quantizer):
    """A number format; its spelling is its name."""

    def code_bytes(self, width: int) -> int:
        return width * FORMATS[self.spelling].itemsize

    def fit(self, Z: np.ndarray, training: Training) -> FittedCast:
        return FittedCast(self.spelling, Z.shape[1])


@quantizer(r"f32", example="f32", summary="4 bytes per coordinate: the exact baseline", fitted=FittedCast)
@dataclass(frozen=True)
class Float32(Cast):
    """IEEE single precision, unchanged."""

    spelling: ClassVar[str] = "f32"


@quantizer(r"f16", example="f16", summary="2 bytes per coordinate, 11 significant bits", fitted=FittedCast)
@dataclass(frozen=True)
class Float16(Cast):
    """IEEE half precision; saturates at 65504."""

    spelling: ClassVar[str] = "f16"


@quantizer(r"bf16", example="bf16", summary="2 bytes per coordinate, the range of float32", fitted=FittedCast)
@dataclass(frozen=True)
class BFloat16(Cast):
    """bfloat16: 8 significant bits."""

    spelling: ClassVar[str] = "bf16"
