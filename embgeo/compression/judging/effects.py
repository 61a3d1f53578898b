"""Side effects of the chosen store beyond nDCG: neighbourhoods, hubs, documents that become unreachable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Codec
from embgeo.compression.search.searcher import Searcher
from embgeo.embeddings import Embeddings
from embgeo.retrieval.evaluate import neighbour_recall
from embgeo.retrieval.exact import Scan, exact_search, own_rows, without_own

REACH = 100
DELIVERED = 200
PROBES = 1000
PROBES_OF_MANY = 200  # documents as queries in a corpus of over 100,000
LISTED = 50
TIES = 22  # neighbours beyond the ten that are checked for ties with the tenth


def store_effects(
    embeddings: Embeddings,
    searcher: Searcher,
    seed: int,
    drop_own: bool = False,
    known: np.ndarray | None = None,
    scan: Scan | None = None,
) -> dict[str, Any]:
    """Compare the built store with exact float32 search; `drop_own` keeps a query from reaching its own document.

    `known` (m, REACH) are the rows of that search, if they are known; `scan` is as in `exact_search`.

    Keys
    ----
    document_overlap@10 : share of the ten nearest documents of a document that the store finds too, mean over a sample
        of at most 1,000 documents (each searched as a query, itself removed).
    hubness : {"float32", "store"}: skewness of how often documents appear among those neighbours (Radovanović 2010).
    reachable@100 : {"float32", "store"}: documents that at least one query brings into its top 100.
    newly_unreachable : ids (at most 50) that float32 reaches and the store does not, and their `count`.
    In sample: the store was fitted on these documents.
    """
    n = len(embeddings)
    Q = embeddings.query_matrix()
    exact = exact_search(embeddings, min(REACH, n), drop_own_document=drop_own)[1] if known is None else known
    _, found = searcher.search(Q, min(REACH + int(drop_own), n))
    if drop_own:
        found = np.where(found == own_rows(embeddings)[:, None], -1, found)
        found = np.take_along_axis(found, np.argsort(found < 0, axis=1, kind="stable"), axis=1)[:, :REACH]
    before, after = np.unique(exact[exact >= 0]), np.unique(found[found >= 0])
    lost = np.setdiff1d(before, after)
    most = PROBES if n <= 100_000 else PROBES_OF_MANY
    probes = np.sort(np.random.default_rng([seed, 0xEFFEC]).choice(n, min(n, most), replace=False))
    vectors = embeddings.rows(probes)
    asked = replace(embeddings, queries=vectors, query_ids=[str(i) for i in probes])
    k = min(11, n)
    depth = min(k + TIES, n)
    scores, true = without_own(*exact_search(asked, depth, scan=scan), probes, depth - 1)
    _, near = without_own(*searcher.search(vectors, k), probes, k - 1)
    return {
        "document_overlap@10": float(neighbour_recall(near, true, 10, scores).mean()),
        "probes": len(probes),
        "hubness": {"float32": _skewness(true[:, : k - 1], n), "store": _skewness(near, n)},
        "reachable@100": {"float32": len(before), "store": len(after)},
        "newly_unreachable": {"count": len(lost), "ids": [embeddings.doc_ids[row] for row in lost[:LISTED]]},
    }


def delivered_recall(
    embeddings: Embeddings,
    searcher: Searcher,
    drop_own: bool = False,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> float:
    """recall@10 of exact neighbours by the search that ships, mean over the first `DELIVERED` queries, in sample.

    `known` are scores and rows of the exact search of all queries, deep enough for ties, if they are known.
    """
    asked = replace(
        embeddings, queries=embeddings.query_matrix()[:DELIVERED], query_ids=embeddings.query_ids[:DELIVERED]
    )
    depth = min(10 + TIES, len(asked))
    if known is None:
        scores, exact = exact_search(asked, depth, drop_own_document=drop_own)
    else:
        scores, exact = (each[:DELIVERED, :depth] for each in known)
    _, found = searcher.search(asked.query_matrix(), min(10 + int(drop_own), len(asked)))
    if drop_own:
        found = np.where(found == own_rows(asked)[:, None], -1, found)
    return float(neighbour_recall(found, exact, 10, scores).mean())


def _skewness(rows: np.ndarray, documents: int) -> float:
    """Skewness of the counts with which documents appear in `rows`; 0 when all appear equally often."""
    counts = np.bincount(rows[rows >= 0], minlength=documents).astype(np.float64)
    spread = counts.std()
    return float(((counts - counts.mean()) ** 3).mean() / spread**3) if spread > 0 else 0.0


def byte_account(codec: Codec) -> list[dict[str, Any]]:
    """Where the constant bytes of a store go: one entry per array of the codec's state."""
    return [
        {"array": name, "shape": list(array.shape), "dtype": str(array.dtype), "bytes": int(array.nbytes)}
        for name, array in codec.state.items()
    ]
