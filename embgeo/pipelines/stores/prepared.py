"""What is deployed: the documents of the run, what the client does to them, and what the store is predicted to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import fit_sample
from embgeo.compression.judging.sweep import corpus_searcher
from embgeo.compression.judging.task import CONTENDERS, JudgingTask
from embgeo.compression.search.build import build_structure
from embgeo.compression.search.store import Store
from embgeo.embeddings import Embeddings
from embgeo.errors import InputError
from embgeo.files.digest import Digest
from embgeo.files.jsontext import canonical_json
from embgeo.pipelines.stores.asked import Asked
from embgeo.progress import Progress
from embgeo.requests import CompressRequest, EncoderOptions
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search, own_rows
from embgeo.retrieval.top_k import TopK
from embgeo.run import Run
from embgeo.sources.subject import IN_MEMORY, Source, load_subject, with_document_queries
from embgeo.targets.kit import vectors

SEED = 0xDE9107
SUMMARISED = 4000  # documents that later ones are compared with
PROBES = 100  # documents that show whether a projection is one matrix


@dataclass(frozen=True)
class Corpus:
    """The documents and queries of the run, and what rankings are evaluated against."""

    embeddings: Embeddings
    task: JudgingTask
    training: Training

    @classmethod
    def load(cls, asked: Asked, progress: Progress) -> Corpus:
        """Read or encode what the run was made of; refuses what has changed since."""
        stored = dict(asked.run.result["request"])
        if stored["model"] == IN_MEMORY:
            raise InputError(
                "the run was made of arrays in memory, which it does not store; run compress on vectors:FILE instead"
            )
        encoder = EncoderOptions(**{**stored.pop("encoder"), "device": asked.request.device})
        known = {one.name for one in fields(CompressRequest)}
        queries = stored.pop("queries_vectors", None)
        kept = {key: value for key, value in stored.items() if key in known}
        request = CompressRequest(**kept, queries_vectors=queries and Path(queries), encoder=encoder)
        subject = load_subject(Source.of(request), request, progress)
        _refuse_changed(asked.run, subject.model, subject.dataset)
        embeddings, judgements = subject.embeddings, subject.judgements
        drop_own = judgements is not None and judgements.drop_own_document
        if not len(embeddings.query_ids):
            embeddings, drop_own = with_document_queries(embeddings, request.seed), True
        evaluator = Evaluator(judgements, embeddings.doc_ids, embeddings.query_ids) if judgements else None
        exact = exact_search(embeddings, min(CONTENDERS, len(embeddings)), drop_own_document=drop_own)
        task = JudgingTask(embeddings, evaluator, *exact, own_rows(embeddings) if drop_own else None)
        sample = embeddings.rows(fit_sample(embeddings, request.seed))
        return cls(embeddings, task, Training(sample, embeddings.similarity, request.seed))


def _refuse_changed(run: Run, model: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    before = run.result["model"], run.result["dataset"]
    for now, then, keys in ((model, before[0], ("weights", "fingerprint")), (dataset, before[1], ("fingerprint",))):
        for key in keys:
            if now.get(key) != then.get(key):
                raise InputError(f"{then.get('name')} has changed since the run (its {key}); run compress again")


@dataclass(frozen=True)
class Ready:
    """What is loaded and how it is recognised.

    Attributes
    ----------
    client : see `kit.vectors.project`.
    config : of the engine, with what was measured of the documents.
    marker : left with the collection; `documents` and `layout` say what it holds and how.
    before : the summary of the documents that were projected.
    predicted, predicted_recall : (queries,) of the predicted spec, in sample.
    written : the codes of all documents, for a target that writes them; None for one that encodes vectors itself.
    """

    client: dict[str, np.ndarray]
    config: dict[str, Any]
    marker: dict[str, str]
    before: dict[str, np.ndarray]
    predicted: np.ndarray
    predicted_recall: np.ndarray
    written: Store | None

    @property
    def marked(self) -> str:
        return json.dumps(self.marker)

    def projected(self, X: np.ndarray) -> np.ndarray:
        return vectors.project(X, self.client)


def prepare(asked: Asked, corpus: Corpus, progress: Progress) -> Ready:
    """Fit what the client applies, and predict what the store will do."""
    embeddings = corpus.embeddings
    progress(f"predicting {asked.plan.predicted}", 0, 1)
    client = client_of(asked.plan.client, corpus.training)
    config = dict(asked.plan.config)
    if "scale" in config:
        largest = np.abs(vectors.project(corpus.training.X, client)).max(initial=0.0)
        config["scale"] = 127 / (float(largest) or 1.0)
    layout = {"target": asked.target.name, "config": config, "client": _digest(client)}
    marker = {
        "made_by": "embgeo",
        "documents": str(asked.run.result["identity"]),
        "layout": Digest(canonical_json(layout)).hex(),
    }
    spec = parse(asked.plan.predicted)
    codec = fit_codec(spec, corpus.training)
    structure, codes = None, np.zeros((0, codec.code_bytes), np.uint8)
    if spec.index is not None or asked.target.write is not None:
        codes = np.concatenate([codec.encode(block) for _, block in embeddings.blocks()])
    if spec.index is not None:
        structure = build_structure(spec.index, codec, codes, corpus.training)
    searcher = corpus_searcher(codec, embeddings, "cpu", structure)
    wanted = min(corpus.task.results(spec), len(embeddings))
    ranked = corpus.task.without_own(TopK(*searcher.search(embeddings.query_matrix(), wanted)))
    progress(f"predicting {asked.plan.predicted}", 1, 1)
    rows = np.random.default_rng(SEED).permutation(len(corpus.training.X))[:SUMMARISED]
    X = corpus.training.X[rows]
    summary = vectors.summary(vectors.project(X, client), X)
    written = None if asked.target.write is None else Store(codec, codes, embeddings.doc_ids, structure)
    quality, recall = corpus.task.quality(*ranked), corpus.task.recall(ranked[1])
    return Ready(client, config, marker, summary, quality, recall, written)


def client_of(reducers: Sequence[str], training: Training) -> dict[str, np.ndarray]:
    """What `kit.vectors.project` applies to documents and queries: the reducers of that spelling, in order.

    Raises InputError if the reducers are not one matrix for both.
    """
    d = training.X.shape[1]
    client = {
        "dimension": np.array(d),
        "unit": np.array(training.similarity == "cosine"),
        "matrix": np.zeros((0, 0), np.float32),
        "offset": np.zeros(0, np.float32),
        "unit_after": np.array(False),
    }
    if not reducers:
        return client
    [tier] = fit_codec(parse(",".join([*reducers, "f32"])), training).tiers
    if len(tier.reducers) == 1 and (divided := tier.reducers[0].unit_matrix) is not None:
        return client | {
            "matrix": divided,
            "offset": np.zeros(divided.shape[1], np.float32),
            "unit_after": np.array(True),
        }
    offset = tier.reduce(np.zeros((1, d), np.float32))[0]
    matrix = tier.reduce(np.eye(d, dtype=np.float32)) - offset
    client |= {"matrix": np.ascontiguousarray(matrix, np.float32), "offset": offset.astype(np.float32)}
    X = training.X[:PROBES]
    Z = tier.reduce(X)
    for after in (False, True):  # documents that were truncated are brought to unit length again
        client["unit_after"] = np.array(after)
        if np.allclose(vectors.project(X, client), Z, atol=1e-5 * float(np.abs(Z).max(initial=0.0))):
            return client
    raise InputError(f"{','.join(reducers)} is more than one matrix, which is what a client applies")


def _digest(client: Mapping[str, np.ndarray]) -> str:
    return Digest(*(array.tobytes() for array in client.values())).hex()
