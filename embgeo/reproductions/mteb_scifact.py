"""The numbers that MTEB publishes for all-MiniLM-L6-v2 on SciFact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.embeddings import check_embeddings
from embgeo.reproductions.registry import near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search

TEXTS = ("scifact/corpus.jsonl", "scifact/queries.jsonl", "scifact/qrels/test.tsv")
VECTORS = ("scifact/minilm-docs.npy", "scifact/minilm-queries.npy")
PUBLISHED = {"ndcg@10": 0.64508, "recall@100": 0.925, "map@100": 0.60307}


@reproduction(
    "mteb-scifact",
    title="Exact search of SciFact with vectors of all-MiniLM-L6-v2",
    source="MTEB, results of sentence-transformers/all-MiniLM-L6-v2 on SciFact",
    needs=(*TEXTS, *VECTORS),
)
def mteb_scifact(data: Path) -> Iterator[Compared]:
    docs, queries = (np.load(data / file) for file in VECTORS)
    yield from scores(data, docs, queries)


def scores(data: Path, docs: np.ndarray, queries: np.ndarray) -> Iterator[Compared]:
    """The published scores beside those of these vectors, rows in the order of the files."""
    dataset = load_beir(data / "scifact")
    held = check_embeddings(docs, queries, dataset.doc_ids, dataset.query_ids, similarity="cosine")
    evaluator = Evaluator(dataset.judgements, held.doc_ids, held.query_ids)
    found = evaluator(*exact_search(held, 100), tuple(PUBLISHED))
    for name, published in PUBLISHED.items():
        # five printed digits; another order of summation may change the last one
        yield near(name, published, float(found[name].mean()), within=1.5e-5)
