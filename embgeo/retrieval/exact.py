"""Exact float32 search: the baseline that every store is compared with."""

from __future__ import annotations

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.retrieval.top_k import TopK


def exact_search(
    embeddings: Embeddings, k: int, *, drop_own_document: bool = False, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Search every document for every query, in blocks.

    Returns scores (m, k) float32 descending and rows (m, k) int64, −1 where the corpus holds fewer than k documents.
    Scores are inner products (of unit vectors under cosine) or negative squared distances. Equal scores stand in row
    order. `drop_own_document` removes the document whose id equals the query's. Cost: 2·n·m·d flops, memory one block.
    """
    Q = embeddings.query_matrix()
    best = TopK.empty(len(Q), k + int(drop_own_document))
    for start, block in embeddings.blocks():
        rows = np.arange(start, start + len(block))
        best.merge(score(Q, block, embeddings.similarity), rows)
        progress("exact search", start + len(block), len(embeddings))
    if drop_own_document:
        return without_own(best.scores, best.rows, own_rows(embeddings), k)
    return best.scores, best.rows


def score(Q: np.ndarray, X: np.ndarray, similarity: str) -> np.ndarray:
    """Scores (m, n) of queries against documents, larger is nearer; the vectors are taken as they are."""
    products = Q @ X.T
    if similarity != "euclidean":
        return products
    # −‖q − x‖² = 2 q·x − ‖x‖² − ‖q‖²
    norms = np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Q, Q)
    return 2 * products - norms[0][None, :] - norms[1][:, None]


def own_rows(embeddings: Embeddings) -> np.ndarray:
    """For each query the row of the document with the same id, −2 where there is none; (m,) int64."""
    row_of = {doc: row for row, doc in enumerate(embeddings.doc_ids)}
    return np.array([row_of.get(query, -2) for query in embeddings.query_ids], dtype=np.int64)


def without_own(scores: np.ndarray, rows: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Remove each query's own row from its results and keep k; what remains stays in order."""
    order = np.argsort(rows == own[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
