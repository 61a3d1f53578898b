"""TurboQuant for squared error (`tq1` … `tq8`): Gaussian levels and one scale after a rotation; calibrated, `tqc1` …"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.quantizers.adaptive import FittedAdaptive
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training, root_mean_square
from embgeo.numeric.bits import pack_bits, unpack_bits
from embgeo.numeric.lloyd_max import gaussian_levels


@dataclass(frozen=True)
class FittedTurboQuant(FittedQuantizer):
    """Level c of every coordinate is scale[0] · gaussian_levels(bits)[c]; `bits` each, lowest first, row by row.

    Attributes
    ----------
    scale : (1,) float32, the root mean square of all coordinates (1/√r for unit rows of full width).
    """

    kind: ClassVar[str] = "FittedTurboQuant"
    bits: int
    width: int
    scale: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (self.width * self.bits + 7) // 8

    @cached_property
    def values(self) -> np.ndarray:
        """(2^bits,) float32 levels."""
        return (self.scale[0] * gaussian_levels(self.bits)).astype(np.float32)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return pack_bits(nearest_level(Z, self.values), np.full(self.width, self.bits), self.code_bytes)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return unpack_bits(codes, np.full(self.width, self.bits), level_tables(self.values, self.width))

    def table_code(self) -> TableCode:
        return TableCode.of_levels(self.bits, np.tile(self.values, (self.width, 1)))


def nearest_level(Z: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, r) uint8: which of the ascending `values` is nearest."""
    return np.searchsorted((values[1:] + values[:-1]) / 2, Z).astype(np.uint8)


def level_tables(values: np.ndarray, width: int) -> np.ndarray:
    """(width, 256) float32 for `unpack_bits`: the same values for every coordinate."""
    tables = np.zeros((width, 256), np.float32)
    tables[:, : len(values)] = values
    return tables


@quantizer(
    r"tq([1-8])",
    example="tq4",
    summary="TurboQuant (squared error): Gaussian levels, one scale; write rot before it, as rot,tq2",
    fitted=FittedTurboQuant,
)
@dataclass(frozen=True)
class TurboQuant(Quantizer):
    """Lloyd–Max levels of the normal distribution for every coordinate, with one scale.

    It needs `rot` before it: only a rotated vector has coordinates that are alike and nearly normal (exactly: Beta,
    which is close to normal from some dozens of dimensions on). Without one it is still a valid codec, but a worse
    one; the spec says which it is. The variant that adds a sign sketch of the residual for unbiased products is not
    implemented. State: 4 bytes, apart from the rotation. Source: Zandieh et al. 2025, "TurboQuant", algorithm 1.
    """

    spelling: ClassVar[str] = "tq{bits}"
    bits: int

    def fit(self, Z: np.ndarray, training: Training) -> FittedTurboQuant:
        size = root_mean_square(Z)
        return FittedTurboQuant(self.bits, Z.shape[1], np.array([size if size > 0 else 1.0], np.float32))


@quantizer(
    r"tqc([1-8])",
    example="tqc4",
    summary="TurboQuant calibrated: each coordinate's own shift and scale; write rot before it, as rot,tqc2",
    fitted=FittedAdaptive,
)
@dataclass(frozen=True)
class CalibratedTurboQuant(Quantizer):
    """`tq` with a mean and a deviation fitted for each coordinate; decoded rows renormalised under cosine.

    A rotation makes coordinates nearly normal, but neither centred nor equally wide: the documents' mean and their
    leading directions are still there. It is `adaptive` with the same bits for every coordinate and no axes of its own.
    State: 9·r bytes, apart from the rotation.
    """

    spelling: ClassVar[str] = "tqc{bits}"
    bits: int

    def fit(self, Z: np.ndarray, training: Training) -> FittedAdaptive:
        mean = Z.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = Z.std(axis=0, dtype=np.float64).astype(np.float32)
        bits = np.full(Z.shape[1], self.bits, np.uint8)
        return FittedAdaptive(training.similarity == "cosine", mean, deviation, bits)
