"""Optimised product quantization (`opq96`): a learned rotation, then `pq`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.codebooks import POINTS_PER_CENTROID, check_divides
from embgeo.compression.codecs.part import Reducer, quantizer
from embgeo.compression.codecs.quantizers.pq import FittedProduct, fit_product
from embgeo.compression.codecs.reducers.optimised_rotation import OptimisedRotation
from embgeo.compression.codecs.training import Training


@quantizer(
    r"opq(\d+)",
    example="opq96",
    summary="product quantization after a rotation learned for it, one byte a part",
    fitted=FittedProduct,
)
@dataclass(frozen=True)
class OptimisedProductQuantizer:
    """`pq` on coordinates turned by a rotation fitted with the codebooks; queries are turned with it.

    State: r²·4 bytes of rotation and 256·r·4 of codebooks. Has more parameters than `pq`, and overfits more.
    Source: Ge, He, Ke & Sun 2014, "Optimized product quantization".
    """

    parts: int
    centroids: ClassVar[int] = 256
    training_rows_needed: ClassVar[int] = POINTS_PER_CENTROID * 256

    @property
    def name(self) -> str:
        return f"opq{self.parts}"

    @property
    def before(self) -> tuple[Reducer, ...]:
        return (OptimisedRotation(self.parts),)

    def code_bytes(self, width: int) -> int:
        check_divides(self.name, self.parts, width)
        return self.parts

    def fit(self, Z: np.ndarray, training: Training) -> FittedProduct:
        return fit_product(self.name, Z, self.parts, 8, training.seed)
