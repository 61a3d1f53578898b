"""Product quantization: one byte (`pq96`) or half a byte (`pq192x4`) for each part of the vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.codebooks import (
    ITERATIONS,
    MAX_ROWS,
    POINTS_PER_CENTROID,
    check_divides,
    check_rows,
    nearest,
    subspace_centroids,
    table_lookup,
)
from embgeo.compression.codecs.cost import CENTROID, LOOP_PRODUCT, Cost
from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_nibbles, packed_bytes, unpack_nibbles

PART = 90e-9  # CPU seconds that a part costs besides its centroids: sums, gaps


@dataclass(frozen=True)
class FittedProduct(FittedQuantizer):
    """Part m of a row is the nearest of its 2^bits centroids; decoding concatenates the centroids.

    At 4 bits two parts share a byte, the even one in the low half, as FAISS packs them.

    Attributes
    ----------
    centroids : (parts, 2^bits, r / parts) float32.
    """

    kind: ClassVar[str] = "FittedProduct"
    bits: int
    centroids: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (len(self.centroids) * self.bits + 7) // 8

    def table_code(self) -> TableCode:
        return TableCode(self.bits, self.centroids)

    def faiss_index(self, metric: int) -> Any:
        return self.table_code().faiss_index(metric)

    def levels(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) → (n, parts) uint8 numbers of the centroids."""
        return codes if self.bits == 8 else unpack_nibbles(codes, len(self.centroids))

    def encode(self, Z: np.ndarray) -> np.ndarray:
        levels = nearest(Z, self.centroids)
        return levels if self.bits == 8 else pack_nibbles(levels)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return table_lookup(self.levels(codes), self.centroids)


class ProductCode(Quantizer):
    """Parts of 2^`bits` centroids each."""

    parts: int
    bits = 8
    centroids: ClassVar[int] = 256
    training_rows_needed: ClassVar[int] = POINTS_PER_CENTROID * 256

    def code_bytes(self, width: int) -> int:
        check_divides(self.name, self.parts, width)
        return packed_bytes(self.parts, self.bits)

    def fit(self, Z: np.ndarray, training: Training) -> FittedProduct:
        """Learn the codebooks of all parts; raises InputError for fewer rows than centroids."""
        check_rows(self.name, len(Z), self.centroids)
        rng = np.random.default_rng([training.seed, self.parts, self.bits, 0x90])
        return FittedProduct(self.bits, subspace_centroids(Z, self.parts, self.centroids, rng))

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        a_part = PART + self.centroids * (width / self.parts * LOOP_PRODUCT + CENTROID)
        fit = ITERATIONS * min(rows, MAX_ROWS) * self.parts * a_part
        return Cost(fit, documents * self.parts * a_part)


@quantizer(
    r"pq(\d+)",
    example="pq96",
    summary="product quantization: that many parts, a codebook of 256 centroids each, one byte per part",
    fitted=FittedProduct,
)
@dataclass(frozen=True)
class ProductQuantizer(ProductCode):
    """The vector cut into `parts` equal runs of coordinates, each replaced by the nearest of 256 learned centroids.

    The query stays float (asymmetric distance). State: 256·r·4 bytes. Codebooks overfit a small corpus: SciFact ×
    MiniLM at 48 bytes has nDCG@10 .627 in sample and .616 out of it. Source: Jégou, Douze & Schmid 2011, §III.
    """

    spelling: ClassVar[str] = "pq{parts}"
    parts: int


@quantizer(
    r"pq(\d+)x4",
    example="pq192x4",
    summary="product quantization with 16 centroids per part, two parts per byte",
    fitted=FittedProduct,
)
@dataclass(frozen=True)
class ProductQuantizer4(ProductCode):
    """As `pq`, with half-byte codes: at equal bytes twice the parts, codebooks a sixteenth as large (16·r·4 bytes) that
    need a sixteenth of the documents; searched by SIMD table look-ups.
    Source: André, Kermarrec & Le Scouarnec 2015, "Cache locality is not enough".
    """

    spelling: ClassVar[str] = "pq{parts}x4"
    parts: int
    bits = 4
    centroids: ClassVar[int] = 16
    training_rows_needed: ClassVar[int] = POINTS_PER_CENTROID * 16
