"""A dataset as a retrieval task of mteb, the packaged model, and a model that knows its vectors: without a hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction
from sentence_transformers import SentenceTransformer

import datasets
from embgeo.datasets.dataset import Dataset
from embgeo.datasets.registry import resolve_dataset
from embgeo.encoders.resolve import packaged_minilm


class TinyTask(AbsTaskRetrieval):
    """The dataset `tiny`, or the `corpus_data` that it is given."""

    corpus_data: Dataset | None = None

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
        tiny = self.corpus_data or resolve_dataset("tiny")
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


class StoredVectors(AbsEncoder):
    """A model that returns the vectors it was given for texts, compared by cosine."""

    def __init__(self, vectors: Mapping[str, np.ndarray]) -> None:
        self.vectors = vectors
        self.mteb_model_meta = ModelMeta.create_empty({"name": "embgeo/stored", "revision": "1"}).model_copy(
            update={"similarity_fn_name": ScoringFunction.COSINE}
        )

    def encode(self, inputs: Any, **kwargs: Any) -> np.ndarray:
        return np.stack([self.vectors[text.strip()] for batch in inputs for text in batch["text"]])
