"""The numbers that MTEB publishes for all-MiniLM-L6-v2 on SciFact, and SciFact for the other entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.encoders.cache import encode_texts
from embgeo.encoders.resolve import resolve_encoder
from embgeo.files.cache_folder import cache_directory
from embgeo.reproductions.registry import near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.significance import QueryBootstrap

TEXTS = ("scifact/corpus.jsonl", "scifact/queries.jsonl", "scifact/qrels/test.tsv")
VECTORS = ("scifact/minilm-docs.npy", "scifact/minilm-queries.npy")
SCIFACT = (*TEXTS, *VECTORS)
PUBLISHED = {"ndcg@10": 0.64508, "recall@100": 0.925, "map@100": 0.60307}


@dataclass(frozen=True)
class SciFact:
    """SciFact as vectors under cosine, and its judgements."""

    embeddings: Embeddings
    evaluator: Evaluator

    @classmethod
    def of(cls, data: Path, docs: np.ndarray, queries: np.ndarray) -> SciFact:
        """`docs` (5183, d) and `queries` (300, d) in the order of the files."""
        dataset = load_beir(data / "scifact")
        held = check_embeddings(docs, queries, dataset.doc_ids, dataset.query_ids, similarity="cosine")
        return cls(held, Evaluator(dataset.judgements, held.doc_ids, held.query_ids))

    @classmethod
    def stored(cls, data: Path) -> SciFact:
        """With the vectors of the data folder."""
        return cls.of(data, *(np.load(data / file) for file in VECTORS))

    @cached_property
    def bootstrap(self) -> QueryBootstrap:
        """Of queries that share no relevant document."""
        return QueryBootstrap.draw(len(self.evaluator.query_ids), groups=self.evaluator.query_groups)

    def quality(self, queries: np.ndarray | None = None) -> np.ndarray:
        """(300,) nDCG@10 of exact search, with other vectors of the queries (300, d) if given."""
        held = self.embeddings
        if queries is not None:
            held = check_embeddings(held.docs, queries, held.doc_ids, held.query_ids, similarity="cosine")
        return self.evaluator(*exact_search(held, 32))["ndcg@10"]


@reproduction(
    "mteb-scifact",
    title="Exact search of SciFact with vectors of all-MiniLM-L6-v2",
    source="MTEB, results of sentence-transformers/all-MiniLM-L6-v2 on SciFact",
    needs=SCIFACT,
)
def mteb_scifact(data: Path) -> Iterator[Compared]:
    yield from scores(SciFact.stored(data))


def scores(scifact: SciFact) -> Iterator[Compared]:
    """The published scores beside those of these vectors."""
    found = scifact.evaluator(*exact_search(scifact.embeddings, 100), tuple(PUBLISHED))
    for name, published in PUBLISHED.items():
        # five printed digits; another order of summation may change the last one
        yield near(name, published, float(found[name].mean()), within=1.5e-5)


@reproduction(
    "mteb-scifact-texts",
    title="SciFact encoded here by the packaged all-MiniLM-L6-v2, and exact search",
    source="MTEB, results of sentence-transformers/all-MiniLM-L6-v2 on SciFact",
    needs=TEXTS,
    slow=True,
)
def mteb_scifact_texts(data: Path) -> Iterator[Compared]:
    dataset, encoder = load_beir(data / "scifact"), resolve_encoder("minilm")
    docs = encode_texts(encoder, dataset.doc_texts or (), "document", cache_directory())
    queries = encode_texts(encoder, dataset.query_texts or (), "query", cache_directory())
    yield from scores(SciFact.of(data, np.asarray(docs), np.asarray(queries)))
