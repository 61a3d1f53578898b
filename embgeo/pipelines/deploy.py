"""deploy: load the documents of a run into a store, read it back, measure it there, and write its kit."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from embgeo import __version__
from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import fit_sample
from embgeo.compression.judging.sweep import corpus_searcher
from embgeo.compression.judging.task import CONTENDERS, JudgingTask
from embgeo.compression.search.build import build_structure
from embgeo.compression.search.store import Store
from embgeo.embeddings import Embeddings
from embgeo.errors import DeployError, EmbgeoError, InputError, MissingExtraError
from embgeo.files.addresses import redacted, without_key
from embgeo.files.atomic import storage_errors, write_text
from embgeo.files.digest import Digest
from embgeo.files.ids import as_ids
from embgeo.files.jsontext import canonical_json, to_json_text
from embgeo.progress import Progress, silent
from embgeo.requests import CompressRequest, DeployRequest, EncoderOptions
from embgeo.results import NDCG, CompressResult
from embgeo.results.deployment import DeployedMode, Deployment
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search, own_rows
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.retrieval.top_k import TopK
from embgeo.run import DEPLOYMENT, DEPLOYMENTS, Run, find_run
from embgeo.sources.subject import IN_MEMORY, Source, load_subject, with_document_queries
from embgeo.targets import Engine, FileEngine, Target, find_target
from embgeo.targets.kit import vectors, write_kit
from embgeo.threads import limited_threads

BLOCK = 1000
RESULTS = 10
MODES = ("codes", "configured", "defaults")
STORED_QUERIES = 200  # of the kit's check
SEED = 0xDE9107
SUMMARISED = 4000  # documents that later ones are compared with
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
PROBES = 100  # documents that show whether a projection is one matrix
FEW_ROWS = 100  # of fewer, pages and headers hide what codes take
SURPRISE = 0.05  # of recall beyond the prediction, either way
PAGED_ROWS = 1000  # of fewer, what is taken in pages says little of a vector
MISCOUNTED = 0.2  # share beyond the account that is worth a word
SLACK = 0.02  # below the recall that was measured: what an index built again may lose
SLUG = 30  # characters of the dataset's name in that of a collection; PostgreSQL takes 63 in all


def deploy(request: DeployRequest, progress: Progress = silent) -> Deployment:
    """Load, read back, measure; see `embgeo.deploy`."""
    asked = _Asked.of(request)
    with limited_threads(request.threads), _alone(asked):
        _probe(asked, progress)
        corpus = _Corpus.load(asked, progress)
        ready = _prepare(asked, corpus, progress)
        with _opened(asked, ready.config) as store:
            loaded = _load(asked, corpus, ready, store, progress)
            found = _measure(asked, corpus, ready, store, loaded, progress)
    return found


@dataclass(frozen=True)
class _Asked:
    """A parsed request.

    Attributes
    ----------
    place : where the store is, with its password; a path is absolute.
    plan : how the target holds `spec`.
    """

    request: DeployRequest
    run: Run
    target: Target
    spec: Spec
    plan: Plan
    name: str
    place: str

    @classmethod
    def of(cls, request: DeployRequest) -> _Asked:
        """Parse the request; whatever can be refused before anything is read or contacted is refused here."""
        named, _, place = request.target.partition("=")
        target = find_target(named)
        if not target.engine or target.plan is None:
            raise InputError(f"nothing can be loaded into {named}; `embgeo targets` lists the stores")
        if request.append and request.replace:
            raise InputError("--append and --replace exclude each other; give one of them")
        run = request.run if isinstance(request.run, Run) else find_run(request.run, request.out)
        if run.command != "compress":
            raise InputError(f"{run.folder} must be a run of `embgeo compress`; it is one of {run.command}")
        found = CompressResult.from_json(run.result)
        text = request.spec or _picked(found, named)
        spec = parse(text)
        plan = target.plan(spec, int(run.result["dataset"]["dimension"]), str(run.result["similarity"]))
        if not isinstance(plan, Plan):
            near = f" The nearest that it holds: --spec {plan.nearest}" if plan.nearest else ""
            raise InputError(f"{named} cannot hold {text}: {plan.reason}.{near}")
        name = request.name or _collection(found, text)
        if not NAME.fullmatch(name):
            raise InputError(f"--name must be up to 63 letters, digits, _ - and ., the first no . or -; got {name!r}")
        folder = run.folder / DEPLOYMENTS / f"{named}-{name}"
        if place and "://" not in place:
            if "@" in place or "password=" in place:
                raise InputError(f"{named}= takes a URL (scheme://…) or a path; what was given is neither")
            place = str(Path(place).expanduser().absolute())
        if not place and not target.place:
            raise InputError(f"{named} needs a server; name it as {named}=URL")
        return cls(request, run, target, spec, plan, name, place or str((folder / target.place).absolute()))

    @property
    def folder(self) -> Path:
        return self.run.folder / DEPLOYMENTS / f"{self.target.name}-{self.name}"

    @property
    def shown_place(self) -> str:
        """Where the store is, without its password; within the kit, from the kit's folder."""
        if "://" in self.place:
            return without_key(self.place)
        path = Path(self.place)
        home = self.folder.absolute()
        return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)

    @cached_property
    def engine(self) -> ModuleType:
        return import_module(self.target.engine)


