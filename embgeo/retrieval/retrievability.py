"""Which documents a search can bring up at all: the summary an analyze run stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LISTED = 20


def retrievability_summary(rows: np.ndarray, doc_ids: Sequence[str], k: int) -> dict[str, Any] | None:
    """Counts r(d) of queries that find document d in their top k, summed up; None where k reaches every document.

    Parameters
    ----------
    rows : (m, ≥ k) document rows that each query found, best first, −1 where empty.

    Returns
    -------
    k, queries; gini (0 all documents alike, 1 one takes all), gini_found (over documents found at least once),
    gini_random (if every query drew k documents at random: Gini depends on queries · k / documents, so compare with
    it); never_retrieved and never_retrieved_random (shares); the documents found most often and the first that no
    query finds. Source: Azzopardi & Vinay 2008.
    """
    from embgeo.metrics.retrievability import gini, gini_of_random_retrieval

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
