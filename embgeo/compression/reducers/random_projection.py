"""Gaussian random projection (`grp192`): a random subspace, nothing learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.compression.parts import check_width, reducer
from embgeo.compression.reducers.linear import Linear
from embgeo.compression.training import Training, one_thread


@reducer(
    r"grp(\d+)",
    example="grp192",
    summary="Gaussian random projection, orthonormalised: what a reduction costs when nothing is learned",
    fitted=Linear,
)
@dataclass(frozen=True)
class GaussianProjection:
    """d × r independent Gaussians, their columns made orthonormal.

    Orthonormal columns span the same random subspace, estimate inner products with less variance than the raw matrix
    (none at r = d) and fold with neighbouring projections. Kept products shrink by r/d on average, which changes no
    ranking. The floor that a learned reduction must beat. State: d·r·4 bytes.
    Source: Johnson & Lindenstrauss 1984; Dasgupta & Gupta 2003.
    """

    dimensions: int

    @property
    def name(self) -> str:
        return f"grp{self.dimensions}"

    def width(self, dimension: int) -> int:
        return check_width(self.name, self.dimensions, dimension)

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        d = Z.shape[1]
        rng = np.random.default_rng([training.seed, d, self.dimensions, 0x62B])
        with one_thread(d):
            columns, _ = np.linalg.qr(rng.standard_normal((d, self.dimensions)))
        return Linear(np.ascontiguousarray(columns, np.float32))
