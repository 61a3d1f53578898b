"""Documents that no query reaches, and whether the other documents tell which."""

from __future__ import annotations

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.results.limits import Unreachable
from embgeo.retrieval.exact import scan_blocks, without_own
from embgeo.retrieval.top_k import TopK, tie_order
from embgeo.space.sampled_rows import sampled_rows

K = 100
PROBES = 10_000  # documents that search as queries do
PAIRS = 2 * 10**9  # of probe and document, at most
LISTED = 100


def unreachable(
    embeddings: Embeddings,
    rows: np.ndarray | None,
    seed: int = 0,
    progress: Progress = silent,
    *,
    own_queries: bool = False,
) -> Unreachable | None:
    """Documents in the top 100 of no query, and how well their k-occurrence tells them from the rest.

    The k-occurrence of a document is the number of (sampled) documents that have it among their own k nearest; it needs
    no queries. Documents that few others have as a neighbour are the ones that queries miss (AUC .874 on SciFact with
    MiniLM), so that it says before any query is asked which documents need another representation. Source: Radovanović
    et al. 2010 (k-occurrence), Azzopardi & Vinay 2008 (retrievability).

    Parameters
    ----------
    rows : (m, ≥ 100) rows that each query found, best first, −1 where empty. None, or a corpus of at most 100
        documents, gives None.
    own_queries : the queries are documents, so that the k-occurrence would tell what it is made of: no AUC.
    """
    n = len(embeddings)
    if rows is None or len(rows) == 0 or n <= K or rows.shape[1] < K:
        return None
    found = rows[:, :K]
    missed = np.bincount(found[found >= 0], minlength=n) == 0
    probes = sampled_rows(n, min(PROBES, max(1, PAIRS // n)), seed)
    count = k_occurrence(embeddings, probes, K, progress)
    # the documents of lowest count first: these are missed for the reason that the count shows
    order = np.flatnonzero(missed)[np.argsort(count[missed], kind="stable")]
    return Unreachable(
        k=K,
        queries=len(rows),
        share=float(missed.mean()),
        random_share=float((1 - K / n) ** len(rows)),
        occurrence_k=K,
        probes=len(probes),
        auc=None if own_queries else area_under_curve(-count, missed),
        documents=[embeddings.doc_ids[row] for row in order[:LISTED].tolist()],
    )


def k_occurrence(embeddings: Embeddings, probes: np.ndarray, k: int, progress: Progress = silent) -> np.ndarray:
    """(n,) int64: how many of the documents `probes` (p,) have each document among their k nearest, themselves left
    out. Cost: 2·p·n·d flops; memory one block."""
    asked = embeddings.rows(probes)
    best = TopK.empty(len(asked), min(k + 1, len(embeddings)), tie_order(embeddings.doc_ids))
    scan_blocks(embeddings, asked, best, lambda _, done, total: progress("neighbours of documents", done, total))
    _, rows = without_own(best.scores, best.rows, probes, k)
    return np.bincount(rows[rows >= 0], minlength=len(embeddings))


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float | None:
    """P(a positive scores higher than a negative), ties counted half, in [0, 1]; None if there are not both.

    >>> area_under_curve(np.array([3, 2, 1]), np.array([True, False, False]))
    1.0
    """
    from scipy.stats import rankdata

    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    above = rankdata(score)[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
