"""An analyze run in plain words: a few sentences from the stored values, each left out where its value is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.numbers import count, estimate, finite, number, percent

NAMES = {
    "ndcg@10": "nDCG@10",
    "recall@10": "Recall@10",
    "recall@100": "Recall@100",
    "map@100": "MAP@100",
    "mrr@10": "MRR@10",
}


def portrait(result: Mapping[str, Any]) -> list[str]:
    """Sentences about retrieval, dimension, similarity and isotropy of the space."""
    signature = result.get("signature")
    values = _Values(signature if isinstance(signature, Mapping) else {})
    said = _retrieval(result.get("retrieval"))
    rank, local = values.whole("effective_rank"), values.whole("twonn_dim")
    if local:
        said.append(f"Seen from close by, the documents fill about {local} dimensions (TwoNN).")
    if rank:
        said.append(f"Their variance spreads over about {rank} directions (effective rank).")
    alike = values.text("avg_pair_sim_cosine")
    if alike:
        said.append(f"Two documents picked at random have a cosine similarity of {alike} on average.")
    isotropy = values.text("iso_score")
    if isotropy:
        said.append(f"Isotropy is {isotropy} on a scale from 0 (one direction) to 1 (all directions alike).")
    failed = [str(name) for name, entry in values.entries.items() if values.failed(entry)]
    if failed:
        said.append(
            f"No value could be given for {', '.join(failed[:8])}{' …' if len(failed) > 8 else ''}; see the table."
        )
    return said


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


def _retrieval(retrieval: Any) -> list[str]:
    if not isinstance(retrieval, Mapping):
        return ["There are no relevance judgements, so retrieval quality is not measured."]
    said = []
    ndcg, recall = (retrieval.get(name) for name in ("ndcg@10", "recall@100"))
    if isinstance(ndcg, Mapping) and finite(ndcg.get("value")) is not None:
        said.append(f"Exact search reaches an nDCG@10 of {estimate(ndcg['value'], ndcg.get('ci'))}.")
    if isinstance(recall, Mapping) and finite(recall.get("value")) is not None:
        said.append(f"The first hundred results hold {percent(recall['value'])} of the relevant documents.")
    return said


class _Values:
    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.entries = entries

    def text(self, name: str) -> str:
        entry = self.entries.get(name)
        if not isinstance(entry, Mapping) or finite(entry.get("value")) is None:
            return ""
        return number(entry["value"], entry.get("ci"))

    def whole(self, name: str) -> str:
        entry = self.entries.get(name)
        x = finite(entry.get("value")) if isinstance(entry, Mapping) else None
        return "" if x is None else number(x, places=0 if abs(x) >= 10 else 1)

    @staticmethod
    def failed(entry: Any) -> bool:
        return isinstance(entry, Mapping) and finite(entry.get("value")) is None


def corpus_line(result: Mapping[str, Any]) -> str:
    """`5,183 documents · 300 queries · 339 judgements · compared by cosine`."""
    dataset = result.get("dataset")
    dataset = dataset if isinstance(dataset, Mapping) else {}
    parts = [
        f"{count(dataset[key])} {word}"
        for key, word in (("documents", "documents"), ("queries", "queries"), ("qrels", "judgements"))
        if finite(dataset.get(key)) is not None
    ]
    if result.get("similarity"):
        parts.append(f"compared by {result['similarity']}")
    return " · ".join(parts)
