"""Centred PCA with the mean restored at scoring (`pcac192`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import Narrowing, reducer
from embgeo.compression.codecs.training import Training, principal_axes, second_moment


@reducer(r"pcac(\d+)", example="pcac192", summary="centred PCA, the mean restored at scoring", fitted=Linear)
@dataclass(frozen=True)
class CentredPCA(Narrowing):
    """Projection on the leading eigenvectors of the covariance; decoded rows are z @ matrixᵀ + mean.

    Not to be confused with centring both sides and dropping the mean, which is what `PCA().fit_transform` followed
    by an inner product does. State: d·(r + 1)·4 bytes.
    """

    spelling: ClassVar[str] = "pcac{dimensions}"
    one_matrix: ClassVar[bool] = False

    def fit(self, Z: np.ndarray, training: Training) -> Linear:
        if Z is training.X:
            mean, axes = training.mean, training.centred_principal[1]
        else:
            mean = Z.mean(axis=0, dtype=np.float64)
            axes = principal_axes(second_moment(Z, about=mean))[1]
        return Linear(np.ascontiguousarray(axes[:, : self.dimensions], dtype=np.float32), mean.astype(np.float32))
