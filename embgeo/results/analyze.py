"""What an analyze run found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import (
    Stored,
    amounts,
    as_stored,
    listed,
    mapping,
    maybe,
    named,
    number,
    numbers,
    some_numbers,
    some_text,
    stored,
    text,
    texts,
)


@dataclass(frozen=True, kw_only=True)
class MeasuredValue(Estimate):
    """One measure of the signature: its value and interval, on `n` documents; `reason` where there is none."""

    ci_method: str | None = stored("ci_method", some_text)
    n: int | None = stored("n", number)
    seeds: list[int] = stored("seeds", numbers)
    seconds: float | None = stored("seconds", number)
    status: str = stored("status", text)
    reason: str | None = stored("reason", some_text)


@dataclass(frozen=True, kw_only=True)
class Mark(Stored):
    """A named place on the x axis of a curve."""

    x: float | None = stored("x", number)
    label: str = stored("label", text)


@dataclass(frozen=True, kw_only=True)
class Curve(Stored):
    """A curve to be drawn: `lo` and `hi` a band around it, `fit` a fitted line, `log` its logarithmic axes.

    `low` and `high` are names that the band had in early versions.
    """

    x: list[float | None] = stored("x", numbers)
    y: list[float | None] = stored("y", numbers)
    lo: list[float | None] | None = stored("lo", some_numbers, optional=True)
    hi: list[float | None] | None = stored("hi", some_numbers, optional=True)
    low: list[float | None] | None = stored("low", some_numbers, optional=True)
    high: list[float | None] | None = stored("high", some_numbers, optional=True)
    fit: list[float | None] | None = stored("fit", some_numbers, optional=True)
    x_label: str | None = stored("x_label", some_text, optional=True)
    y_label: str | None = stored("y_label", some_text, optional=True)
    log: str | bool | None = stored("log", as_stored, optional=True)
    kind: str | None = stored("kind", some_text, optional=True)
    title: str | None = stored("title", some_text, optional=True)
    marks: list[Mark] = stored("marks", listed(Mark))


@dataclass(frozen=True, kw_only=True)
class Retrievability(Stored):
    """How evenly the queries reach the documents, in the top `k` of `queries` queries; shares of documents."""

    k: int | None = stored("k", number)
    queries: int | None = stored("queries", number)
    never_retrieved: float | None = stored("never_retrieved", number)
    never_retrieved_random: float | None = stored("never_retrieved_random", number)


@dataclass(frozen=True, kw_only=True)
class Colour(Stored):
    """What colours the points of the map: its name for people, and how many points have a value."""

    label: str = stored("label", text)
    measured: int | None = stored("measured", number)


@dataclass(frozen=True, kw_only=True)
class MapFacts(Stored):
    """The map of the space; the numbers of its points are arrays of the run."""

    points: int | None = stored("points", number)
    documents: int | None = stored("documents", number)
    layouts: list[str] = stored("layouts", texts)
    explained_variance: list[float | None] = stored("explained_variance", numbers)
    colours: dict[str, Colour] | None = stored("colours", named(Colour))


@dataclass(frozen=True, kw_only=True)
class Duplicates(Stored):
    """Documents whose vector repeats another's, and the groups of equal vectors."""

    rows: int | None = stored("rows", number)
    groups: int | None = stored("groups", number)


@dataclass(frozen=True, kw_only=True)
class Sampling(Stored):
    """The sample that measures were computed on."""

    seed: int | None = stored("seed", number)
    cap: int | None = stored("cap", number)


@dataclass(frozen=True, kw_only=True)
class AnalyzeResult(Result):
    """The shape of a space (`signature`, `curves`, `details` by measure), and how well exact search retrieves in it."""

    signature: dict[str, MeasuredValue] | None = stored("signature", named(MeasuredValue))
    curves: Mapping[str, Any] = stored("curves", mapping)
    details: Mapping[str, Any] = stored("details", mapping)
    shared_seconds: Mapping[str, float] = stored("shared_seconds", amounts)
    duplicates: Duplicates | None = stored("duplicates", maybe(Duplicates))
    sampling: Sampling | None = stored("sampling", maybe(Sampling))
    map: MapFacts | None = stored(
        "map", lambda value: MapFacts.from_json(value) if isinstance(value, Mapping) else None
    )
    retrieval: dict[str, Estimate] | None = stored("retrieval", named(Estimate))
    retrievability: Retrievability | None = stored("retrievability", maybe(Retrievability))
    warnings: list[str] = stored("warnings", texts)

    def detail(self, measure: str, name: str) -> Any:
        """A fact beside the value of a measure; None without it."""
        return mapping(self.details.get(measure)).get(name)

    def each_curve(self) -> Iterator[tuple[tuple[str, ...], Curve]]:
        """Every curve with its key: (measure, name), in old runs (name,)."""
        return _curves(self.curves, ())


def _curves(held: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Curve]]:
    for name, value in held.items():
        key = (*above, str(name))
        if isinstance(value, Mapping) and "x" in value:
            yield key, Curve.from_json(value)
        elif isinstance(value, Mapping):
            yield from _curves(value, key)
