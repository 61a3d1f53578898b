"""The margin that these judgements leave in each dimension, and the one that the model has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings
from embgeo.limits.margins import balanced_rows, certificate, free_vectors, subset_half_gap
from embgeo.limits.pattern import pattern_of
from embgeo.progress import Progress, silent
from embgeo.results.limits_margin import JudgementMargin, MarginAt, OwnGap
from embgeo.retrieval.evaluate import Evaluator
from embgeo.threads import one_blas_thread

ROUNDING = 1e-6  # half-gaps up to it are none: equal vectors may differ by as much in float32


def judgement_margin(
    embeddings: Embeddings, evaluator: Evaluator | None, seed: int = 0, progress: Progress = silent, threads: int = 1
) -> JudgementMargin | None:
    """The best row half-gap of free unit vectors for the relevance pattern of `evaluator`, by dimension.

    In 2, 4, 8, … dimensions up to those of `embeddings`, or to the number of documents in the pattern, beyond which
    more cannot help; each by three seeds. What they reach is a lower bound of what is possible and the certificate an
    upper one in every dimension; of a sample of the queries only the certificate bounds what all of them allow.
    Relevant documents that are not in the corpus are left out, a copy of a relevant document is relevant, and any
    other document without a judgement is not. None without judgements, or if every query finds all documents relevant.
    Cost: that of `free_vectors` for each dimension.
    """
    if evaluator is None:
        return None
    relevant = relevant_rows(evaluator)
    copies = find_copies(embeddings)
    sets = [np.unique(copies.group[rows]).tolist() for rows in relevant]
    pattern = pattern_of(sets, len(copies.first), seed)
    if pattern is None:
        return None
    last = min(embeddings.dimension, pattern.shape[1])
    widths = [*(2**power for power in range(1, last) if 2**power < last), last]
    reached: list[MarginAt] = []
    bounds = [1.0]
    # products this small take longer with several threads each; the widest first, so that no thread waits for it long
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        made = pool.map(lambda width: free_vectors(pattern, width, seed=seed), widths[::-1])
        for width, free in zip(widths[::-1], made, strict=True):
            margins = [float(margin) if margin > ROUNDING else 0.0 for margin in free.margins]
            reached.insert(0, MarginAt(dimension=width, half_gap=float(np.median(margins)), seeds=margins))
            if width == widths[-1]:
                each = zip(free.weights, free.U, free.V, strict=True)
                bounds += [certificate(balanced_rows(W), U, V) for W, U, V in each]
            progress("margins of free vectors", len(reached), len(widths))
    subsets = pattern.subsets
    graded = sum(grade > 0 for judged in evaluator.qrels.values() for grade in judged.values())
    return JudgementMargin(
        queries=pattern.queries,
        judged=pattern.judged,
        missing=1 - sum(map(len, relevant)) / graded,
        patterns=pattern.shape[0],
        documents=pattern.shape[1],
        reached=reached,
        certificate=min(bounds),
        subset_size=None if subsets is None else subsets[1],
        closed_form=None if subsets is None else subset_half_gap(*subsets),
    )


def own_gap(
    embeddings: Embeddings, evaluator: Evaluator | None, scores: np.ndarray | None, rows: np.ndarray | None
) -> OwnGap | None:
    """How many judged queries have every relevant document above all others, and by how much (`half_gaps`)."""
    if evaluator is None or scores is None or rows is None:
        return None
    gaps = half_gaps(embeddings, evaluator, scores, rows)
    known = gaps[~np.isnan(gaps)]
    if not len(known):
        return None
    comparable = embeddings.similarity == "cosine"
    return OwnGap(
        queries=len(known),
        positive=float((known > 0).mean()),
        median=float(np.median(known)) if comparable else None,
        least=float(known.min()) if comparable else None,
    )


def half_gaps(embeddings: Embeddings, evaluator: Evaluator, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(judged queries,) float64: ½ (worst relevant score − best other score) of each judged query.

    `scores` and `rows` (m, c) are those of exact search, best first. Copies of a relevant document are no others: no
    vector ranks them apart. NaN if no relevant document is in the corpus, or no other document among the c.
    """
    relevant = relevant_rows(evaluator)
    group = find_copies(embeddings).group
    asked = embeddings.query_matrix()
    gaps = np.full(len(evaluator.query_rows), np.nan)
    for at, (query, own) in enumerate(zip(evaluator.query_rows.tolist(), relevant, strict=True)):
        found = rows[query][rows[query] >= 0]
        others = ~np.isin(group[found], group[own])
        if not len(own) or not others.any():
            continue
        best = float(scores[query][: len(found)][others][0])
        hits = np.isin(found, own)
        if hits.sum() == len(own):
            worst = float(scores[query][: len(found)][hits][-1])
        else:
            X, q = embeddings.rows(own).astype(np.float64), asked[query].astype(np.float64)
            every = -np.square(X - q).sum(axis=1) if embeddings.similarity == "euclidean" else X @ q
            worst = min(float(every.min()), float(scores[query][len(found) - 1]))  # whatever rounding says
        gaps[at] = (worst - best) / 2
    return gaps


def relevant_rows(evaluator: Evaluator) -> list[np.ndarray]:
    """Rows of the documents relevant to each judged query, int64, ascending; those not in the corpus are left out."""
    judged = evaluator.judged()
    judged = judged[judged[:, 2] > 0].astype(np.int64)
    judged = judged[np.lexsort((judged[:, 1], judged[:, 0]))]
    starts, ends = (np.searchsorted(judged[:, 0], evaluator.query_rows, side) for side in ("left", "right"))
    return [judged[start:end, 1] for start, end in zip(starts, ends, strict=True)]
