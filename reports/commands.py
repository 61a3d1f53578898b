"""The command lines that repeat a run, rebuilt from its stored request."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from embgeo.results import CompareResult, CompressResult, Named, ReproduceResult, Result
from embgeo.run import RUNS_FOLDER, Run, path_text
from embgeo.sources.subject import IN_MEMORY

# where results go is not part of the question, and a path would reveal someone's machine
_LEFT_OUT = ("command", "model", "dataset", "spec", "specs", "targets", "encoder", "config")
_WHERE = ("out", "json", "html", "quiet", "verbose", "debug")
# options that choose among specs, and would refuse a single spec that they would not have chosen
_CHOOSING = ("budget", "keep", "exhaustive", "grid")
_DEFAULTS = {"similarity": "auto", "device": "auto", "split": "test", "batch_size": 32, "seed": 0, "timing": "short"}


def repeat_command(run: Run, specs: list[str] | None = None, command: str = "", without: Collection[str] = ()) -> str:
    """`embgeo compress MODEL DATASET --option …`; `specs` replaces the requested specs and their limits.

    `command` replaces the run's own command; its options `without` are left out.
    "" for a run on arrays, which are in no file.
    """
    found = run.findings
    model = _asked(found, "model")
    if model == IN_MEMORY:
        return ""
    dataset = _asked(found, "dataset")
    words = ["embgeo", command or run.command, model, *([dataset] if dataset else [])]
    encoder = found.asked("encoder")
    left_out = {*_LEFT_OUT, *_WHERE, *without, *(() if specs is None else _CHOOSING)}
    for name, value in {**(encoder if isinstance(encoder, Mapping) else {}), **found.request}.items():
        if name not in left_out and not (name in _DEFAULTS and value == _DEFAULTS[name]):
            words += _option(name, value)
    if specs is None:
        listed = found.asked("specs") or found.asked("spec")
        specs = [str(spec) for spec in listed] if isinstance(listed, list) else []
    for flag, given in (("--target", found.asked("targets") or ()), ("--spec", specs)):
        for each in given:
            words += [flag, str(each)]
    return shlex.join(words)


def _asked(found: Result, key: str) -> str:
    """The model or dataset that the request names, else the one that was found; "" if no dataset was requested."""
    named = Named.from_json(found.asked(key)).name
    if named is None and (key == "model" or key not in found.request):
        named = found.at(key).name
    return named or ""


def commands(run: Run) -> list[tuple[str, str]]:
    """(what it does, command line) for everything that a reader may want to repeat."""
    found = run.findings
    again = repeat_command(run)
    if isinstance(found, CompareResult):
        again = _repeat_comparison(found)
    elif isinstance(found, ReproduceResult):
        again = _repeat_reproduction(found)
    what = "comparison" if run.command == "compare" else "run"
    listed = [(f"Repeat this {what}", again)] if again else []
    if isinstance(found, CompressResult):
        listed.append(("Search the store it built", search_command(run)))
        held = [one.target for one in (found.deploy and found.deploy.targets) or () if one.fidelity]
        stores = [name for name in held if name != "faiss"] or held
        listed += [("Load a store with it, and measure it there", deploy_command(run, name)) for name in stores[:1]]
    listed.append(("Regenerate this report", shlex.join(["embgeo", "report", run_path(run)])))
    return listed


def _repeat_reproduction(found: ReproduceResult) -> str:
    words = ["embgeo", "reproduce", *(str(name) for name in found.asked("names") or ())]
    words += ["--slow"] if found.asked("slow") else []
    return shlex.join(words + (_option("data", found.asked("data")) if found.asked("data") else []))


def _repeat_comparison(found: CompareResult) -> str:
    # comparisons of embgeo 0.1.0 name the folders alone
    words = ["embgeo", "compare", *(item.path or f"{RUNS_FOLDER}/{item.folder}" for item in found.runs)]
    for name, usual in {"vectors": None, "price_per_gb": None, "documents": 3000, "seed": 0}.items():
        if found.asked(name) not in (None, usual):
            words += _option(name, found.asked(name))
    for condition in found.asked("fail_if") or ():
        words += ["--fail-if", str(condition)]
    return shlex.join(words)


def search_command(run: Run) -> str:
    """`embgeo search RUN …` with a text if the run's model encodes texts, else with a vector file."""
    found = run.findings
    of_vectors = _asked(found, "model").startswith("vectors:") or found.model.at("vectors") is not None
    asked = ["--vector", "query.npy"] if of_vectors else ["your query"]
    return shlex.join(["embgeo", "search", run_path(run), *asked])


def deploy_command(run: Run, target: str) -> str:
    """`embgeo deploy RUN TARGET`, which loads and measures the recommended spec."""
    return shlex.join(["embgeo", "deploy", run_path(run), target])


def compare_command(runs: Sequence[Run]) -> str:
    """`embgeo compare RUN RUN`, which pairs runs by query, as a report of several runs does not.

    "" if no two runs share command and quality measure, so that there may be nothing to pair.
    """
    different = list({str(run.findings.identity or run.folder): run for run in runs}.values())
    kinds = Counter((run.command, run.findings.at("quality")) for run in different)
    if max(kinds.values(), default=0) < 2:
        return ""
    return shlex.join(["embgeo", "compare", *(run_path(run) for run in different)])


def run_path(run: Run) -> str:
    """The run's folder as a command finds it: relative to the working directory, absolute if it is elsewhere."""
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
