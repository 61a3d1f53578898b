"""The store that `compress` built: search it, or export it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.searcher import Searcher
from embgeo.compression.search.store import Store, load_store
from embgeo.embeddings import check_embeddings, normalise
from embgeo.encoders.encoder import choose_device
from embgeo.encoders.resolve import resolve_encoder
from embgeo.errors import InputError, RunFormatError
from embgeo.limits.query_performance import DEPTH, comparable, top_spread
from embgeo.requests import EncoderOptions, SearchRequest
from embgeo.results import CompressResult
from embgeo.run import Run, find_run
from embgeo.scale.engine import Local
from embgeo.scale.store import ShardedSearcher, ShardedStore, load_sharded
from embgeo.sources.vector_files import load_queries, one_row
from embgeo.sources.vector_stores import names_vectors
from embgeo.targets import Exported, find_target
from embgeo.threads import limited_threads

STORE_FILE = "store.safetensors"
STORE_FOLDER = "store"  # instead of it, if the corpus lies in shards


@dataclass(frozen=True)
class Hit:
    """One found document; `text` is the beginning of its text if the run stored texts."""

    rank: int
    id: str
    score: float
    text: str | None


class Hits(list[Hit]):
    """The hits of a query, best first.

    Attributes
    ----------
    doubt : why the scores make the query uncertain, in a sentence; "" if they do not, or if the run does not tell.
    """

    doubt: str = ""


def search(request: SearchRequest) -> Hits:
    """Search the store of a run with a text or a vector; see `embgeo.search`."""
    query, vector, k = request.query, request.vector, request.k
    if (query is None) == (vector is None):
        raise InputError("search needs either a query text or a vector file")
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    run = _run_with_store(request.run, request.out)
    with limited_threads(request.threads):
        store = _opened(run)
        codec = store.codec
        if vector is None:
            Q = _query_from_text(run, query or "", request.device)
        else:
            Q = (one_row(vector) if isinstance(vector, np.ndarray) else load_queries(vector))[:1]
        as_stored = np.ones((1, int(run.result["dataset"]["dimension"])), np.float32)
        check_embeddings(as_stored, Q, similarity=codec.similarity)
        asked = normalise(Q) if codec.similarity == "cosine" else np.asarray(Q, np.float32)
        searcher = _searcher(store, choose_device(request.device))
        scores, rows = searcher.search(asked, min(k, len(store)))
        found = rows[0][rows[0] >= 0]
        ids = store.ids(found)
        doubt = _doubt(run, searcher, asked, codec.similarity, len(store))
    texts = run.documents
    hits = Hits(
        Hit(rank, name, float(value), texts.get(name))
        for rank, (value, name) in enumerate(zip(scores[0], ids, strict=False), start=1)
    )
    hits.doubt = doubt
    return hits


def _doubt(run: Run, searcher: Searcher, Q: np.ndarray, similarity: str, documents: int) -> str:
    """Why the scores of the query Q (1, d) make it uncertain, by what compress measured on judged queries."""
    found = run.findings
    told = found.confidence if isinstance(found, CompressResult) else None
    if told is None or told.threshold is None or not told.telling or documents < DEPTH:
        return ""
    # at the depth of the threshold: deeper searches of an index or of two tiers find other documents
    scores = comparable(searcher.search(Q, DEPTH)[0], Q, similarity)
    if top_spread(scores)[0] >= told.threshold:
        return ""
    rest = 1 - (told.flagged or 0)
    return (
        f"low confidence: the five best scores lie closer together than for {rest:.0%} of the judged queries; of the "
        f"others {told.precision:.0%} found nothing relevant in the top 10, of all {told.failing:.0%}"
    )


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
    store = _opened(run)
    whole = store.whole() if isinstance(store, ShardedStore) else store
    return goal.write(whole, path, int(run.result["dataset"]["dimension"]))


def _run_with_store(run: Path | Run, out: Path | None) -> Run:
    run = run if isinstance(run, Run) else find_run(run, out)
    held = [(run.folder / name).exists() for name in (STORE_FILE, STORE_FOLDER)]
    if run.command != "compress" or not any(held):
        raise RunFormatError(f"{run.folder} holds no store; name a run of `embgeo compress`")
    return run


def _opened(run: Run) -> Store | ShardedStore:
    """The store of a run, in one file or in shards."""
    file = run.folder / STORE_FILE
    return load_store(file) if file.exists() else load_sharded(run.folder / STORE_FOLDER)


def _searcher(store: Store | ShardedStore, device: str) -> Searcher:
    if isinstance(store, ShardedStore):
        return ShardedSearcher(store, Local(), device)
    return build_searcher(store.codec, store.codes, device, store.structure)


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
