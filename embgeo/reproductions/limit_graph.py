"""How densely queries share documents in LIMIT and in SciFact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from embgeo.datasets.beir import load_beir
from embgeo.reproductions.registry import near, reproduction
from embgeo.results.reproduce import Compared


@reproduction(
    "limit-graph",
    title="Graph density and query strength of LIMIT-small and SciFact",
    source="Weller et al. 2025, On the Theoretical Limitations of Embedding-Based Retrieval, table of qrel densities",
    needs=(
        "limit-small/corpus.jsonl",
        "limit-small/queries.jsonl",
        "limit-small/qrels.jsonl",
        "scifact/corpus.jsonl",
        "scifact/queries.jsonl",
        "scifact/qrels/test.tsv",
    ),
    verdict="In the published numbers queries are the nodes, joined if they share a relevant document. With documents "
    "as nodes, joined by queries, LIMIT-small has density .966: name the graph when quoting one.",
)
def limit_graph(data: Path) -> Iterator[Compared]:
    """An edge joins two queries that share a relevant document and weighs the Jaccard index of their documents."""
    published = {"limit-small": (0.085481, 28.4653), "scifact": (0.001449, 0.4222)}
    for name, (density, strength) in published.items():
        relevant = _relevant(load_beir(data / name).judgements.qrels)
        weights = [len(a & b) / len(a | b) for a, b in combinations(relevant, 2) if a & b]
        pairs = len(relevant) * (len(relevant) - 1) / 2
        yield near(f"{name}: graph density", density, len(weights) / pairs, within=1e-6)
        yield near(f"{name}: mean query strength", strength, 2 * sum(weights) / len(relevant), within=1e-4)
    relevant = _relevant(load_beir(data / "limit-small").judgements.qrels)
    documents = set[str]().union(*relevant)
    joined = {pair for each in relevant for pair in combinations(sorted(each), 2)}
    size = len(documents)
    # 1,000 of the 1,035 pairs of 46 documents have a query
    yield near("limit-small: density among documents", 1000 / 1035, 2 * len(joined) / (size * (size - 1)), 1e-9)


def _relevant(qrels: Mapping[str, Mapping[str, int]]) -> list[set[str]]:
    return [{doc for doc, grade in judged.items() if grade > 0} for judged in qrels.values()]
