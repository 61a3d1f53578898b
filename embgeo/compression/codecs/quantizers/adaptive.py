"""Adaptive bits (`adaptive@48B`): more bits where the data varies more, no codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.additive_code import AdditiveCode
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, Reducer, quantizer
from embgeo.compression.codecs.summed_code import SummedCode, with_factors
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training, principal_axes, second_moment
from embgeo.embeddings import normalise
from embgeo.errors import InputError
from embgeo.numeric.bits import pack_bits, unpack_bits, unpack_levels
from embgeo.numeric.compiled import compiled
from embgeo.numeric.lloyd_max import MAX_BITS, allocate_bits, gaussian_levels

BLOCK_ROWS = 8192


@dataclass(frozen=True)
class AllocatedAxes(Reducer):
    """Uncentred PCA, cut after the last axis that gets a bit of `budget` bytes; a part of `adaptive`."""

    spelling: ClassVar[str] = "axes"
    budget: int

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        axes = training.principal[1] if Z is training.X else principal_axes(second_moment(Z))[1]
        axes = axes.astype(np.float32)
        bits = allocate_bits((Z @ axes).var(axis=0, dtype=np.float64), 8 * self.budget)
        used = np.flatnonzero(bits)
        return Linear(np.ascontiguousarray(axes[:, : used[-1] + 1]))


@dataclass(frozen=True)
class FittedAllocated(FittedQuantizer):
    """Coordinate j has bits[j] bits; those of a row are packed, lowest first, into ⌈Σ bits / 8⌉ bytes.

    Decoded rows are normalised to unit length if `unit`.

    Attributes
    ----------
    mean, scale : (r,) float32 of each coordinate.
    bits : (r,) uint8; a coordinate of 0 bits decodes to its mean.
    """

    unit: bool
    mean: np.ndarray
    scale: np.ndarray
    bits: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (int(self.bits.sum()) + 7) // 8


@dataclass(frozen=True)
class FittedAdaptive(FittedAllocated):
    """The nearest of the Lloyd–Max levels mean[j] + scale[j] · level, of up to 8 bits."""

    kind: ClassVar[str] = "FittedAdaptive"

    @cached_property
    def tables(self) -> np.ndarray:
        """(r, 256) float32: the value of every level of every coordinate, unused entries 0."""
        tables = np.zeros((len(self.bits), 256), np.float32)
        for j, bits in enumerate(self.bits.tolist()):
            tables[j, : 2**bits] = self.mean[j] + self.scale[j] * gaussian_levels(bits)
        return tables

    def levels(self, Z: np.ndarray) -> np.ndarray:
        """(n, r) uint8: the nearest level of every coordinate."""
        levels = np.empty(Z.shape, np.uint8)
        middles = (self.tables[:, 1:] + self.tables[:, :-1]) / 2
        _level_kernel()(np.ascontiguousarray(Z, np.float32), middles, self.bits, levels)
        return levels

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return pack_bits(self.levels(Z), self.bits, self.code_bytes)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        decoded = unpack_bits(codes, self.bits, self.tables)
        return normalise(decoded) if self.unit else decoded

    def summed_code(self) -> SummedCode:
        numbers = (lambda codes: with_factors(1 / self._lengths(codes))) if self.unit else None
        return SummedCode(self.bits, self.tables, lambda codes: unpack_levels(codes, self.bits), numbers)

    def _lengths(self, codes: np.ndarray) -> np.ndarray:
        """(n,) float32 norms that decoding divides rows by."""
        if not self.unit:
            return np.ones(len(codes), np.float32)
        squares = [np.zeros(0, np.float32)]
        for start in range(0, len(codes), BLOCK_ROWS):
            block = unpack_bits(codes[start : start + BLOCK_ROWS], self.bits, self.tables)
            squares.append(np.einsum("ij,ij->i", block, block))
        lengths = np.sqrt(np.concatenate(squares))
        return np.where(lengths > 0, lengths, 1).astype(np.float32)

    def additive_code(self) -> AdditiveCode:
        return AdditiveCode.of_levels(self.bits, self.tables, self._lengths if self.unit else None)

    def table_code(self) -> TableCode | None:
        bits = int(self.bits[0])
        if self.unit or bits == 0 or (self.bits != bits).any():
            return None
        return TableCode.of_levels(bits, self.tables[:, : 2**bits])


@cache
def _level_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(Z, middles, bits, levels):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(Z)):
            for j in range(Z.shape[1]):
                level = 0  # how many of the middles between two values are below z
                for bit in range(bits[j] - 1, -1, -1):
                    if Z[i, j] > middles[j, level + (1 << bit) - 1]:
                        level += 1 << bit
                levels[i, j] = level

    return kernel


@dataclass(frozen=True)
class Allocated(Quantizer):
    """Uncentred PCA, and `budget` bytes allocated to its coordinates."""

    budget: int

    @property
    def before(self) -> tuple[Reducer, ...]:
        return (AllocatedAxes(self.budget),)

    def allocation(
        self, Z: np.ndarray, training: Training, max_bits: int = MAX_BITS
    ) -> tuple[bool, np.ndarray, np.ndarray, np.ndarray]:
        """The fields of a `FittedAllocated`: mean and scale of each coordinate of Z (n, r), bits by its variance."""
        mean, variance = Z.mean(axis=0, dtype=np.float64), Z.var(axis=0, dtype=np.float64)
        bits = allocate_bits(variance, 8 * self.budget, max_bits)
        return training.similarity == "cosine", mean.astype(np.float32), np.sqrt(variance).astype(np.float32), bits


@quantizer(
    r"adaptive@(\d+)B",
    example="adaptive@48B",
    summary="PCA coordinates, bits by variance, Gaussian levels: that many bytes per vector",
    fitted=FittedAdaptive,
)
@dataclass(frozen=True)
class Adaptive(Allocated):
    """Uncentred PCA; bits per principal coordinate by reverse water-filling; a Gaussian Lloyd–Max quantizer with
    the coordinate's own mean and scale; decoded vectors renormalised under cosine.

    State: (d + 2)·r·4 + r bytes for the r axes that get a bit. Related: SAQ (Li et al. 2025), which adds segments and
    code adjustment; not implemented here.
    """

    spelling: ClassVar[str] = "adaptive@{budget}B"

    def code_bytes(self, width: int) -> int:
        if not 1 <= self.budget <= width:
            raise InputError(f"{self.name} needs between 1 and {width} bytes here; got {self.budget}")
        return self.budget

    def fit(self, Z: np.ndarray, training: Training) -> FittedAdaptive:
        return FittedAdaptive(*self.allocation(Z, training))
