"""The command lines that repeat a run, rebuilt from its stored request."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.runs import Run

# where results go is not part of what was asked, and a path would tell about someone's machine
_LEFT_OUT = frozenset(
    (
        "command",
        "model",
        "dataset",
        "out",
        "json",
        "html",
        "quiet",
        "verbose",
        "debug",
        "config",
        "spec",
        "specs",
        "encoder",
    )
)
RUNS = "embgeo-runs"
_DEFAULTS = {"similarity": "auto", "device": "auto", "split": "test", "batch_size": 32, "seed": 0}


def name_of(entry: Any) -> str:
    """The name in a stored `model` or `dataset` entry, which is a text or an object with a name; "" without one."""
    if isinstance(entry, Mapping):
        entry = entry.get("name")
    return "" if entry is None else str(entry)


def title_of(entry: Any) -> str:
    """The name for a heading: of a path, its last part alone."""
    scheme, colon, path = name_of(entry).rpartition("vectors:")
    tail = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    return f"{scheme}{colon}{tail}" if colon or path.startswith(("/", ".", "~")) else path


def repeat_command(run: Run, specs: list[str] | None = None) -> str:
    """`embgeo compress MODEL DATASET --option …`; `specs` replaces the specs that were asked for."""
    request = run.result.get("request")
    request = request if isinstance(request, Mapping) else {}
    model = _model(run)
    dataset = name_of(request.get("dataset")) if "dataset" in request else name_of(run.result.get("dataset"))
    words = ["embgeo", run.command, model, *([dataset] if dataset else [])]
    encoder = request.get("encoder")
    options = {**(encoder if isinstance(encoder, Mapping) else {}), **request}
    for name, value in options.items():
        if name not in _LEFT_OUT and not (name in _DEFAULTS and value == _DEFAULTS[name]):
            words += _option(name, value)
    asked = request.get("specs", request.get("spec"))
    if specs is None:
        specs = [str(spec) for spec in asked] if isinstance(asked, list) else []
    for spec in specs:
        words += ["--spec", spec]
    return shlex.join(words)


def _model(run: Run) -> str:
    request = run.result.get("request")
    asked = name_of(request.get("model")) if isinstance(request, Mapping) else ""
    return asked or name_of(run.result.get("model"))


def commands(run: Run) -> list[tuple[str, str]]:
    """(what it does, command line) of everything a reader may want to repeat."""
    listed = [("Repeat this run", repeat_command(run))]
    folder = run_path(run)
    if run.command == "compress":
        asked = ["--vector", "query.npy"] if _model(run).startswith("vectors:") else ["your query"]
        listed.append(("Search the store it built", shlex.join(["embgeo", "search", folder, *asked])))
    listed.append(("Draw this report again", shlex.join(["embgeo", "report", folder])))
    return listed


def compare_command(runs: Sequence[Run]) -> str:
    """`embgeo compare RUN RUN`, which pairs what a report of several runs only stacks; "" for fewer than two runs."""
    return shlex.join(["embgeo", "compare", *(run_path(run) for run in runs)]) if len(runs) > 1 else ""


def run_path(run: Run) -> str:
    """The run's folder as seen from where `embgeo` ran by default; any other place would tell about a machine."""
    return f"{RUNS}/{run.name}" if run.folder.parent.name == RUNS else run.name


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + str(name).replace("_", "-")
    if value is None or value is False or isinstance(value, Mapping):
        return []
    if value is True:
        return [flag]
    if isinstance(value, list | tuple):
        return [flag, ",".join(str(item) for item in value)]
    return [flag, str(value)]
