"""Bytes on one scale for all coordinates, query and document, as stores round them (`int8sym`, `int8unit`, `int7`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.table_code import PlainCode
from embgeo.compression.codecs.training import Training


@dataclass(frozen=True)
class FittedOneScale(FittedQuantizer):
    """Level c is low + c · step, c in 0 … top; values beyond saturate.

    Attributes
    ----------
    truncates : 1 if values are cut towards zero, 0 if rounded to the nearest level.
    low, step : (1,) float32.
    length : (1,) float32, the mean length of the documents, to which a query is brought before it is rounded.
    """

    kind: ClassVar[str] = "FittedOneScale"
    width: int
    top: int
    truncates: int
    low: np.ndarray
    step: np.ndarray
    length: np.ndarray

    @property
    def code_bytes(self) -> int:
        return self.width

    def encode(self, Z: np.ndarray) -> np.ndarray:
        steps = (Z - self.low) / self.step
        if self.truncates:
            whole = Z / self.step
            # a level that was decoded must not fall below itself by rounding
            steps = np.trunc(whole + np.copysign(np.float32(1e-4), whole)) - np.rint(self.low / self.step)
        return np.clip(np.rint(steps), 0, self.top).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + self.step * codes.astype(np.float32), np.float32)

    def plain_code(self) -> PlainCode:
        return PlainCode("uint8", self.low, self.step)

    def query_side(self, Z: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(Z, axis=1, keepdims=True).astype(np.float32)
        longer = np.where(lengths > 0, lengths, 1) / self.length
        return np.asarray(self.decode(self.encode(Z / longer)) * longer, np.float32)


def one_scale(Z: np.ndarray, low: float, high: float, top: int, truncates: bool = False) -> FittedOneScale:
    """`top` + 1 levels from `low` to `high`."""
    length = float(np.linalg.norm(Z, axis=1).mean(dtype=np.float64)) or 1.0
    step = (high - low) / top or 1.0
    return FittedOneScale(
        Z.shape[1], top, int(truncates), *(np.array([one], np.float32) for one in (low, step, length))
    )


@quantizer(
    "int8sym", example="int8sym", summary="−127…127 on one scale for all coordinates, both sides", fitted=FittedOneScale
)
@dataclass(frozen=True)
class Int8Symmetric(Quantizer):
    """A byte per coordinate on the scale 127 / largest component: what sqlite-vec's int8 holds if the client scales.

    Not to be confused with `int8`, which has a range per coordinate and keeps the query in float.
    """

    spelling: ClassVar[str] = "int8sym"
    rounds_queries: ClassVar[bool] = True
    bits = 8

    def fit(self, Z: np.ndarray, training: Training) -> FittedOneScale:
        largest = float(np.abs(Z).max(initial=0.0))
        return one_scale(Z, -largest, largest, 254)


@quantizer(
    "int8unit", example="int8unit", summary="127 · component, cut towards zero, both sides", fitted=FittedOneScale
)
@dataclass(frozen=True)
class Int8Unit(Quantizer):
    """A byte per coordinate on the fixed scale 127, cut towards zero: sqlite-vec's `unit`, usearch's i8.

    Made for components between −1 and 1; of unit vectors of many dimensions it uses few of the levels.
    """

    spelling: ClassVar[str] = "int8unit"
    rounds_queries: ClassVar[bool] = True
    bits = 8

    def fit(self, Z: np.ndarray, training: Training) -> FittedOneScale:
        return one_scale(Z, -1.0, 1.0, 254, truncates=True)


@quantizer("int7", example="int7", summary="128 levels over one range, both sides", fitted=FittedOneScale)
@dataclass(frozen=True)
class Int7(Quantizer):
    """A byte per coordinate, 128 levels between the extremes of all components: Qdrant's scalar quantization."""

    spelling: ClassVar[str] = "int7"
    rounds_queries: ClassVar[bool] = True
    bits = 8

    def fit(self, Z: np.ndarray, training: Training) -> FittedOneScale:
        return one_scale(Z, float(Z.min(initial=0.0)), float(Z.max(initial=0.0)), 127)
