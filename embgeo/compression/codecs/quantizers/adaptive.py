"""Adaptive bits (`adaptive@48B`): more bits where the data varies more, no codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embgeo.compression.codecs.part import Reducer, check_width, quantizer
from embgeo.compression.codecs.reducers.allocated_axes import AllocatedAxes
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.numeric.bits import pack_bits, unpack_bits
from embgeo.numeric.lloyd_max import allocate_bits, gaussian_levels


@dataclass(frozen=True)
class FittedAdaptive:
    """Coordinate j holds bits[j] bits: the nearest of the Lloyd–Max levels mean[j] + scale[j] · level.

    The bits of a row follow each other, lowest first, in ⌈Σ bits / 8⌉ bytes. Decoded rows become unit rows when `unit`.

    Attributes
    ----------
    mean, scale : (r,) float32 of each coordinate.
    bits : (r,) uint8, 0 to 8; a coordinate of 0 bits decodes to its mean.
    """

    unit: bool
    mean: np.ndarray
    scale: np.ndarray
    bits: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (int(self.bits.sum()) + 7) // 8

    @cached_property
    def tables(self) -> np.ndarray:
        """(r, 256) float32: the value of every level of every coordinate, unused entries 0."""
        tables = np.zeros((len(self.bits), 256), np.float32)
        for j, bits in enumerate(self.bits.tolist()):
            tables[j, : 2**bits] = self.mean[j] + self.scale[j] * gaussian_levels(bits)
        return tables

    def levels(self, Z: np.ndarray) -> np.ndarray:
        """(n, r) uint8: the nearest level of every coordinate."""
        levels = np.zeros(Z.shape, np.uint8)
        for j, bits in enumerate(self.bits.tolist()):
            if bits:
                values = self.tables[j, : 2**bits]
                levels[:, j] = np.searchsorted((values[1:] + values[:-1]) / 2, Z[:, j])
        return levels

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return pack_bits(self.levels(Z), self.bits, self.code_bytes)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        decoded = unpack_bits(codes, self.bits, self.tables)
        return normalise(decoded) if self.unit else decoded


@quantizer(
    r"adaptive@(\d+)B",
    example="adaptive@48B",
    summary="principal coordinates, bits by variance, Gaussian levels: that many bytes a vector",
    fitted=FittedAdaptive,
)
@dataclass(frozen=True)
class Adaptive:
    """PCA about the origin; bits per principal coordinate by reverse water-filling; a Gaussian Lloyd–Max quantizer with
    the coordinate's own mean and scale; decoded vectors renormalised under cosine.

    State: (d + 2)·r·4 + r bytes for the r axes that get a bit. Related: SAQ (Li et al. 2025), which adds segments and
    code adjustment; not done here.
    """

    budget: int

    @property
    def name(self) -> str:
        return f"adaptive@{self.budget}B"

    @property
    def before(self) -> tuple[Reducer, ...]:
        return (AllocatedAxes(self.budget),)

    def code_bytes(self, width: int) -> int:
        check_width(self.name, self.budget, width)
        return self.budget

    def fit(self, Z: np.ndarray, training: Training) -> FittedAdaptive:
        mean = Z.mean(axis=0, dtype=np.float64)
        variance = Z.var(axis=0, dtype=np.float64)
        return FittedAdaptive(
            training.similarity == "cosine",
            mean.astype(np.float32),
            np.sqrt(variance).astype(np.float32),
            allocate_bits(variance, 8 * self.budget),
        )
