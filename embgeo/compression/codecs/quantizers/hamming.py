"""Sign bits on both sides (`hamming`), as stores that compare by Hamming distance do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import Quantizer, quantizer
from embgeo.compression.codecs.quantizers.binary import FittedSigns
from embgeo.compression.codecs.summed_code import SummedCode
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training


@dataclass(frozen=True)
class FittedHamming(FittedSigns):
    """The codes of `binary`; the query is reduced to its signs too, so that scores fall with the Hamming distance."""

    kind: ClassVar[str] = "FittedHamming"

    def query_side(self, Z: np.ndarray) -> np.ndarray:
        """The signs at about the length of the query, so that scores grow with it as all others do."""
        size = _power_of_two(np.linalg.norm(Z, axis=1, keepdims=True) / np.sqrt(self.width))
        return np.asarray(np.where(Z > 0, size, -size), np.float32)

    def table_code(self) -> TableCode | None:
        """None: a FAISS file would compare the float query."""
        return None

    def summed_code(self) -> SummedCode | None:
        table = super().table_code()
        return None if table is None else table.summed_code()


@quantizer(
    r"hamming", example="hamming", summary="one sign bit per coordinate, query and document", fitted=FittedHamming
)
@dataclass(frozen=True)
class Hamming(Quantizer):
    """One bit per coordinate on both sides, as in pgvector (bit), sqlite-vec (bit), usearch (b1), Redis (BIN).

    Not to be confused with `binary`, which keeps the query in float and loses less.
    """

    spelling: ClassVar[str] = "hamming"
    rounds_queries: ClassVar[bool] = True
    bits = 1

    def fit(self, Z: np.ndarray, training: Training) -> FittedHamming:
        width = Z.shape[1]
        size = width**-0.5 if training.similarity == "cosine" else float(np.abs(Z).mean(dtype=np.float64))
        return FittedHamming(width, _power_of_two(np.array([size])).astype(np.float32))


def _power_of_two(sizes: np.ndarray) -> np.ndarray:
    """The nearest ones: their sums are exact, so that documents at one Hamming distance tie."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp2(np.round(np.log2(sizes))))
