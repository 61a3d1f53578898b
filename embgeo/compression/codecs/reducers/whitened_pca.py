"""Whitened PCA (`pcaw192`): every kept coordinate gets the same variance, and the query undoes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training, principal_axes, second_moment
from embgeo.errors import InputError

SMALLEST = 1e-4


@dataclass(frozen=True)
class FittedWhitening(FittedReducer):
    """Documents z = (x @ matrix) / scale, queries (q @ matrix) · scale: q·z is what plain PCA would give.

    Attributes
    ----------
    matrix : (d, r) float32 with orthonormal columns.
    scale : (r,) float32, the documents' root mean square along each axis, at least 1e-4 of the largest.
    """

    kind: ClassVar[str] = "FittedWhitening"
    matrix: np.ndarray
    scale: np.ndarray

    @property
    def input_width(self) -> int:
        return len(self.matrix)

    def documents(self, X: np.ndarray) -> np.ndarray:
        return (X @ self.matrix) / self.scale

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        return (Q @ self.matrix) * self.scale, np.zeros(len(Q), np.float32)


@reducer(
    r"pcaw(\d+)",
    example="pcaw192",
    summary="uncentred PCA, coordinates scaled to equal size; the query carries the scale",
    fitted=FittedWhitening,
)
@dataclass(frozen=True)
class WhitenedPCA(Narrowing):
    """Uncentred PCA whose coordinates all have mean square 1; scores are those of `pca192`.

    What changes is what a quantizer with one scale for all coordinates sees (fp8, fp4b16, tq, eden, lvq): unwhitened,
    it spends its levels on the leading axes; whitened, every axis gets the same relative error, so the leading axes
    lose precision where the score needs it most. Quantizers with a range for each dimension (int8, int4, fp4) write
    the same codes either way. A query that does not undo the whitening searches by another similarity (Mahalanobis).
    It does not preserve Euclidean distances: refused there. State: (d + 1)·r·4 bytes.
    """

    spelling: ClassVar[str] = "pcaw{dimensions}"

    def fit(self, Z: np.ndarray, training: Training) -> FittedWhitening:
        if training.similarity == "euclidean":
            raise InputError(
                f"{self.name} needs an inner product to undo the whitening; the similarity is euclidean. "
                f"Use pca{self.dimensions}"
            )
        values, axes = training.principal if Z is training.X else principal_axes(second_moment(Z))
        scale = np.sqrt(values[: self.dimensions])
        scale = np.maximum(scale, SMALLEST * scale[0]) if scale[0] > 0 else np.ones_like(scale)
        matrix = np.ascontiguousarray(axes[:, : self.dimensions], dtype=np.float32)
        return FittedWhitening(matrix, scale.astype(np.float32))
