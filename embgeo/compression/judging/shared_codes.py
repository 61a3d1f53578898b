"""Documents that a codec cannot tell apart, because they have the same code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from embgeo.embeddings import Embeddings
from embgeo.retrieval.exact import score


@dataclass(frozen=True)
class SharedCodes:
    """The codes that several documents share.

    Attributes
    ----------
    of : (n,) int64, which of them a document has; -1 if its code is unique.
    means : (g, d) float32 mean vector of the documents of each.
    spread : (g,) float32 mean squared distance of these documents from it.
    """

    of: np.ndarray
    means: np.ndarray
    spread: np.ndarray

    @classmethod
    def among(cls, codes: np.ndarray, embeddings: Embeddings) -> SharedCodes:
        """From the codes (n, b) uint8 of all documents. Cost: a sort of n codes, and a pass if any are shared."""
        whole = np.ascontiguousarray(codes).view(f"V{codes.shape[1]}").ravel()
        _, code, count = np.unique(whole, return_inverse=True, return_counts=True)
        many = count > 1
        of = np.where(many[code], (np.cumsum(many) - 1)[code], -1)
        groups = int(many.sum())
        sums, squares = np.zeros((groups, embeddings.dimension)), np.zeros(groups)
        for start, block in embeddings.blocks() if groups else ():
            mine = of[start : start + len(block)]
            kept = np.flatnonzero(mine >= 0)
            member = csr_array((np.ones(len(kept)), (mine[kept], kept)), shape=(groups, len(block)))
            sums += member @ block.astype(np.float64)
            squares += member @ np.einsum("ij,ij->i", block, block, dtype=np.float64)
        size = np.bincount(of[of >= 0], minlength=groups)
        means = sums / size[:, None]
        spread = np.maximum(squares / size - np.einsum("ij,ij->i", means, means), 0)
        return cls(of, means.astype(np.float32), spread.astype(np.float32))

    def level(self, X: np.ndarray, rows: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (k, d) and offsets (k,) whose score plus offset is the mean score of the documents with that code.

        `X` (k, d) are the vectors of the documents `rows` (k,); those with a unique code stay as they are.
        """
        of = self.of[rows]
        tied, offset = np.flatnonzero(of >= 0), np.zeros(len(rows), np.float32)
        if len(tied):
            X = X.copy()
            X[tied], offset[tied] = self.means[of[tied]], self._offset(of[tied], similarity)
        return X, offset

    def level_scores(self, exact: np.ndarray, Q: np.ndarray, rows: np.ndarray, similarity: str) -> np.ndarray:
        """`exact` (m, k), the scores of `rows` (k,), replaced by the mean over the documents of a shared code."""
        tied = np.flatnonzero(self.of[rows] >= 0)
        if not len(tied):
            return exact
        asked, number = np.unique(self.of[rows[tied]], return_inverse=True)
        scores = score(Q, self.means[asked], similarity) + self._offset(asked, similarity)
        exact = exact.copy()
        exact[:, tied] = scores[:, number]
        return exact

    def _offset(self, of: np.ndarray, similarity: str) -> np.ndarray:
        """The mean of -|q - x|^2 over documents is that of their mean vector, minus their spread."""
        return -self.spread[of] if similarity == "euclidean" else np.zeros(len(of), np.float32)