def _picked(found: CompressResult, target: str) -> str:
    """The spec that --target picked for that store, otherwise the recommended one."""
    picks = [] if found.deploy is None else found.deploy.picks or []
    mine = [pick.spec for pick in picks if pick.spec and any(one.target == target for one in pick.targets)]
    return mine[0] if mine else found.recommendation.spec


def _collection(found: CompressResult, text: str) -> str:
    """A name that is legal in every store, and another for another run or spec."""
    dataset = found.dataset.name or found.model.name or "documents"
    slug = "".join(c if c.isascii() and c.isalnum() else "_" for c in dataset.lower()).strip("_")[-SLUG:]
    return f"{slug or 'documents'}_{Digest(str(found.identity), text).hex()[:8]}".lstrip("0123456789_")


@dataclass(frozen=True)
class _Corpus:
    """The documents and queries of the run, and what rankings are evaluated against."""

    embeddings: Embeddings
    task: JudgingTask
    training: Training

    @classmethod
    def load(cls, asked: _Asked, progress: Progress) -> _Corpus:
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
class _Ready:
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


def _prepare(asked: _Asked, corpus: _Corpus, progress: Progress) -> _Ready:
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
    return _Ready(client, config, marker, summary, quality, recall, written)


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


@contextmanager
def _alone(asked: _Asked) -> Iterator[None]:
    """Refuse a second deploy into the same collection of the run; an empty folder is not left behind."""
    lock = asked.folder / ".lock"
    with storage_errors("the kit", asked.folder, "Nothing was loaded: free some space, or name another --name"):
        asked.folder.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    try:
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeployError(
                    f"another deploy into {asked.name} is running; wait for it, or name another"
                ) from None
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    finally:
        with suppress(OSError):
            asked.folder.rmdir()


def _probe(asked: _Asked, progress: Progress) -> None:
    """Ask a store that is there already whether it answers and the name is free, before documents are read."""
    if "://" not in asked.place and not Path(asked.place).exists():
        return
    progress(f"asking {asked.target.name}", 0, 1)
    with _opened(asked, asked.plan.config) as store:
        found = store.marker()
        if found is not None:
            _refuse_others(asked, found)
    progress(f"asking {asked.target.name}", 1, 1)


@contextmanager
def _opened(asked: _Asked, config: Mapping[str, Any]) -> Iterator[Engine]:
    """The collection's engine; whatever a client raises becomes one line without secrets."""
    begun = ""
    try:
        if "://" not in asked.place:
            with storage_errors("the store", Path(asked.place), "Nothing was loaded: name a writable folder"):
                Path(asked.place).parent.mkdir(parents=True, exist_ok=True)
        with asked.engine.Store(asked.place, asked.name, dict(config)) as store:
            begun = f". If the collection {asked.name} was begun, the same command goes on with it"
            yield store
    except EmbgeoError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"{asked.target.name} needs its client ({error}): {asked.target.install}") from None
    except Exception as error:  # broad on purpose: every client has its own errors
        said = " ".join(redacted(str(error), asked.place).split()) or type(error).__name__
        raise DeployError(f"{asked.target.name} at {asked.shown_place}: {said[:300].rstrip('.')}{begun}") from error


@dataclass(frozen=True)
class _Loaded:
    load_seconds: float
    ready_seconds: float
    read_back: dict[str, Any]
    appended: bool


