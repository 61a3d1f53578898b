"""Retrievability: which documents the queries retrieve at all."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measure
from embgeo.retrieval.exact import score
from embgeo.retrieval.retrievability import gini, gini_of_random_retrieval
from embgeo.space.space import Space

K = 100
SOURCE = "Azzopardi & Vinay 2008, eq. 1 (cut-off at k = 100)"


@measure(
    "retrievability_gini",
    family="retrievability",
    summary="How unequally queries retrieve documents: 0 all equally, 1 only one; compare with random retrieval.",
    range=(0.0, 1.0),
    better="lower",
    invariances={"row_order"},
    cost="m n d",
    source=SOURCE,
    needs={"queries"},
    interval=False,
)
def retrievability_gini(space: Space) -> Reading:
    """Gini coefficient of r(d), the number of queries that have document d in their top 100.

    It depends on queries · k / documents: the details hold the value expected when every query draws its k documents
    at random, the Gini over the documents found at least once (`gini_found`), and the largest r. Counts per document
    are in `rows`. Search is exact by the model's similarity. Raises `Undefined` for 100 documents or fewer, because
    every query then finds all.

    >>> gini(np.array([0, 0, 0, 4]))  # one document takes all: 1 − 1/n
    0.75
    """
    counts, m = retrieval_counts(space)
    return Reading(
        gini(counts),
        details={
            "k": K,
            "queries": m,
            "gini_found": gini(counts[counts > 0]),
            "gini_of_random_retrieval": gini_of_random_retrieval(m, K / space.n),
            "largest_count": int(counts.max()),
        },
        rows={"retrievability": counts},
    )


@measure(
    "never_retrieved_share",
    family="retrievability",
    summary="Share of documents that are in no query's top 100; compare with random retrieval.",
    range=(0.0, 1.0),
    better="lower",
    invariances={"row_order"},
    cost="m n d",
    source=SOURCE,
    needs={"queries"},
    interval=False,
)
def never_retrieved_share(space: Space) -> Reading:
    """Share of documents with r(d) = 0; the details hold (1 − k/n)^m, the share under random retrieval.

    Raises `Undefined` for 100 documents or fewer.

    >>> X = np.eye(200, dtype=np.float32)
    >>> never_retrieved_share(Space(X, queries=X[:1])).value  # one query finds 100 of 200
    0.5
    """
    counts, m = retrieval_counts(space)
    return Reading(float((counts == 0).mean()), details={"k": K, "of_random_retrieval": (1 - K / space.n) ** m})


def retrieval_counts(space: Space) -> tuple[np.ndarray, int]:
    """(n,) int64 r(d) and the number of queries; from the given results if they are 100 deep, else searched."""
    if space.queries is None or len(space.queries) == 0:
        raise Undefined("retrievability needs queries")
    if space.n <= K:
        raise Undefined(f"retrievability needs more than {K} documents; got {space.n}, which are all in every top {K}")
    given = space.retrieved
    if given is not None and given.shape[1] >= K:
        found = given[:, :K]
    else:
        found = space.shared("query_results", lambda: _top(space, K))
    return np.bincount(found[found >= 0], minlength=space.n).astype(np.int64), len(space.queries)


def _top(space: Space, k: int) -> np.ndarray:
    """(m, k) documents of highest similarity to each query, in no order."""
    Q = space.queries
    assert Q is not None
    parts = []
    X = space.unit if space.similarity == "cosine" else space.X
    for start in range(0, len(Q), 256):
        scores = score(Q[start : start + 256], X, space.similarity)  # for cosine a query's length changes no order
        parts.append(np.argpartition(-scores, k - 1, axis=1)[:, :k])
    return np.concatenate(parts)
