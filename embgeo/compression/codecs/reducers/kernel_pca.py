"""Kernel PCA (`kpca96`): the leading directions of a Gaussian kernel over documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.cost import FACTORISATION, KERNEL, PRODUCT, Cost
from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training
from embgeo.errors import InputError
from embgeo.retrieval.exact import score
from embgeo.threads import one_blas_thread

LANDMARKS = 1_500


@dataclass(frozen=True)
class FittedKernelPCA(FittedReducer):
    """z = k(x, landmarks) @ weights − mean, k(x, y) = exp(−gamma[0] · ‖x − y‖²).

    q_z·z (the mean restored) is the best rank-r estimate of k(q, x), which falls with the distance of q and x.

    Attributes
    ----------
    landmarks : (l, d) float32 documents.
    weights : (l, r) float32.
    mean : (r,) float32 of the documents; restored at scoring as in `pcac`.
    gamma : (1,) float32.
    """

    kind: ClassVar[str] = "FittedKernelPCA"
    landmarks: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    gamma: np.ndarray

    @property
    def input_width(self) -> int:
        return self.landmarks.shape[1]

    def features(self, X: np.ndarray) -> np.ndarray:
        """(n, d) → (n, r) before the mean is subtracted."""
        kernel = gaussian_kernel(X, self.landmarks, self.gamma[0])
        with one_blas_thread(self.weights.shape[1]):  # a product this narrow is split along its sums
            mapped: np.ndarray = kernel @ self.weights
        return mapped

    def documents(self, X: np.ndarray) -> np.ndarray:
        return self.features(X) - self.mean

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        Z = self.features(Q)
        if similarity != "euclidean":
            return Z, Z @ self.mean
        return Z - self.mean, -np.maximum(1 - np.einsum("ij,ij->i", Z, Z), 0)


def gaussian_kernel(X: np.ndarray, Y: np.ndarray, gamma: np.floating) -> np.ndarray:
    """(n, l) exp(−gamma · ‖x − y‖²); in one thread, since the eigenvectors magnify the last bits of the products."""
    with one_blas_thread(len(Y)):
        return np.exp(gamma * score(X, Y, "euclidean"))


@reducer(
    r"kpca(\d+)",
    example="kpca192",
    summary="kernel PCA (Gaussian kernel) on at most 1,500 landmarks; large state, for small corpora",
    fitted=FittedKernelPCA,
)
@dataclass(frozen=True)
class KernelPCA(Narrowing):
    """Uncentred kernel PCA with exp(−‖x − y‖² / mean ‖x − y‖²), by Nyström's method on at most 1,500 documents.

    With fewer documents than that it is exact. Uncentred for the reason that `pca192` is. The landmarks are state,
    (d + r)·l·4 bytes: on most corpora more than it saves, which the byte account shows. Dot products are not a function
    of distance: refused under dot. Cost: l³ to fit, n·l·d to apply, for queries too.
    Source: Schölkopf, Smola & Müller 1998; Williams & Seeger 2001.
    """

    spelling: ClassVar[str] = "kpca{dimensions}"
    one_matrix: ClassVar[bool] = False

    def offered_for(self, similarity: str) -> bool:
        return similarity != "dot"  # a kernel of distances cannot represent inner products

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        landmarks = min(rows, LANDMARKS)
        mapped = landmarks * (KERNEL + self.dimensions * PRODUCT)
        return Cost(landmarks**3 * FACTORISATION + rows * mapped, documents * mapped)

    def fit(self, Z: np.ndarray, training: Training) -> FittedKernelPCA:
        from scipy.linalg import eigh

        if training.similarity == "dot":
            raise InputError(f"{self.name} needs cosine or euclidean similarity; got dot. Use pca{self.dimensions}")
        if len(Z) < self.dimensions:
            raise InputError(f"{self.name} needs at least {self.dimensions} documents to fit; got {len(Z)}")
        rng = np.random.default_rng([training.seed, len(Z), 0x4B9CA])
        chosen = np.arange(len(Z)) if len(Z) <= LANDMARKS else np.sort(rng.permutation(len(Z))[:LANDMARKS])
        landmarks = np.ascontiguousarray(Z[chosen], np.float32)
        spread = 2 * float(landmarks.var(axis=0, dtype=np.float64).sum())
        gamma = np.array([1 / spread if spread > 0 else 1.0], np.float32)
        kernel = gaussian_kernel(landmarks, landmarks, gamma[0]).astype(np.float64)
        count = len(kernel)
        with one_blas_thread(count):
            values, vectors = eigh(kernel, subset_by_index=[count - self.dimensions, count - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
        # directions that are only rounding noise are set to 0
        inverse = np.where(values > 1e-6 * values[0], 1 / np.sqrt(np.maximum(values, 1e-300)), 0)
        weights = np.ascontiguousarray(vectors * (np.where(largest < 0, -1, 1) * inverse), dtype=np.float32)
        mean = np.zeros(self.dimensions)
        for start in range(0, len(Z), 8192):
            kernel = gaussian_kernel(Z[start : start + 8192], landmarks, gamma[0])
            with one_blas_thread(self.dimensions):
                mean += (kernel @ weights).sum(axis=0)
        return FittedKernelPCA(landmarks, weights, (mean / len(Z)).astype(np.float32), gamma)
