"""The fitted form of every linear reducer: one matrix, and optionally a mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer


@dataclass(frozen=True)
class Linear(FittedReducer):
    """z = (x − mean) @ matrix.

    The mean is restored when scoring: q·x̂ = q·mean + (q @ matrix)·z, so queries are projected without centring and
    carry q·mean as a bias. Under euclidean similarity the queries are centred too and the bias is minus the squared
    part of q that the projection drops, so that distances from different fits are comparable.

    Attributes
    ----------
    matrix : (d, r) float32 with orthonormal columns.
    mean : (d,) float32 or None.
    """

    kind: ClassVar[str] = "Linear"

    matrix: np.ndarray
    mean: np.ndarray | None = None

    @property
    def foldable(self) -> bool:
        return self.mean is None

    @property
    def input_width(self) -> int:
        return len(self.matrix)

    def fold(self, second: FittedReducer) -> Linear | None:
        return Linear(second.documents(self.matrix), self.mean) if second.foldable else None

    def documents(self, X: np.ndarray) -> np.ndarray:
        return (X if self.mean is None else X - self.mean) @ self.matrix

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        if similarity != "euclidean":
            bias = np.zeros(len(Q), np.float32) if self.mean is None else Q @ self.mean
            return Q @ self.matrix, bias
        centred = Q if self.mean is None else Q - self.mean
        Z = centred @ self.matrix
        dropped = centred - Z @ self.matrix.T  # ‖q‖² − ‖z‖² would cancel far from the origin
        return Z, -np.einsum("ij,ij->i", dropped, dropped)
