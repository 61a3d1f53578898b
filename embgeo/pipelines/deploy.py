"""deploy: load the documents of a run into a store, read it back, measure it there, and write its kit."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from embgeo.errors import DeployError, EmbgeoError, InputError, MissingExtraError
from embgeo.files.addresses import redacted
from embgeo.files.atomic import storage_errors
from embgeo.pipelines.stores.asked import Asked
from embgeo.pipelines.stores.measured import Loaded, measure
from embgeo.pipelines.stores.prepared import Corpus, Ready, prepare
from embgeo.progress import Progress, silent
from embgeo.requests import DeployRequest
from embgeo.results.deployment import Deployment
from embgeo.targets import Engine, FileEngine
from embgeo.threads import limited_threads

BLOCK = 1000
HARDLY_ANY = 2**20  # bytes left on a disk that is as good as full


def deploy(request: DeployRequest, progress: Progress = silent) -> Deployment:
    """Load, read back, measure; see `embgeo.deploy`."""
    asked = Asked.of(request)
    with limited_threads(request.threads), _alone(asked):
        _probe(asked, progress)
        corpus = Corpus.load(asked, progress)
        ready = prepare(asked, corpus, progress)
        with _opened(asked, ready.config) as store:
            loaded = _load(asked, corpus, ready, store, progress)
            found = measure(asked, corpus, ready, store, loaded, progress)
    return found


@contextmanager
def _alone(asked: Asked) -> Iterator[None]:
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


def _probe(asked: Asked, progress: Progress) -> None:
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
def _opened(asked: Asked, config: Mapping[str, Any]) -> Iterator[Engine]:
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
        full = "the disk is full; " if _is_full(asked.place) else ""
        raise DeployError(
            f"{asked.target.name} at {asked.shown_place}: {full}{said[:300].rstrip('.')}{begun}"
        ) from error


def _is_full(place: str) -> bool:
    """Whether hardly any space is left where a store on disk lies."""
    if "://" in place:
        return False
    there = next(path for path in (Path(place), *Path(place).parents) if path.exists())
    return shutil.disk_usage(there).free < HARDLY_ANY


def _load(asked: Asked, corpus: Corpus, ready: Ready, store: Engine, progress: Progress) -> Loaded:
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
    return Loaded(loaded - started, time.perf_counter() - loaded, back, appended)


def _write_whole(asked: Asked, ready: Ready, store: Engine) -> None:
    """Give a store whose file the target writes the codes of all documents; others encode them themselves."""
    if ready.written is None or asked.target.write is None:
        return
    path = Path(f"{asked.place}.{os.getpid()}.new")
    try:
        asked.target.write(ready.written, path, int(asked.run.result["dataset"]["dimension"]))
        cast(FileEngine, store).adopt(str(path), list(ready.written.doc_ids))
    finally:
        path.unlink(missing_ok=True)


def _claim(asked: Asked, ready: Ready, store: Engine) -> bool:
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


def _refuse_others(asked: Asked, found: str) -> dict[str, Any]:
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


def _check_read_back(asked: Asked, ready: Ready, back: Mapping[str, Any], n: int, appended: bool) -> None:
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
