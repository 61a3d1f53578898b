"""Which documents a search can retrieve at all: the summary that an analyze run stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LISTED = 20


def retrievability_summary(rows: np.ndarray, doc_ids: Sequence[str], k: int) -> dict[str, Any] | None:
    """Counts r(d) of queries that find document d in their top k, summarised; None if k covers every document.

    Parameters
    ----------
    rows : (m, ≥ k) document rows that each query found, best first, −1 where empty.

    Returns
    -------
    k, queries; gini (0: all documents alike, 1: one takes all), gini_found (over documents found at least once),
    gini_random (if every query drew k documents at random: Gini depends on queries · k / documents, so compare with
    it); never_retrieved and never_retrieved_random (shares); the documents found most often and the first that no
    query finds. Source: Azzopardi & Vinay 2008.
    """
    n, m = len(doc_ids), len(rows)
    if n <= k or rows.shape[1] < k or m == 0:
        return None
    found = rows[:, :k]
    counts = np.bincount(found[found >= 0], minlength=n)
    most = np.argsort(-counts, kind="stable")[:LISTED]
    never = np.flatnonzero(counts == 0)
    return {
        "k": k,
        "queries": m,
        "gini": gini(counts),
        "gini_found": gini(counts[counts > 0]),
        "gini_random": gini_of_random_retrieval(m, k / n),
        "never_retrieved": len(never) / n,
        "never_retrieved_random": (1 - k / n) ** m,
        "most_retrieved": [{"id": doc_ids[row], "queries": int(counts[row])} for row in most],
        "never_retrieved_documents": [{"id": doc_ids[row]} for row in never[:LISTED]],
    }


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of non-negative counts, Σ (2i − n − 1) x_i / (n Σ x) over ascending x; 0 when all are zero.

    >>> gini(np.array([5, 5, 5]))
    0.0
    """
    x = np.sort(np.asarray(counts, np.float64))
    total = x.sum()
    if len(x) == 0 or total == 0:
        return 0.0
    ranks = 2 * np.arange(1, len(x) + 1) - len(x) - 1
    return float(max(ranks @ x / (len(x) * total), 0.0))


def gini_of_random_retrieval(queries: int, share: float) -> float:
    """Gini expected when each of the queries finds each document with probability `share`: r is binomial.

    E|r − r'| / (2 E r) with E|r − r'| = 2 Σ F (1 − F).

    >>> gini_of_random_retrieval(1, 0.25)  # r is 0 or 1: 1 − share
    0.75
    """
    from scipy.special import bdtr

    if queries == 0 or not 0 < share < 1:
        return 0.0
    below = bdtr(np.arange(queries, dtype=np.float64), queries, share)
    return float((below * (1 - below)).sum() / (queries * share))
