"""Random rotation (`rot`): spreads variance evenly over the coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import Reducer, reducer
from embgeo.compression.codecs.reducers.structured_projection import FittedStructured, StructuredProjection
from embgeo.compression.codecs.training import Training


@reducer(
    r"rot",
    example="rot",
    summary="random rotation: evens out the coordinates before few-bit quantizers (can hurt plain sign bits)",
    fitted=FittedStructured,
)
@dataclass(frozen=True)
class Rotation(Reducer):
    """Random signs and Hadamard transforms, six rounds: `srp` at full width, equal for equal seed and width.

    Scores are unchanged up to rounding; what changes is what a quantizer sees. Six rounds serve the few-bit
    quantizers as a Haar-distributed matrix does, on sparse rows, heavy tails and one dominating coordinate too; two do
    not. State: 3·r/4 bytes, the signs themselves, so that a store decodes alike under any version of NumPy; after a
    learned matrix none, as both are merged into one. Stores written by 0.1.0 hold a dense matrix, r²·4 bytes.
    Source: Ailon & Chazelle 2009; for quantizers Vargaftik et al. 2021, "DRIVE".
    """

    spelling: ClassVar[str] = "rot"
    keeps_lengths: ClassVar[bool] = True

    def width(self, dimension: int) -> int:
        return dimension

    def fit(self, Z: np.ndarray, training: Training) -> FittedStructured:
        return StructuredProjection(Z.shape[1]).fit(Z, training)