def _load(asked: _Asked, corpus: _Corpus, ready: _Ready, store: Engine, progress: Progress) -> _Loaded:
    """Load what is not there yet, by blocks, and wait until the store is ready."""
    appended = _claim(asked, ready, store)
    embeddings, started = corpus.embeddings, time.perf_counter()
    n = len(embeddings)
    stage = f"loading {asked.name} into {asked.target.name}"
    if not appended and store.count() < n:
        _write_whole(asked, ready, store)
    # rows are loaded in their order, so that what an interrupted command loaded is known by their number
    start = 0 if appended else min(store.count(), n) // BLOCK * BLOCK
    if not appended and store.count() >= n:
        start = n
    progress(stage, start, n)
    for first in range(start, n, BLOCK):
        rows = slice(first, min(first + BLOCK, n))
        store.load(list(embeddings.doc_ids[rows]), ready.projected(embeddings.rows(rows)))
        progress(stage, min(first + BLOCK, n), n)
    loaded = time.perf_counter()
    progress("waiting until the store is ready", 0, 1)
    store.finish()
    progress("waiting until the store is ready", 1, 1)
    back = store.read_back()
    _check_read_back(asked, ready, back, n, appended)
    return _Loaded(loaded - started, time.perf_counter() - loaded, back, appended)


def _write_whole(asked: _Asked, ready: _Ready, store: Engine) -> None:
    """Give a store whose file the target writes the codes of all documents; others encode them themselves."""
    if ready.written is None or asked.target.write is None:
        return
    path = Path(f"{asked.place}.{os.getpid()}.new")
    try:
        asked.target.write(ready.written, path, int(asked.run.result["dataset"]["dimension"]))
        cast(FileEngine, store).adopt(str(path), list(ready.written.doc_ids))
    finally:
        path.unlink(missing_ok=True)


def _claim(asked: _Asked, ready: _Ready, store: Engine) -> bool:
    """Make the collection, or go on with one that embgeo made; whether documents are added to others."""
    found, request = store.marker(), asked.request
    if found is None:
        store.create(ready.marked)
        return False
    there, named = _refuse_others(asked, found), f"{asked.name} is in {asked.target.name} already"
    if request.replace:
        store.drop()
        store.create(ready.marked)
        return False
    if there.get("layout") != ready.marker["layout"]:
        how = "--append needs the same spec and projection; choose another --name" if request.append else _CHOICE
        raise InputError(f"{named} with another configuration. {how}")
    if there.get("documents") != ready.marker["documents"]:
        if not request.append:
            raise InputError(f"{named} with documents of another run. {_CHOICE}")
        return True
    return request.append


_CHOICE = "Choose another --name, or --replace to drop that collection, which embgeo made"


def _refuse_others(asked: _Asked, found: str) -> dict[str, Any]:
    """What the marker of a collection says; raises InputError if embgeo did not make it."""
    there = _marked(found)
    if there is None:
        raise InputError(
            f"{asked.name} is in {asked.target.name} already, and embgeo did not make it: it is left as it is. Choose "
            "another --name"
        )
    return there


def _marked(text: str) -> dict[str, Any] | None:
    """What the marker of a collection says; None if embgeo did not write it."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("made_by") == "embgeo" else None


def _check_read_back(asked: _Asked, ready: _Ready, back: Mapping[str, Any], n: int, appended: bool) -> None:
    """What the store says it holds must be what was planned."""
    for key, value in ready.config.items():
        if key in back and back[key] != value:
            raise DeployError(
                f"{asked.target.name} was asked for {key}={value} and says {back[key]}; {asked.name} is loaded but not "
                "as planned, and nothing was measured"
            )
    rows = int(back["rows"])
    if rows < n or (rows > n and not appended):
        raise DeployError(
            f"{asked.target.name} says that {asked.name} has {rows:,} rows; {n:,} were loaded. --replace drops it and "
            "loads it again"
        )


def _measure(
    asked: _Asked, corpus: _Corpus, ready: _Ready, store: Engine, loaded: _Loaded, progress: Progress
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
    task: JudgingTask,
    ready: _Ready,
    store: Engine,
    Q: np.ndarray,
    mode: str,
    bootstrap: QueryBootstrap,
    doc_ids: Any,
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


def _doubts(asked: _Asked, ready: _Ready, modes: list[DeployedMode], sizes: Mapping[str, int], n: int) -> Iterator[str]:
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


def _check(corpus: _Corpus, ready: _Ready, store: Engine) -> tuple[dict[str, np.ndarray], float]:
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


def _write_kit(asked: _Asked, ready: _Ready, check: Mapping[str, np.ndarray], found: Deployment) -> None:
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
