"""A third-party quantizer that is a sum over levels: one file that embgeo does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.summed_code import LEVELS, SummedCode
from embgeo.compression.codecs.training import Training

MIDDLE = 128
asked = [0]  # how often for its levels


@dataclass(frozen=True)
class FittedPlanted(FittedQuantizer):
    """z = (byte − 128) · step[0]."""

    kind: ClassVar[str] = "planted"
    width: int
    step: np.ndarray

    @property
    def code_bytes(self) -> int:
        return self.width

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return (np.clip(np.rint(Z / self.step[0]), -127, 127) + MIDDLE).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return (codes.astype(np.float32) - MIDDLE) * self.step[0]

    def summed_code(self) -> SummedCode:
        asked[0] += 1
        values = (np.arange(LEVELS, dtype=np.float32) - MIDDLE) * self.step[0]
        return SummedCode(np.full(self.width, 8, np.uint8), np.tile(values, (self.width, 1)), lambda codes: codes)


@quantizer("planted", example="planted", summary="a byte per coordinate, planted by a test", fitted=FittedPlanted)
@dataclass(frozen=True)
class Planted(Quantizer):
    spelling: ClassVar[str] = "planted"

    def code_bytes(self, width: int) -> int:
        return width

    def fit(self, Z: np.ndarray, training: Training) -> FittedPlanted:
        """One step for all coordinates, so that the largest becomes 127."""
        largest = float(np.abs(Z).max(initial=0.0)) or 1.0
        return FittedPlanted(Z.shape[1], np.array([largest / 127], np.float32))
