"""The registry of reproductions: a function from a folder of published data to numbers, plus declared facts.

To add one, write one small file in this folder, or a module that is loaded as a plug-in (`embgeo.plugins`): a function
decorated with `@reproduction("capacity-table", title=…, source=…, needs=("reference/….csv",))`. It takes the folder and
yields numbers, such as `near("finite rows", published=31, measured=finite, within=0)`, computed by calling the library:
the published ones are the only constants.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from embgeo.errors import EmbgeoError, unknown_name
from embgeo.plugins import import_modules, load_plugins
from embgeo.results.reproduce import FAILED, NOT_RUN, PASSED, Compared, Reproduction

# where the files of a data folder come from: the beginning of their path, and what to get
ORIGINS = {
    "scifact/minilm-": "vectors of scifact/ by sentence-transformers/all-MiniLM-L6-v2, unit rows in file order",
    "scifact/": "SciFact in BEIR's format, test split: huggingface.co/datasets/BeIR/scifact",
    "limit-small/": "LIMIT-small: github.com/google-deepmind/limit",
    "uts/": "uts_data.csv, published with Rottach et al. 2025, Unified Topological Signatures",
    "reference/uts": "one row of the data of Rottach et al. 2025, unscaled, as JSON: {published: {column: [seeds]}}",
    "reference/": "table of models published with Guha 2026, Representational Capacity",
    "packing/": "packings published with Guha 2026, Representational Capacity",
    "direction/": "tables published with Zadeh & Constantinides 2026, Direction-Preserving Number Representations",
}
ROUNDING = 1e-9  # of a difference against its tolerance

Compute = Callable[[Path], Iterable[Compared]]


@dataclass(frozen=True)
class Entry:
    """One reproduction and its declared facts.

    Attributes
    ----------
    name : what `embgeo reproduce` calls it: the source in a word, then what of it.
    title : what is computed, in a line.
    source : author, year, table or figure; "embgeo" where the number is a verdict of our own on a published idea.
    compute : folder of published data → numbers; raises an error of `embgeo.errors` where it cannot run.
    needs : files below that folder; without any, it runs everywhere.
    slow : it takes half a minute or more, and runs only if it is named or with `--slow`.
    verdict : what a reader of the source should take from it, if the numbers pass.
    """

    name: str
    title: str
    source: str
    compute: Compute
    needs: tuple[str, ...] = ()
    slow: bool = False
    verdict: str = ""

    def missing(self, data: Path | None) -> str:
        """What the folder lacks and where it comes from; "" if nothing."""
        absent = [file for file in self.needs if data is None or not (data / file).is_file()]
        if not absent:
            return ""
        origins = dict.fromkeys(origin(file) for file in absent)
        folder = "--data FOLDER" if data is None else str(data)
        return f"needs {', '.join(absent)} in {folder}; where from: {'; '.join(origins)}"

    def run(self, data: Path | None) -> Reproduction:
        """Compute the numbers and compare them; what cannot run says why."""
        begin = time.perf_counter()
        numbers: list[Compared] = []
        reason = self.missing(data)
        if not reason:
            try:
                numbers = list(self.compute(data or Path()))
            except EmbgeoError as error:
                reason = str(error)
        passed = all(each.passed for each in numbers)
        told: dict[str, Any] = {"name": self.name, "title": self.title, "source": self.source, "verdict": self.verdict}
        return Reproduction(
            **told,
            status=NOT_RUN if reason else PASSED if passed and numbers else FAILED,
            reason=reason or None,
            seconds=time.perf_counter() - begin,
            numbers=numbers,
        )


_REGISTRY: dict[str, Entry] = {}


def reproduction(
    name: str, *, title: str, source: str, needs: tuple[str, ...] = (), slow: bool = False, verdict: str = ""
) -> Callable[[Compute], Compute]:
    """Register the decorated function as an `Entry`; raises for a taken name."""

    def register(compute: Compute) -> Compute:
        if name in _REGISTRY:
            raise ValueError(f"a reproduction named {name!r} is registered already")
        _REGISTRY[name] = Entry(name, title, source, compute, needs, slow, verdict)
        return compute

    return register


def near(name: str, published: float, measured: float, within: float) -> Compared:
    """The measured number must differ from the published one by at most `within`."""
    return _compared(name, published, measured, "=", within, abs(measured - published))


def at_most(name: str, published: float, measured: float, within: float = 0.0) -> Compared:
    """The measured number must not exceed the published bound by more than `within`."""
    return _compared(name, published, measured, "≤", within, measured - published)


def at_least(name: str, published: float, measured: float, within: float = 0.0) -> Compared:
    """The measured number must not be below the published bound by more than `within`."""
    return _compared(name, published, measured, "≥", within, published - measured)


def _compared(name: str, published: float, measured: float, relation: str, within: float, off: float) -> Compared:
    passed = bool(math.isfinite(off) and off <= within + ROUNDING * max(abs(published), within))
    values: dict[str, Any] = {"published": float(published), "measured": float(measured), "tolerance": float(within)}
    return Compared(name=name, relation=relation, passed=passed, **values)


def origin(file: str) -> str:
    """Where a file of the data folder comes from."""
    return next(told for start, told in ORIGINS.items() if file.startswith(start))


@cache
def reproductions() -> dict[str, Entry]:
    """Every registered entry by name; importing the files of this folder and the plug-ins registers them."""
    import_modules("embgeo.reproductions")
    load_plugins()
    return dict(sorted(_REGISTRY.items()))


def select(names: Sequence[str] = (), slow: bool = False) -> list[Entry]:
    """The entries of these names in the order of the registry; the quick ones, or all if `slow`, without a name.

    Raises `UnknownNameError` with near matches.
    """
    known = reproductions()
    for name in names:
        if name not in known:
            raise unknown_name("reproduction", name, known, "`embgeo reproduce --list` lists all.")
    if names:
        return [entry for entry in known.values() if entry.name in names]
    return [entry for entry in known.values() if slow or not entry.slow]
