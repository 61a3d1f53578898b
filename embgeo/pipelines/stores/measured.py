"""What a filled store delivers, beside the prediction, and the kit that keeps it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from embgeo import __version__
from embgeo.compression.judging.task import JudgingTask
from embgeo.files.atomic import storage_errors, write_text
from embgeo.files.ids import as_ids
from embgeo.files.jsontext import to_json_text
from embgeo.pipelines.stores.asked import Asked
from embgeo.pipelines.stores.prepared import Corpus, Ready
from embgeo.progress import Progress
from embgeo.results import NDCG
from embgeo.results.deployment import DeployedMode, Deployment
from embgeo.retrieval.exact import own_rows
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.retrieval.top_k import TopK
from embgeo.run import DEPLOYMENT
from embgeo.targets import Engine
from embgeo.targets.kit import vectors, write_kit

RESULTS = 10
MODES = ("codes", "configured", "defaults")
STORED_QUERIES = 200  # of the kit's check
FEW_ROWS = 100  # of fewer, pages and headers hide what codes take
SURPRISE = 0.05  # of recall beyond the prediction, either way
PAGED_ROWS = 1000  # of fewer, what is taken in pages says little of a vector
MISCOUNTED = 0.2  # share beyond the account that is worth a word
SLACK = 0.02  # below the recall that was measured: what an index built again may lose


@dataclass(frozen=True)
class Loaded:
    load_seconds: float
    ready_seconds: float
    read_back: dict[str, Any]
    appended: bool


def measure(
    asked: Asked, corpus: Corpus, ready: Ready, store: Engine, loaded: Loaded, progress: Progress
) -> Deployment:
    """Search in every mode, write the kit and the record of the deployment."""
    task, judged = corpus.task, corpus.task.evaluator
    groups = judged.query_groups if judged else np.arange(len(corpus.embeddings.query_ids))
    bootstrap = QueryBootstrap.draw(len(groups), 0, groups=groups)
    Q = ready.projected(corpus.embeddings.query_matrix())
    modes, sizes, warnings = [], store.sizes(), list[str]()
    whole = int(loaded.read_back["rows"]) == len(corpus.embeddings)
    if not whole:
        warnings.append("the collection holds other documents too, so that its quality was not measured")
    for done, mode in enumerate(MODES if whole else ()):
        progress("measuring the store", done, len(MODES))
        modes.append(_searched(task, ready, store, Q, mode, bootstrap, corpus.embeddings.doc_ids))
        progress("measuring the store", done + 1, len(MODES))
    warnings += [*_doubts(asked, ready, modes, sizes, len(corpus.embeddings))]
    if loaded.read_back.get("index_used") is False:
        warnings.append("the store plans a scan of the table, not the index: at this size and effort a scan is cheaper")
    check, floor = _check(corpus, ready, store)
    found = Deployment(
        target=asked.target.name,
        place=asked.shown_place,
        name=asked.name,
        spec=str(asked.spec),
        predicted=asked.plan.predicted,
        fidelity=asked.plan.fidelity,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        native=asked.engine.native(ready.config, asked.name),
        config=ready.config,
        read_back=loaded.read_back,
        rows=int(loaded.read_back["rows"]),
        load_seconds=loaded.load_seconds,
        ready_seconds=loaded.ready_seconds,
        quality=NDCG if judged else "recall@10_exact",
        predicted_quality=float(ready.predicted.mean()),
        predicted_recall=float(ready.predicted_recall.mean()),
        modes=modes,
        queries=len(ready.predicted),
        bytes={name: float(size) for name, size in sizes.items()},
        code_bytes=asked.plan.code_bytes,
        original_bytes=asked.plan.original_bytes,
        floor=floor,
        notes=list(asked.plan.notes),
        warnings=warnings,
    )
    with storage_errors("the kit", asked.folder, "The collection is loaded; free some space and run it again"):
        asked.folder.mkdir(parents=True, exist_ok=True)
        _write_kit(asked, ready, check, found)
        write_text(asked.folder / DEPLOYMENT, to_json_text(found.to_json()) + "\n")
    return found


def _searched(
    task: JudgingTask, ready: Ready, store: Engine, Q: np.ndarray, mode: str, bootstrap: QueryBootstrap, doc_ids: Any
) -> DeployedMode:
    """Quality of one way to search, against the prediction."""
    ids = as_ids(doc_ids)
    k = min(RESULTS + (task.own is not None), len(ids))
    scores = np.full((len(Q), k), -np.inf, np.float32)
    rows = np.full((len(Q), k), -1, np.int64)
    seconds, incomplete, named = list[float](), 0, list[list[str]]()
    for number, query in enumerate(Q):
        started = time.perf_counter()
        found = store.search(query, k, mode)
        seconds.append(time.perf_counter() - started)
        incomplete += len({name for name, _ in found[:k]}) < k
        named.append([name for name, _ in found[:k]])
        scores[number, : len(found[:k])] = [score for _, score in found[:k]]
    flat = iter(ids.index_of(name for names in named for name in names).tolist())
    for number, names in enumerate(named):
        rows[number, : len(names)] = [next(flat) for _ in names]
    ranked = task.without_own(TopK(scores, rows))
    quality, recall = task.quality(*ranked), task.recall(ranked[1])
    return DeployedMode(
        mode=mode,
        ndcg=None if task.evaluator is None else float(quality.mean()),
        ndcg_ci=None if task.evaluator is None else bootstrap.mean_interval(quality),
        recall=float(recall.mean()),
        difference=float(quality.mean() - ready.predicted.mean()),
        difference_ci=bootstrap.difference(quality, ready.predicted),
        changed=int(np.count_nonzero(quality != ready.predicted)),
        incomplete=incomplete,
        single_query_ms=1000 * float(np.median(seconds)),
    )


def _doubts(asked: Asked, ready: Ready, modes: list[DeployedMode], sizes: Mapping[str, int], n: int) -> Iterator[str]:
    """What suggests that the store does not hold what it was asked for."""
    implied = asked.plan.code_bytes * n
    if n >= FEW_ROWS and "codes" in sizes and abs(sizes["codes"] - implied) > 0.05 * implied:
        yield (
            f"the store counts {sizes['codes'] / n:,.0f} bytes of codes per vector; the format implies "
            f"{asked.plan.code_bytes}"
        )
    taken = sum(size for part, size in sizes.items() if not part.startswith("fixed: ")) / n
    planned = asked.plan.footprint.disk_bytes
    if n >= PAGED_ROWS and taken > (1 + MISCOUNTED) * planned:
        yield f"it takes {taken:,.0f} bytes per vector in all; its account, for ids of 8 characters, says {planned:,}"
    # floats of 16 bits keep every neighbour of many corpora
    if asked.plan.code_bytes < 1.5 * ready.config["width"] and modes and modes[0].recall == 1.0:
        yield "searched by codes alone it ranks exactly like float32: it may have compressed nothing"
    for one in modes:
        if one.incomplete:
            yield f"{one.incomplete} of {len(ready.predicted)} queries got fewer than {RESULTS} documents ({one.mode})"
        if one.mode == "configured" and (one.recall or 0.0) > float(ready.predicted_recall.mean()) + SURPRISE:
            yield "it finds more of the exact neighbours than codes of this format can: it may hold something else"
        if one.mode == "configured" and one.difference_ci and not one.difference_ci[0] <= 0 <= one.difference_ci[1]:
            than = "better" if one.difference_ci[0] > 0 else "worse"
            than += f" than predicted by {asked.plan.predicted}"
            yield f"quality is {than}: the interval of the difference excludes 0"


def _check(corpus: Corpus, ready: Ready, store: Engine) -> tuple[dict[str, np.ndarray], float]:
    """What the kit's check compares with, and the recall@10 below which it fails."""
    embeddings, task = corpus.embeddings, corpus.task
    rows = np.arange(len(embeddings.query_ids)) if task.own is None else np.zeros(0, np.int64)
    chosen = rows[:: max(1, -(-len(rows) // STORED_QUERIES))]
    queries = embeddings.query_matrix()[chosen]
    nearest = task.exact_rows[chosen, :RESULTS]
    if not len(chosen):  # documents stand in for queries: their own document is their first neighbour
        chosen = np.arange(len(embeddings.query_ids))[:STORED_QUERIES]
        queries = embeddings.query_matrix()[chosen]
        nearest = np.column_stack([own_rows(embeddings)[chosen], task.exact_rows[chosen, : RESULTS - 1]])
    exact = np.array([[embeddings.doc_ids[row] for row in line if row >= 0] for line in nearest], np.str_)
    known = np.sort(vectors.fingerprints(embeddings.doc_ids))
    found = vectors.recall(store.search, ready.projected(queries), exact.tolist(), known)
    stored = {"queries": queries, "exact": exact, "known": known, **ready.before}
    # a store that fails today must not set the floor
    return stored, max(found, float(ready.predicted_recall.mean()) - SURPRISE) - SLACK


def _write_kit(asked: Asked, ready: Ready, check: Mapping[str, np.ndarray], found: Deployment) -> None:
    config = {
        "target": found.target,
        "place": found.place,
        "name": found.name,
        "spec": found.spec,
        "config": ready.config,
        "floor": found.floor,
        "marker": ready.marker,
    }
    said = {
        "name": found.name,
        "target": found.target,
        "version": __version__,
        "spec": found.spec,
        "rows": found.rows,
        "needs": asked.engine.NEEDS,
        "place": found.place,
        "floor": found.floor,
        "native": found.native,
    }
    write_kit(asked.folder, asked.engine, config, ready.client, check, said)
