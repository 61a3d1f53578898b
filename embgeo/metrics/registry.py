"""The registry of measures: a measure is a function of a `Space` plus declared facts.

To add one, write one small file in this folder, or a module that is loaded as a plug-in (`embgeo.plugins`):

    @measure(
        "participation_ratio", family="spectrum",
        summary="How many directions carry the variance, as one number.",
        range=(1.0, math.inf), invariances={"rotation", "translation", "scale", "row_order"},
        cost="n d² + d³", source="Gao et al. 2017, eq. 2",
    )
    def participation_ratio(space: Space) -> float: ...

The loop (`signature.py`) does sampling, seeds, intervals, timing and errors; the laws in `tests/laws` run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache, partial, wraps
from typing import Any, Literal, TypeVar

from embgeo.errors import unknown_name
from embgeo.plugins import import_modules, load_plugins
from embgeo.space.space import Space

F = TypeVar("F", bound=Callable[..., Any])
Better = Literal["higher", "lower", "neither"]
INVARIANCES = frozenset({"rotation", "translation", "scale", "row_order", "duplicates"})
NEEDS = frozenset({"queries", "judgements", "tokens"})


@dataclass(frozen=True)
class Reading:
    """What a measure may return instead of a bare float.

    `curves` are named {"x": [...], "y": [...], ...}, with titles declared as `CurveFacts`; `details` are JSON facts
    (the method used, the chosen k); `rows` are per-document arrays of length n of the sample (kept in the run, never in
    the JSON).
    """

    value: float
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CurveFacts:
    """How a curve of a measure is drawn.

    Attributes
    ----------
    name : its key in `Reading.curves`.
    x, y : titles of its axes; empty where the reading itself holds `x_label` and `y_label`.
    title, note : its heading, by default made from its names, and a sentence below it.
    log : the axes that are logarithmic: "", "x", "y" or "xy".
    marks : (measure, label) whose values are marked on the x axis.
    place : reports draw curves in ascending order of it.
    """

    name: str
    x: str = ""
    y: str = ""
    title: str = ""
    note: str = ""
    log: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    place: int = 100


@dataclass(frozen=True)
class DocumentFacts:
    """What a measure says about individual documents.

    Attributes
    ----------
    rows : its key in `Reading.rows`.
    value : what the numbers are, as a column heading.
    largest : what the documents with the largest values are: the heading of the list of the top ten. Empty: no list.
    colour, label : name and title of the numbers as a colour of the space map. Empty: no colour.
    clusters : the numbers are cluster numbers, which the map extends to documents that were not measured.
    """

    rows: str
    value: str = "value"
    largest: str = ""
    colour: str = ""
    label: str = ""
    clusters: bool = False


Compute = Callable[[Space], float | Reading]


@dataclass(frozen=True)
class Measure:
    """One measure and its declared facts.

    Attributes
    ----------
    name : as in the published table where the quantity is the same.
    family : dimension, spectrum, isotropy, similarity, diversity, topology, magnitude, clustering, hubs, capacity,
        retrievability.
    compute : Space → float or Reading. Raises `Undefined` with a reason if the measure has no value.
    summary : one sentence on what it means for someone who runs a vector store.
    range : (lowest, highest) possible value.
    invariances : subset of INVARIANCES; each is tested as a law.
    cost : in n and d, "n² d".
    source : author, year, equation.
    better : which end is better for retrieval, or "neither".
    cap : largest sample; None means the loop's default.
    interval : False for a measure that depends on n: its `ci` is null.
    quick : part of `--quick`.
    needs : subset of NEEDS beyond the documents.
    curve : how its curve is drawn, one or several.
    documents : what it says about individual documents.
    """

    name: str
    family: str
    compute: Compute
    summary: str
    range: tuple[float, float]
    cost: str
    source: str
    better: Better = "neither"
    invariances: Set[str] = frozenset()
    cap: int | None = None
    interval: bool = True
    quick: bool = False
    needs: Set[str] = frozenset()
    curve: CurveFacts | tuple[CurveFacts, ...] = ()
    documents: DocumentFacts | None = None

    def __post_init__(self) -> None:
        for said, known in (("invariances", INVARIANCES), ("needs", NEEDS)):
            if unknown := set(getattr(self, said)) - known:
                raise ValueError(f"unknown {said} of {self.name}: {sorted(unknown)}")

    @property
    def curves(self) -> Mapping[str, CurveFacts]:
        """The declared curves by name."""
        declared = self.curve if isinstance(self.curve, tuple) else (self.curve,)
        return {one.name: one for one in declared}


_REGISTRY: dict[str, Measure] = {}


def measure(name: str, **facts: Any) -> Callable[[Compute], Compute]:
    """Register the decorated function as a `Measure` with these facts; raises for a taken name or an unknown fact."""

    def register(compute: Compute) -> Compute:
        if name in _REGISTRY:
            raise ValueError(f"a measure named {name!r} is registered already")
        _REGISTRY[name] = Measure(name=name, compute=compute, **facts)
        return compute

    return register


def measure_of_distances(
    name: str, *, summary: str, invariances: Set[str], curve: CurveFacts | None = None, **facts: Any
) -> Callable[[F], F]:
    """Register a function of a space and a metric as two measures, `{name}_euclidean` and `{name}_cosine`.

    Euclidean distances are invariant to translation and cosine distances to scale, besides the given `invariances`;
    "{kind}" in the summary becomes "distance" or "angle", "{metric}" in the title of a curve "Euclidean" or "cosine".
    """

    def register(compute: F) -> F:
        for metric, kind, invariance in (("euclidean", "distance", "translation"), ("cosine", "angle", "scale")):
            declared = {**facts, "summary": summary.format(kind=kind), "invariances": invariances | {invariance}}
            if curve is not None:
                title = curve.title.format(metric=metric.replace("euclidean", "Euclidean"))
                declared["curve"] = replace(curve, title=title, place=curve.place + (metric == "cosine"))
            measure(f"{name}_{metric}", **declared)(wraps(compute)(partial(compute, metric=metric)))
        return compute

    return register


@cache
def measures() -> Mapping[str, Measure]:
    """Every registered measure by name; importing the files of this folder and the plug-ins registers them."""
    import_modules("embgeo.metrics")
    load_plugins()
    return dict(sorted(_REGISTRY.items(), key=lambda item: (item[1].family, item[0])))


def select(names: Sequence[str] | None = None, quick: bool = False) -> list[Measure]:
    """Measures by name or family, in registry order; all of them (or the quick ones) when no name is given.

    Raises `UnknownNameError` with near matches.
    """
    known = measures()
    if not names:
        return [m for m in known.values() if m.quick or not quick]
    families = {m.family for m in known.values()}
    for name in names:
        if name not in known and name not in families:
            raise unknown_name("measure or family", name, [*known, *families], "`embgeo measures` lists all.")
    wanted = set(names)
    return [m for m in known.values() if m.name in wanted or (m.family in wanted and (m.quick or not quick))]
