"""Query-aware projection (`lean192`), fitted to the inner products of queries and documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training, second_moment
from embgeo.errors import InputError
from embgeo.threads import one_blas_thread


@dataclass(frozen=True)
class QueryAware(FittedReducer):
    """Documents and queries projected by one matrix each; z_q · z_x estimates q · x.

    Attributes
    ----------
    document_matrix, query_matrix : (d, r) float32.
    """

    kind: ClassVar[str] = "QueryAware"
    document_matrix: np.ndarray
    query_matrix: np.ndarray

    @property
    def input_width(self) -> int:
        return len(self.document_matrix)

    def documents(self, X: np.ndarray) -> np.ndarray:
        return X @ self.document_matrix

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        return Q @ self.query_matrix, np.zeros(len(Q), np.float32)


@reducer(
    r"lean(\d+)",
    example="lean192",
    summary="projection that fits documents and queries together (LeanVec), to that many dimensions",
    fitted=QueryAware,
)
@dataclass(frozen=True)
class LeanProjection(Narrowing):
    """The two rank-r maps of least squared error of q · x over pairs of queries and documents.

    With second moments A of the queries and B of the documents and A^½ B^½ = U S Vᵀ, z_x = S^½ Vᵀ B^−½ x and
    z_q = S^½ Uᵀ A^−½ q. Few queries determine d² numbers poorly: A is shrunk towards B by d / (d + queries), which for
    queries that look like documents gives uncentred PCA. It learns from queries, so that the sweep evaluates
    each half of them with projections fitted on the other half, and on other documents.
    Inner products only. State: 2·d·r·4 bytes. Source: Tepper et al. 2024, "LeanVec: searching vectors faster by making
    them fit", §2.2 (out-of-distribution loss), here in closed form instead of by alternation.
    """

    spelling: ClassVar[str] = "lean{dimensions}"
    learns_from_queries: ClassVar[bool] = True

    def fit(self, Z: np.ndarray, training: Training) -> QueryAware:
        if training.similarity == "euclidean":
            raise InputError(
                f"{self.name} estimates inner products; got euclidean similarity. Use pca{self.dimensions}"
            )
        if training.queries is None or not len(training.queries):
            raise InputError(f"{self.name} learns from queries; there are none. Use pca{self.dimensions}")
        if Z is not training.X:
            raise InputError(f"{self.name} must come first in a spec: it learns from the original queries")
        documents = training.second_moment
        queries = second_moment(training.queries)
        d, m = len(documents), len(training.queries)
        share = d / (d + m)
        queries = (1 - share) * queries / np.trace(queries) + share * documents / np.trace(documents)
        with one_blas_thread(d):
            (half_d, inverse_d), (half_q, inverse_q) = _roots(documents), _roots(queries)
            U, S, Vt = np.linalg.svd(half_q @ half_d)
        scale = np.sqrt(S[: self.dimensions])
        # the first axis of each pair points so that documents lie on its positive side, as in PCA
        return QueryAware(
            np.ascontiguousarray(inverse_d @ Vt[: self.dimensions].T * scale, dtype=np.float32),
            np.ascontiguousarray(inverse_q @ U[:, : self.dimensions] * scale, dtype=np.float32),
        )


def _roots(moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric square root and its pseudo-inverse."""
    values, axes = np.linalg.eigh(moment)
    kept = values > values[-1] * 1e-10
    roots = np.sqrt(np.where(kept, values, 0))
    inverses = np.divide(1, roots, out=np.zeros_like(roots), where=kept)
    return (axes * roots) @ axes.T, (axes * inverses) @ axes.T
