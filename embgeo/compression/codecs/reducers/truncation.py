"""Truncation (`trunc192`): the first coordinates, for Matryoshka models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise


@dataclass(frozen=True)
class Prefix(FittedReducer):
    """Keeps `dimensions` coordinates; documents are renormalised if `unit`."""

    kind: ClassVar[str] = "Prefix"
    dimensions: int
    unit: bool

    @property
    def foldable(self) -> bool:
        return not self.unit

    def documents(self, X: np.ndarray) -> np.ndarray:
        Z = np.ascontiguousarray(X[:, : self.dimensions])
        return normalise(Z) if self.unit else Z

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        Z = np.ascontiguousarray(Q[:, : self.dimensions])
        if similarity != "euclidean":
            return Z, np.zeros(len(Q), np.float32)
        dropped = Q[:, self.dimensions :]
        return Z, -np.einsum("ij,ij->i", dropped, dropped)


@reducer(
    r"trunc(\d+)",
    example="trunc192",
    summary="the first coordinates, renormalised under cosine; meant for Matryoshka-trained models",
    fitted=Prefix,
)
@dataclass(frozen=True)
class Truncation(Narrowing):
    """Cut after `dimensions` coordinates and renormalise under cosine. No state.

    A model that was not trained for it (Kusupati et al. 2022) loses more than with PCA, as the sweep shows.
    """

    spelling: ClassVar[str] = "trunc{dimensions}"
    for_trained_models: ClassVar[bool] = True
    keeps_lengths: ClassVar[bool] = True

    def fit(self, Z: np.ndarray, training: Training) -> Prefix:
        return Prefix(self.dimensions, training.similarity == "cosine")
