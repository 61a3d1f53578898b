"""The command lines that repeat a run, rebuilt from its stored request."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.runs import Run, path_text
from embgeo.sources.subject import IN_MEMORY

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
# what chooses among several specs, and refuses a single one that it would not have chosen
_CHOOSING = ("budget", "keep", "exhaustive", "grid")
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
    """`embgeo compress MODEL DATASET --option …`; `specs` replaces those that were asked for and their limits.

    "" for a run on arrays, which no file holds.
    """
    request = run.result.get("request")
    request = request if isinstance(request, Mapping) else {}
    model = _model(run)
    if model == IN_MEMORY:
        return ""
    dataset = name_of(request.get("dataset")) if "dataset" in request else name_of(run.result.get("dataset"))
    words = ["embgeo", run.command, model, *([dataset] if dataset else [])]
    encoder = request.get("encoder")
    options = {**(encoder if isinstance(encoder, Mapping) else {}), **request}
    left_out = _LEFT_OUT if specs is None else _LEFT_OUT.union(_CHOOSING)
    for name, value in options.items():
        if name not in left_out and not (name in _DEFAULTS and value == _DEFAULTS[name]):
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
    again = repeat_command(run)
    listed = [("Repeat this run", again)] if again else []
    if run.command == "compress":
        listed.append(("Search the store it built", search_command(run)))
    listed.append(("Regenerate this report", shlex.join(["embgeo", "report", run_path(run)])))
    return listed


def search_command(run: Run) -> str:
    """`embgeo search RUN …` with a text where the run's model encodes texts, with a vector file where it cannot."""
    asked = ["--vector", "query.npy"] if _model(run).startswith("vectors:") else ["your query"]
    return shlex.join(["embgeo", "search", run_path(run), *asked])


def compare_command(runs: Sequence[Run]) -> str:
    """`embgeo compare RUN RUN`, which pairs what a report of several runs only stacks.

    "" where no two are of one command and judged by one measure, so that there may be nothing to pair.
    """
    different = list({str(run.result.get("identity") or run.folder): run for run in runs}.values())
    kinds = Counter((run.command, run.result.get("quality")) for run in different)
    if max(kinds.values(), default=0) < 2:
        return ""
    return shlex.join(["embgeo", "compare", *(run_path(run) for run in different)])


def run_path(run: Run) -> str:
    """The run's folder as a command finds it: relative to the working directory, absolute where it lies elsewhere."""
    return path_text(run.folder)


def _option(name: str, value: Any) -> list[str]:
    flag = "--" + str(name).replace("_", "-")
    if value is None or value is False or isinstance(value, Mapping):
        return []
    if value is True:
        return [flag]
    if isinstance(value, list | tuple):
        return [flag, ",".join(str(item) for item in value)]
    return [flag, str(value)]
