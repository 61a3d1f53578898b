"""Product quantization with 4-bit codebooks (`pq192x4`): two parts a byte, searched by SIMD table look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.codebooks import POINTS_PER_CENTROID, check_divides
from embgeo.compression.codecs.part import Reducer, quantizer
from embgeo.compression.codecs.quantizers.pq import FittedProduct, fit_product
from embgeo.compression.codecs.training import Training


@quantizer(
    r"pq(\d+)x4",
    example="pq192x4",
    summary="product quantization with 16 centroids a part, two parts a byte",
    fitted=FittedProduct,
)
@dataclass(frozen=True)
class ProductQuantizer4:
    """As `pq`, with half-byte codes: at equal bytes twice the parts, codebooks a sixteenth as large (16·r·4 bytes) that
    need a sixteenth of the documents. Source: André, Kermarrec & Le Scouarnec 2015, "Cache locality is not enough".
    """

    parts: int
    before: ClassVar[tuple[Reducer, ...]] = ()
    centroids: ClassVar[int] = 16
    training_rows_needed: ClassVar[int] = POINTS_PER_CENTROID * 16

    @property
    def name(self) -> str:
        return f"pq{self.parts}x4"

    def code_bytes(self, width: int) -> int:
        check_divides(self.name, self.parts, width)
        return (self.parts + 1) // 2

    def fit(self, Z: np.ndarray, training: Training) -> FittedProduct:
        return fit_product(self.name, Z, self.parts, 4, training.seed)
