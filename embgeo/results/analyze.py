"""The result of an analyze run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embgeo.results.limits import Limits
from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import Stored, mapping, stored


class MeasuredValue(Estimate):
    """One measure of the signature: its value and interval, on `n` documents; `reason` where there is none."""

    ci_method: str | None = None
    n: int | None = None
    seeds: list[int] = stored()
    seconds: float | None = None
    status: str = ""
    reason: str | None = None


class Mark(Stored):
    """A named place on the x axis of a curve."""

    x: float | None = None
    label: str = ""


class Curve(Stored):
    """A curve to be drawn: `lo` and `hi` a band around it, `fit` a fitted line, `log` its logarithmic axes.

    `low` and `high` are what early versions called the band.
    """

    x: list[float | None] = stored()
    y: list[float | None] = stored()
    lo: list[float | None] | None = stored(optional=True)
    hi: list[float | None] | None = stored(optional=True)
    low: list[float | None] | None = stored(optional=True)
    high: list[float | None] | None = stored(optional=True)
    fit: list[float | None] | None = stored(optional=True)
    x_label: str | None = stored(optional=True)
    y_label: str | None = stored(optional=True)
    log: Any = stored(optional=True)
    kind: str | None = stored(optional=True)
    title: str | None = stored(optional=True)
    marks: list[Mark] = stored()


class Retrievability(Stored):
    """How evenly queries retrieve the documents, in the top `k` of `queries` queries; shares of documents."""

    k: int | None = None
    queries: int | None = None
    never_retrieved: float | None = None
    never_retrieved_random: float | None = None


class Colour(Stored):
    """What colours the points of the map: its display name, and how many points have a value."""

    label: str = ""
    measured: int | None = None


class MapFacts(Stored):
    """The map of the space; coordinates and values of its points are arrays of the run."""

    points: int | None = None
    documents: int | None = None
    layouts: list[str] = stored()
    explained_variance: list[float | None] = stored()
    colours: dict[str, Colour] | None = None


class Duplicates(Stored):
    """Documents whose vector repeats another's, and the groups of equal vectors."""

    rows: int | None = None
    groups: int | None = None


class Sampling(Stored):
    """The sample that measures were computed on."""

    seed: int | None = None
    cap: int | None = None


class DocumentGroup(Stored):
    """The documents of one value of the key, as a share of all (`share`), of the relevant ones, and of top-10 results.

    `dimension` and `hubness` are of samples of one size; `ndcg` is the mean nDCG@10 of the `queries` that have a
    relevant document in the group.
    """

    name: str = ""
    documents: int | None = None
    share: float | None = None
    relevant_share: float | None = None
    found: Estimate | None = None
    dimension: Estimate | None = None
    hubness: Estimate | None = None
    queries: int | None = None
    ndcg: Estimate | None = None


class DocumentGroups(Stored):
    """The documents grouped by `key`; `sample` documents of each group are measured.

    `rest` documents are in none of the groups: those without a value, and those of small or further groups.
    """

    key: str = ""
    sample: int | None = None
    rest: int | None = None
    ndcg: float | None = None
    groups: list[DocumentGroup] = stored()


class AnalyzeResult(Result):
    """The shape of a space (`signature`, `curves`, `details` by measure), and how well exact search retrieves in it."""

    signature: dict[str, MeasuredValue] | None = None
    curves: Mapping[str, Any] = stored()
    details: Mapping[str, Any] = stored()
    shared_seconds: Mapping[str, float] = stored()
    duplicates: Duplicates | None = None
    sampling: Sampling | None = None
    map: MapFacts | None = stored(read=lambda value: MapFacts.from_json(value) if isinstance(value, Mapping) else None)
    retrieval: dict[str, Estimate] | None = None
    retrievability: Retrievability | None = None
    limits: Limits | None = stored(optional=True)
    groups: DocumentGroups | None = stored(optional=True)
    warnings: list[str] = stored()

    def detail(self, measure: str, name: str) -> Any:
        """A detail of a measure; None if it is missing."""
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
