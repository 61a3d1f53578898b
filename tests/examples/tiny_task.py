"""The bundled corpus as a retrieval task of mteb, and the packaged model, both without a hub."""

from __future__ import annotations

from typing import Any

import pytest
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from sentence_transformers import SentenceTransformer

import datasets
from embgeo.datasets.registry import resolve_dataset
from embgeo.encoders.resolve import packaged_minilm


class TinyTask(AbsTaskRetrieval):
    """The dataset `tiny`."""

    metadata = TaskMetadata(
        name="EmbgeoTiny",
        description="Short everyday texts and graded questions.",
        dataset={"path": "embgeo/tiny", "revision": "1"},
        type="Retrieval",
        eval_langs=["eng-Latn"],
        eval_splits=["test"],
        main_score="ndcg_at_10",
    )

    def split(self) -> dict[str, Any]:
        tiny = resolve_dataset("tiny")
        assert tiny.doc_texts is not None
        assert tiny.query_texts is not None
        documents = zip(tiny.doc_ids, tiny.doc_texts, strict=True)
        queries = zip(tiny.query_ids, tiny.query_texts, strict=True)
        return {
            "corpus": datasets.Dataset.from_list([{"id": name, "title": "", "text": text} for name, text in documents]),
            "queries": datasets.Dataset.from_list([{"id": name, "text": text} for name, text in queries]),
            "relevant_docs": {query: dict(judged) for query, judged in tiny.judgements.qrels.items()},
            "top_ranked": None,
        }

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        self.dataset = {"default": {"test": self.split()}}
        self.data_loaded = True


def minilm() -> SentenceTransformer:
    """The packaged MiniLM, or a skip."""
    found = packaged_minilm()
    if found is None:
        pytest.skip("needs the packaged MiniLM")
    return SentenceTransformer(str(found[0].parent), device="cpu")
