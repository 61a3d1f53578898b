"""UMAP (`umap32`): a neighbour-preserving layout of landmarks, other vectors placed among them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.cost import PRODUCT, Cost
from embgeo.compression.codecs.part import FittedReducer, Reducer, reducer
from embgeo.compression.codecs.training import Training
from embgeo.errors import InputError, MissingExtraError

LANDMARKS = 2_000
NEIGHBOURS = 15
PLACING = 8e-3  # CPU seconds to lay out one landmark


@dataclass(frozen=True)
class FittedUMAP(FittedReducer):
    """z = (layout of x, its squared length): 2·q·layout − ‖layout‖² ranks documents by distance in the layout.

    A vector lies at the mean of its 15 nearest landmarks, weighted by exp(−(distance − nearest) / scale[0]).

    Attributes
    ----------
    landmarks : (l, d) float32 documents.
    layout : (l, r − 1) float32 their places.
    scale : (1,) float32.
    """

    kind: ClassVar[str] = "FittedUMAP"
    landmarks: np.ndarray
    layout: np.ndarray
    scale: np.ndarray

    @property
    def input_width(self) -> int:
        return self.landmarks.shape[1]

    def place(self, X: np.ndarray) -> np.ndarray:
        """(n, d) → (n, r − 1)."""
        squares = np.einsum("ij,ij->i", X, X)[:, None] - 2 * (X @ self.landmarks.T)
        squares += np.einsum("ij,ij->i", self.landmarks, self.landmarks)
        count = min(NEIGHBOURS, len(self.landmarks))
        nearest = np.sort(np.argpartition(squares, count - 1, axis=1)[:, :count], axis=1)
        distances = np.sqrt(np.maximum(np.take_along_axis(squares, nearest, axis=1), 0))
        weights = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / self.scale[0])
        weights /= weights.sum(axis=1, keepdims=True)
        return np.einsum("nk,nkr->nr", weights, self.layout[nearest]).astype(np.float32)

    def documents(self, X: np.ndarray) -> np.ndarray:
        Z = self.place(X)
        return np.column_stack([Z, np.einsum("ij,ij->i", Z, Z)])

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        Z = self.place(Q)
        return np.column_stack([2 * Z, np.full(len(Z), -1, np.float32)]), -np.einsum("ij,ij->i", Z, Z)


@reducer(
    r"umap(\d+)",
    example="umap32",
    summary="UMAP on at most 2,000 landmarks; made for visualisation, large state (needs the extra umap)",
    fitted=FittedUMAP,
)
@dataclass(frozen=True)
class UMAPProjection(Reducer):
    """UMAP of up to 2,000 documents into r − 1 dimensions; the last coordinate is the squared length.

    In the published storage study it loses more than every other reducer, and it does here: neighbourhoods of 15 are
    kept, the order within and between them is not. The landmarks are state, (d + r)·l·4 bytes. Needs the extra `umap`;
    cosine or euclidean. Source: McInnes, Healy & Melville 2018, "UMAP".
    """

    spelling: ClassVar[str] = "umap{dimensions}"
    one_matrix: ClassVar[bool] = False
    dimensions: int

    def width(self, dimension: int) -> int:
        if not 2 <= self.dimensions <= dimension:
            raise InputError(f"{self.name} needs between 2 and {dimension} dimensions here; got {self.dimensions}")
        return self.dimensions

    @property
    def learned_width(self) -> int:
        return self.dimensions

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        landmarks = min(rows, LANDMARKS)
        return Cost(landmarks * PLACING, documents * landmarks * width * PRODUCT)

    def fit(self, Z: np.ndarray, training: Training) -> FittedUMAP:
        if training.similarity != "cosine":
            raise InputError(f"{self.name} needs cosine similarity; got {training.similarity}")
        if len(Z) < 4 * self.dimensions or len(Z) <= NEIGHBOURS:
            least = max(4 * self.dimensions, NEIGHBOURS + 1)
            raise InputError(f"{self.name} needs at least {least} documents to fit; got {len(Z)}")
        try:
            from umap import UMAP
        except ImportError as error:
            raise MissingExtraError(f"{self.name} needs umap-learn: pip install 'embgeo[umap]'") from error
        rng = np.random.default_rng([training.seed, len(Z), 0x03A9])
        chosen = np.arange(len(Z)) if len(Z) <= LANDMARKS else np.sort(rng.permutation(len(Z))[:LANDMARKS])
        landmarks = np.ascontiguousarray(Z[chosen], np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that a seed disables its threads
            layout = UMAP(
                n_components=self.dimensions - 1,
                n_neighbors=NEIGHBOURS,
                metric="cosine",
                init="pca",
                random_state=int(rng.integers(2**31)),
            ).fit_transform(landmarks)
        places = np.asarray(layout, np.float32)
        places -= places.mean(axis=0)
        gaps = np.linalg.norm(landmarks[1:] - landmarks[:-1], axis=1)
        scale = max(float(np.median(gaps)) / 20, 1e-6)
        return FittedUMAP(landmarks, places, np.array([scale], np.float32))
