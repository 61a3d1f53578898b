"""Exact search: the baseline that every store is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from embgeo.copies import NOISE
from embgeo.embeddings import Embeddings
from embgeo.errors import TOO_LARGE, InputError
from embgeo.files.ids import as_ids
from embgeo.files.mapped import release_pages
from embgeo.progress import Progress, silent
from embgeo.retrieval.top_k import TopK, tie_order

SURPLUS = 16  # candidates beyond those requested: float32 products may misorder neighbours
QUERY_BLOCK = 1024
RESCORED_BYTES = 64 * 2**20


Scan = Callable[[Embeddings, np.ndarray, TopK, Progress], None]


def exact_search(
    embeddings: Embeddings,
    k: int,
    *,
    drop_own_document: bool = False,
    progress: Progress = silent,
    scan: Scan | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Search every document for every query, in blocks; `scan` is what reads them (`scan_blocks`).

    Returns scores (m, k) float32 descending and rows (m, k) int64, −1 where the corpus holds fewer than k documents.
    Scores are inner products (of unit vectors under cosine) or negative squared distances, computed in float64 for the
    results, and made equal if equal up to rounding (copies of a document). Equal scores are in descending order of
    document id, so that nothing depends on the order of the rows. `drop_own_document` removes the document whose id
    equals the query's.
    Cost: 2·n·m·d flops, under euclidean similarity in float64; memory one block.

    Raises InputError if squared distances of nearest documents exceed float32.
    """
    Q = embeddings.query_matrix()
    # float64: however far apart clusters are, norms and products keep the digits of distances within them
    precision = np.float64 if embeddings.similarity == "euclidean" else np.float32
    asked = Q.astype(precision)
    wanted = k + int(drop_own_document)
    precedence = tie_order(embeddings.doc_ids)
    best = TopK.empty(len(Q), min(wanted + SURPLUS, max(wanted, len(embeddings))), precedence)
    with np.errstate(over="ignore"):  # told below
        (scan or scan_blocks)(embeddings, asked, best, progress)
    found = np.isfinite(best.scores).sum(axis=1)
    if precision == np.float64 and (found < min(best.scores.shape[1], len(embeddings))).any():
        raise InputError(f"squared distances must be finite in float32; {TOO_LARGE}")
    scores, rows = np.empty_like(best.scores), np.empty_like(best.rows)
    for part in _parts(len(Q), max(1, RESCORED_BYTES // (8 * best.rows.shape[1] * embeddings.dimension))):
        scores[part], rows[part] = _rescored(embeddings, Q[part], best.rows[part], precedence)
        release_pages(embeddings.docs)
    if drop_own_document:
        return without_own(scores, rows, own_rows(embeddings), k)
    return scores[:, :k], rows[:, :k]


def scan_blocks(embeddings: Embeddings, asked: np.ndarray, best: TopK, progress: Progress = silent) -> None:
    """Merge the scores of all documents for the queries `asked` (m, d), float32 or float64, into `best`."""
    for start, block in embeddings.blocks():
        rows, block = np.arange(start, start + len(block)), block.astype(asked.dtype, copy=False)
        for part in _parts(len(asked), QUERY_BLOCK):
            mine = TopK(best.scores[part], best.rows[part], best.precedence)
            mine.merge(score(asked[part], block, embeddings.similarity), rows)
        progress("exact search", start + len(block), len(embeddings))


def _rescored(
    embeddings: Embeddings, Q: np.ndarray, rows: np.ndarray, precedence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows of the candidates `rows` (m, c) in float64, made equal if equal up to rounding, sorted.

    Two scores count as equal if rounding noise in query and document, as between copies, could explain the gap.
    """
    held, at = np.unique(np.maximum(rows, 0), return_inverse=True)
    X = embeddings.rows(held).astype(np.float64)[at.reshape(rows.shape)]
    asked = Q.astype(np.float64)[:, None, :]
    lengths = np.sqrt(np.einsum("mcd,mcd->mc", X, X)), np.linalg.norm(asked, axis=2)
    if embeddings.similarity == "euclidean":
        apart = np.linalg.norm(X - asked, axis=2)
        scores = -np.square(apart)
        rounding = np.finfo(np.float32).eps * (lengths[0] + lengths[1]) / np.sqrt(embeddings.dimension)
        noise = 2 * apart * (2 * NOISE * apart + rounding)
    else:
        scores = np.einsum("mcd,mcd->mc", X, np.broadcast_to(asked, X.shape))
        noise = 2 * NOISE * lengths[0] * lengths[1]
    scores[rows < 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    scores, noise, rows = (np.take_along_axis(a, order, 1) for a in (scores, noise, rows))
    with np.errstate(invalid="ignore"):  # −inf − −inf where there are fewer documents
        steps = np.diff(-scores, axis=1) > noise[:, 1:]
    run = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    first = np.array([np.searchsorted(numbers, numbers) for numbers in run])
    scores = np.take_along_axis(scores, first, 1)
    scores[rows < 0] = -np.inf
    order = np.lexsort((precedence[rows], run, rows < 0), axis=1)
    return np.take_along_axis(scores, order, 1).astype(np.float32), np.take_along_axis(rows, order, 1)


def score(Q: np.ndarray, X: np.ndarray, similarity: str) -> np.ndarray:
    """Scores (m, n) of queries against documents, larger is nearer; the vectors are taken as they are."""
    if similarity != "euclidean":
        return Q @ X.T
    # −‖q − x‖² = 2 q·x − ‖x‖² − ‖q‖², centred at the mean of X: far from the origin the squares would cancel
    centre = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    X, Q = X - centre, Q - centre
    scores = Q @ X.T
    scores *= 2
    scores -= np.einsum("ij,ij->i", X, X)
    scores -= np.einsum("ij,ij->i", Q, Q)[:, None]
    return np.minimum(scores, 0, out=scores)


def _parts(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def own_rows(embeddings: Embeddings) -> np.ndarray:
    """For each query the row of the document with the same id, −2 where there is none; (m,) int64."""
    rows = as_ids(embeddings.doc_ids).index_of(embeddings.query_ids)
    return np.where(rows < 0, -2, rows)


def without_own(scores: np.ndarray, rows: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Remove each query's own row from its results and keep k; what remains stays in order."""
    order = np.argsort(rows == own[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
