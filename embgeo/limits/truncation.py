"""Whether a model is trained for truncation: do its first dimensions keep what a projection of that width keeps?"""

from __future__ import annotations

import numpy as np

from embgeo.compression.codecs.training import principal_axes
from embgeo.compression.judging.folds import FOLDS, document_folds
from embgeo.embeddings import Embeddings, normalise
from embgeo.progress import Progress, silent
from embgeo.results.limits import TruncatedWidth, TruncationCheck
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import QUERY_BLOCK, own_rows, without_own
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.retrieval.top_k import TopK, tie_order

PAIRS = 2 * 10**9  # of query and document, at most, for each width
SHARES = (2, 4, 8, 16)  # widths as parts of the dimension
DECIDING = 4
DEPTH = 26


def truncation_check(
    embeddings: Embeddings,
    evaluator: Evaluator,
    quality: np.ndarray,
    seed: int = 0,
    drop_own_document: bool = False,
    progress: Progress = silent,
) -> TruncationCheck | None:
    """nDCG@10 of the first 1/2, 1/4, 1/8 and 1/16 of the dimensions, and of a PCA of the same width, paired by query.

    The axes come from documents alone, and for each fifth of the documents from the other four: on 1,832 documents of
    384 dimensions, axes fitted on all of them looked up to .01 better than they are. Under cosine both are normalised
    again, so that neither has an advantage by its scores. A model trained for truncation (Kusupati et al. 2022,
    Matryoshka representations) keeps as much as the PCA; for others the coordinates are arbitrary axes. Cost: one pass
    over the documents for their moments, one for all widths.

    Parameters
    ----------
    quality : (judged queries,) nDCG@10 of the run. Under Euclidean similarity, below 8 dimensions
        or beyond 2·10⁹ pairs of query and document, None is returned.
    """
    n, d = len(embeddings), embeddings.dimension
    widths = {share: d // share for share in SHARES if d // share >= 2}
    if embeddings.similarity == "euclidean" or DECIDING not in widths:
        return None
    if n * len(embeddings.query_ids) > PAIRS:
        return None
    found = _searched(embeddings, list(widths.values()), seed, drop_own_document, progress)
    bootstrap = QueryBootstrap.draw(len(quality), seed, groups=evaluator.query_groups)
    rows = []
    for width, arms in found.items():
        cut, projected = (evaluator(scores, at)["ndcg@10"] for scores, at in arms)
        rows.append(
            TruncatedWidth(
                dimensions=width,
                truncated=float(cut.mean()),
                pca=float(projected.mean()),
                difference=float((cut - projected).mean()),
                difference_ci=bootstrap.difference(cut, projected),
            )
        )
    return TruncationCheck(dimension=d, value=float(quality.mean()), deciding=widths[DECIDING], widths=rows)


def _searched(
    embeddings: Embeddings, widths: list[int], seed: int, drop: bool, progress: Progress
) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
    """Scores and rows of the truncated and of the projected vectors by width."""
    Q, precedence = embeddings.query_matrix(), tie_order(embeddings.doc_ids)
    fold = document_folds(embeddings, seed)
    axes = _axes(embeddings, fold, max(widths))
    arms = {width: [TopK.empty(len(Q), DEPTH, precedence) for _ in range(2)] for width in widths}
    cosine = embeddings.similarity == "cosine"
    for start, block in embeddings.blocks():
        rows = np.arange(start, start + len(block))
        parts = [(np.flatnonzero(fold[rows] == number), own) for number, own in enumerate(axes)]
        for width, (cut, projected) in arms.items():
            _merge(cut, Q[:, :width], block[:, :width], rows, cosine)
            for held, own in parts:
                _merge(projected, Q @ own[:, :width], block[held] @ own[:, :width], rows[held], cosine)
        progress("truncation", start + len(block), len(embeddings))
    own = own_rows(embeddings) if drop else np.full(len(Q), -2)
    return {width: [without_own(best.scores, best.rows, own, DEPTH) for best in pair] for width, pair in arms.items()}


def _merge(best: TopK, Q: np.ndarray, X: np.ndarray, rows: np.ndarray, cosine: bool) -> None:
    if cosine:
        Q, X = normalise(Q), normalise(X)
    for start in range(0, len(Q), QUERY_BLOCK):
        part = slice(start, start + QUERY_BLOCK)
        TopK(best.scores[part], best.rows[part], best.precedence).merge(Q[part] @ X.T, rows)


def _axes(embeddings: Embeddings, fold: np.ndarray, width: int) -> list[np.ndarray]:
    """(d, width) float32 leading axes about the origin for each fold, of the documents of the others."""
    moments = np.zeros((FOLDS, embeddings.dimension, embeddings.dimension))
    for start, block in embeddings.blocks():
        for number in range(FOLDS):
            X = block[fold[start : start + len(block)] == number].astype(np.float64)
            moments[number] += X.T @ X
    total = moments.sum(axis=0)
    return [principal_axes(total - own)[1][:, :width].astype(np.float32) for own in moments]
