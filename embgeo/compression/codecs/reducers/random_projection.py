"""The random projection of 0.1.0 (`grp192`), kept for the runs and stores that name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import Narrowing, reducer
from embgeo.compression.codecs.reducers.structured_projection import FittedStructured, StructuredProjection
from embgeo.compression.codecs.training import Training


@reducer(
    r"grp(\d+)",
    example="grp192",
    summary="srp under its 0.1.0 name; 0.1.0 drew Gaussians and stored them",
    fitted=FittedStructured,
)
@dataclass(frozen=True)
class RandomProjection(Narrowing):
    """`srp`: an orthonormalised Gaussian matrix projects no better and took d·r·4 bytes that a seed makes unnecessary.

    Stores written by 0.1.0 hold that matrix and are searched with it.
    """

    spelling: ClassVar[str] = "grp{dimensions}"

    def fit(self, Z: np.ndarray, training: Training) -> FittedStructured:
        return StructuredProjection(self.dimensions).fit(Z, training)
