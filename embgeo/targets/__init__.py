"""Targets: each file here writes a store or what was measured for another tool, or plans how a store holds a spec."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from embgeo.compression.choosing.native import NativeStore, Plan, Refusal, plan_in
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.search.store import Store
from embgeo.errors import InputError
from embgeo.plugins import import_modules, load_plugins
from embgeo.results import CompressResult


@dataclass(frozen=True)
class Exported:
    """What a target wrote.

    Attributes
    ----------
    rows : documents, in the order of the store.
    predicted_bytes, written_bytes : the file's size, predicted before and measured after writing.
    notes : what a user of the file must know.
    """

    path: Path
    rows: int
    predicted_bytes: int
    written_bytes: int
    notes: tuple[str, ...]

    @property
    def format(self) -> str:
        """What was written, in the target's words."""
        raise NotImplementedError

    @property
    def content(self) -> str:
        """What the file holds, in a few words."""
        return f"{self.format}, {self.rows:,} rows in the order of the store"

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by what they hold."""
        return {}

    @property
    def caveats(self) -> tuple[str, ...]:
        """The notes that do not follow from `format` and `rows`."""
        return self.notes

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


class Engine(Protocol):
    """A collection in a store; `embgeo.targets.engines` says what its methods do."""

    def marker(self) -> str | None: ...

    def create(self, marker: str) -> None: ...

    def count(self) -> int: ...

    def load(self, ids: Sequence[str], X: np.ndarray) -> None: ...

    def finish(self, timeout: float = 3600) -> None: ...

    def read_back(self) -> dict[str, Any]: ...

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]: ...

    def sizes(self) -> dict[str, int]: ...

    def drop(self) -> None: ...


class FileEngine(Engine, Protocol):
    """The engine of a target that writes the file itself."""

    def adopt(self, path: str, ids: Sequence[str]) -> None: ...


Write = Callable[[Store, Path, int | None], Exported]
WriteResult = Callable[[CompressResult, Path], Exported]
PlanFor = Callable[[Spec, int, str], Plan | Refusal]


@dataclass(frozen=True)
class Target:
    """A registered target: what it writes, or how it would hold a spec.

    Attributes
    ----------
    file : what it writes beside a store by default; empty if it writes no file.
    write, write_result : write the store, or what was measured; at most one is not None.
    plan : (spec, dimension, similarity) → how it holds the spec, or why not; None for a target that holds no vectors.
    holds, install : what it holds in formats of its own, and the line that installs its client.
    engine : the module that loads and searches it (see `embgeo.targets.engines`); empty if nothing is loaded into it.
    place : the file or folder, in that of a deployment, of an embedded store; empty if it needs a server.
    offers : specs that it may hold, besides those that any sweep tries.
    account : what the bytes of its plans rest on.
    """

    name: str
    file: str
    summary: str
    write: Write | None = None
    write_result: WriteResult | None = None
    plan: PlanFor | None = None
    holds: str = ""
    install: str = ""
    engine: str = ""
    place: str = ""
    offers: tuple[str, ...] = ()
    account: str = ""


TARGETS: dict[str, Target] = {}


def target(
    name: str,
    *,
    file: str,
    summary: str,
    plan: PlanFor | None = None,
    holds: str = "",
    install: str = "",
    engine: str = "",
    place: str = "",
    account: str = "",
) -> Callable[[Write], Write]:
    """Register a function (store, path, dimension or None) → Exported that writes whole files or nothing.

    The rest as in `Target`, if it can say beforehand which specs it holds.
    """

    def add(write: Write) -> Write:
        more: dict[str, Any] = {"plan": plan, "holds": holds, "install": install, "engine": engine, "place": place}
        more["account"] = account
        _register(Target(name, file, summary, write=write, **more))
        return write

    return add


def store_target(
    name: str, store: NativeStore, *, summary: str, holds: str, install: str, engine: str = "", place: str = ""
) -> None:
    """Register a store that is described by its formats; no file is written for it."""
    more: dict[str, Any] = {"holds": holds, "install": install, "engine": engine, "place": place}
    more |= {"offers": store.held, "account": store.account.source}
    _register(Target(name, "", summary, plan=partial(plan_in, store), **more))


def result_target(name: str, *, file: str, summary: str) -> Callable[[WriteResult], WriteResult]:
    """Register a function (result of compress, path) → Exported that writes whole files or nothing."""

    def add(write: WriteResult) -> WriteResult:
        _register(Target(name, file, summary, write_result=write))
        return write

    return add


def _register(new: Target) -> None:
    if new.name in TARGETS:
        raise ValueError(f"target {new.name!r} is already registered")
    TARGETS[new.name] = new


def planning_targets() -> list[Target]:
    """The registered targets that hold vectors, by name."""
    load_targets()
    return [TARGETS[name] for name in sorted(TARGETS) if TARGETS[name].plan is not None]


@cache
def load_targets() -> None:
    """Import every target and plug-in, which registers them."""
    import_modules("embgeo.targets")
    load_plugins()


def find_target(name: str) -> Target:
    """The registered target of that name; raises InputError that suggests near ones."""
    load_targets()
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, 1, 0.7)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"unknown target {name!r}; the targets are {', '.join(sorted(TARGETS))}.{meant}")
    return TARGETS[name]
