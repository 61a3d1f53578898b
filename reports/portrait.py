"""What an analyze run is about and how well exact search retrieves in it, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.numbers import counted, estimate, finite

NAMES = {
    "ndcg@10": "nDCG@10",
    "recall@10": "Recall@10",
    "recall@100": "Recall@100",
    "map@100": "MAP@100",
    "mrr@10": "MRR@10",
}


def retrieval_rows(retrieval: Any) -> list[tuple[str, str, str]]:
    """(measure, value, interval) of result["retrieval"], the usual ones first."""
    if not isinstance(retrieval, Mapping):
        return []
    rows = []
    order = [name for name in NAMES if name in retrieval]
    for name in [*order, *(name for name in retrieval if name not in NAMES)]:
        entry = retrieval[name]
        entry = entry if isinstance(entry, Mapping) else {"value": entry}
        if finite(entry.get("value")) is None and "ci" not in entry:
            continue
        value, _, interval = estimate(entry.get("value"), entry.get("ci"), 4).partition(" ")
        rows.append((NAMES.get(str(name), str(name)), value, interval))
    return rows


def corpus_line(result: Mapping[str, Any]) -> str:
    """`5,183 documents · 300 queries · 339 judgements · compared by cosine`."""
    dataset = result.get("dataset")
    dataset = dataset if isinstance(dataset, Mapping) else {}
    parts = [
        counted(dataset[key], *words)
        for key, words in (
            ("documents", ("document", "documents")),
            ("queries", ("query", "queries")),
            ("qrels", ("judgement", "judgements")),
        )
        if finite(dataset.get(key)) is not None
    ]
    if result.get("similarity"):
        parts.append(f"compared by {result['similarity']}")
    return " · ".join(parts)
