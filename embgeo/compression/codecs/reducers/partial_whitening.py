"""Partial whitening (`white30`): a metric of its own, in which the leading directions count for less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer, Reducer, reducer
from embgeo.compression.codecs.training import Training, principal_axes, second_moment
from embgeo.embeddings import normalise
from embgeo.errors import InputError

SMALLEST = 0.002  # of the largest eigenvalue: directions that hardly any document has are not blown up
MAX_PERCENT = 100
TURNED = 1e-4  # how far from orthonormal a rotation in float32 may be


@dataclass(frozen=True)
class FittedPartialWhitening(FittedReducer):
    """Documents and queries alike: z = x @ matrix, divided by its length.

    Attributes
    ----------
    matrix : (d, d) float32, the principal axes as columns times their weights, and whatever rotation follows.
    """

    kind: ClassVar[str] = "FittedPartialWhitening"
    matrix: np.ndarray

    @property
    def input_width(self) -> int:
        return len(self.matrix)

    @property
    def unit_matrix(self) -> np.ndarray:
        return self.matrix

    def fold(self, second: FittedReducer) -> FittedPartialWhitening | None:
        """With a rotation, which keeps the length that it divides by; None for whatever does not."""
        if not second.foldable:
            return None
        turn = second.documents(np.eye(self.matrix.shape[1], dtype=np.float32))
        if turn.shape[0] != turn.shape[1] or not np.allclose(turn @ turn.T, np.eye(len(turn)), atol=TURNED):
            return None
        return FittedPartialWhitening(np.ascontiguousarray(self.matrix @ turn))

    def documents(self, X: np.ndarray) -> np.ndarray:
        return normalise(X @ self.matrix)

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        return self.documents(Q), np.zeros(len(Q), np.float32)


@reducer(
    r"white(\d+)",
    example="white30",
    summary="partial whitening: another metric, better on some corpora and worse on others; needs judgements",
    fitted=FittedPartialWhitening,
)
@dataclass(frozen=True)
class PartialWhitening(Reducer):
    """Documents and queries become unit((x V) ∘ g), g_j = max(λ_j, .002 λ₁)^(−α/2), and are compared by cosine there.

    λ and V are the uncentred principal components of the fit sample, α = `percent` / 100 from 0 to 1: 0 only rotates,
    1 is full whitening. Not to be confused with `pcaw192`, whose queries undo the scale so that scores stay those of
    PCA: here the metric changes, so recall of the exact neighbours falls by construction, and only judgements can tell
    whether results improve (`choosing/select.py`). Cosine only: the length that it divides by would be a document's
    weight under dot, and distances would not be those of the vectors. State: d²·4 bytes, with any rotation after it.
    Related: Su et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval": α = 1 about
    the mean.
    """

    spelling: ClassVar[str] = "white{percent}"
    keeps_lengths: ClassVar[bool] = True
    percent: int

    @property
    def neutral(self) -> PartialWhitening:
        return PartialWhitening(0)

    def width(self, dimension: int) -> int:
        if self.percent > MAX_PERCENT:
            raise InputError(f"{self.name} must be between white0 and white{MAX_PERCENT}")
        return dimension

    def offered_for(self, similarity: str) -> bool:
        return similarity == "cosine"

    def fit(self, Z: np.ndarray, training: Training) -> FittedPartialWhitening:
        if training.similarity != "cosine":
            raise InputError(
                f"{self.name} compares by cosine, whatever the lengths; got {training.similarity}. Drop it"
            )
        values, axes = training.principal if Z is training.X else principal_axes(second_moment(Z))
        weights = np.maximum(values, SMALLEST * values[0] or 1.0) ** (-self.percent / 200)
        # a common factor goes with the length
        return FittedPartialWhitening(np.ascontiguousarray(axes * (weights / weights[0]), dtype=np.float32))
