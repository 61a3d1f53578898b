"""PCA without centring (`pca192`): the axes that keep most of the inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import Narrowing, reducer
from embgeo.compression.codecs.training import Training, principal_axes, second_moment


@reducer(
    r"pca(\d+)",
    example="pca192",
    summary="uncentred PCA to that many dimensions; best for inner products",
    fitted=Linear,
)
@dataclass(frozen=True)
class PCA(Narrowing):
    """Projection on the leading eigenvectors of XᵀX.

    For inner-product search the mean is signal: dropping it costs quality (trap 4). The projected
    rows are not renormalised: z·z' is then the least-squares estimate of the inner product.
    State: d·r·4 bytes. Source: Eckart & Young 1936.
    """

    spelling: ClassVar[str] = "pca{dimensions}"
    principal_axes: ClassVar[bool] = True

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        axes = training.principal[1] if Z is training.X else principal_axes(second_moment(Z))[1]
        return Linear(np.ascontiguousarray(axes[:, : self.dimensions], dtype=np.float32))
