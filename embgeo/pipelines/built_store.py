"""The store that `compress` built: search it, or export it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import load_store
from embgeo.embeddings import check_embeddings, normalise
from embgeo.encoders.encoder import choose_device
from embgeo.encoders.resolve import resolve_encoder
from embgeo.errors import InputError, RunFormatError
from embgeo.requests import EncoderOptions, SearchRequest
from embgeo.results import CompressResult
from embgeo.run import Run, find_run
from embgeo.sources.vector_files import load_queries, one_row
from embgeo.sources.vector_stores import names_vectors
from embgeo.targets import Exported, find_target
from embgeo.threads import limited_threads

STORE_FILE = "store.safetensors"


@dataclass(frozen=True)
class Hit:
    """One found document; `text` is the beginning of its text if the run stored texts."""

    rank: int
    id: str
    score: float
    text: str | None


def search(request: SearchRequest) -> list[Hit]:
    """Search the store of a run with a text or a vector; see `embgeo.search`."""
    query, vector, k = request.query, request.vector, request.k
    if (query is None) == (vector is None):
        raise InputError("search needs either a query text or a vector file")
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    run = _run_with_store(request.run, request.out)
    with limited_threads(request.threads):
        store = load_store(run.folder / STORE_FILE)
        if vector is None:
            Q = _query_from_text(run, query or "", request.device)
        else:
            Q = (one_row(vector) if isinstance(vector, np.ndarray) else load_queries(vector))[:1]
        as_stored = np.ones((1, int(run.result["dataset"]["dimension"])), np.float32)
        check_embeddings(as_stored, Q, similarity=store.codec.similarity)
        searcher = build_searcher(store.codec, store.codes, choose_device(request.device), store.structure)
        asked = normalise(Q) if store.codec.similarity == "cosine" else np.asarray(Q, np.float32)
        scores, rows = searcher.search(asked, min(k, len(store)))
    texts = run.documents
    return [
        Hit(rank, store.doc_ids[row], float(value), texts.get(store.doc_ids[row]))
        for rank, (value, row) in enumerate(zip(scores[0], rows[0], strict=True), start=1)
        if row >= 0
    ]


def export(run: Path | Run, target: Path | None = None, *, to: str = "faiss", out: Path | None = None) -> Exported:
    """Write the store of a run (named as in `search`) to the file `target`, in the format of the target `to`.

    By default a FAISS file, `store.faiss` beside the store; `to="mteb"` writes what was measured instead of the store.
    Raises InputError for a codec or a result that `to` cannot hold.
    """
    goal = find_target(to)
    if goal.write is None and goal.write_result is None:
        raise InputError(f"no file is written for {to}; `embgeo targets {to} --spec SPEC` prints how it holds a spec")
    run = _run_with_store(run, out)
    path = Path(target or run.folder / goal.file)
    if goal.write_result is not None:
        return goal.write_result(CompressResult.from_json(run.result), path)
    assert goal.write is not None
    return goal.write(load_store(run.folder / STORE_FILE), path, int(run.result["dataset"]["dimension"]))


def _run_with_store(run: Path | Run, out: Path | None) -> Run:
    run = run if isinstance(run, Run) else find_run(run, out)
    if run.command != "compress" or not (run.folder / STORE_FILE).exists():
        raise RunFormatError(f"{run.folder} holds no store; name a run of `embgeo compress`")
    return run


def _query_from_text(run: Run, query: str, device: str) -> np.ndarray:
    asked = run.result["request"]
    name = str(asked["model"])
    if names_vectors(name):
        raise InputError(f"this store was built from {name}, which cannot encode a text; give --vector FILE")
    if not query.strip():
        raise InputError("a query must contain text; got an empty one")
    options = EncoderOptions(**{**asked["encoder"], "device": device})
    encoder = resolve_encoder(name, options)
    fingerprints = run.result["model"].get("weights"), encoder.identity.get("weights")
    if fingerprints[0] != fingerprints[1]:
        raise InputError(f"the store was built with other weights of {name} than those installed; run compress again")
    return encoder.encode_batch([query], "query")
