"""Codes whose score is a sum over parts, each decoded by its own table, or a number for each coordinate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embgeo.compression.codecs.summed_code import LEVELS, SummedCode
from embgeo.numeric.bits import unpack_levels


@dataclass(frozen=True)
class TableCode:
    """Part p of a document decodes to `centroids[p, level]`; levels of `bits` bits follow each other, lowest first.

    A scalar code of 2^bits levels per coordinate has one coordinate per part; a product code has several.

    Attributes
    ----------
    bits : 1 to 8.
    centroids : (parts, 2^bits, r / parts) float32.
    """

    bits: int
    centroids: np.ndarray

    @classmethod
    def of_levels(cls, bits: int, levels: np.ndarray) -> TableCode:
        """From the levels (r, 2^bits) of each coordinate."""
        return cls(bits, np.ascontiguousarray(levels, np.float32)[:, :, None])

    def summed_code(self) -> SummedCode:
        """The same as a sum over levels; of codes with one coordinate per part."""
        parts, count, _ = self.centroids.shape
        bits, tables = np.full(parts, self.bits, np.uint8), np.zeros((parts, LEVELS), np.float32)
        tables[:, :count] = self.centroids[:, :, 0]
        return SummedCode(bits, tables, lambda codes: unpack_levels(codes, bits))

    def faiss_index(self, metric: int) -> Any:
        """An empty trained `IndexPQ` with these tables; codes go in as they are by `add_sa_codes`."""
        import faiss

        parts, _, width = self.centroids.shape
        index = faiss.IndexPQ(parts * width, parts, self.bits, metric)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.centroids).ravel(), index.pq.centroids)
        index.is_trained = True
        return index


@dataclass(frozen=True)
class PlainCode:
    """A row decodes to low + step · value / scale, where its bytes are values of `type`, named as torch does: `uint8`,
    `float16`, `float8_e4m3fn` …; low and step are (r,) or (1,) float32."""

    type: str
    low: np.ndarray = field(default_factory=lambda: np.zeros(1, np.float32))
    step: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))
    scale: float = 1.0
