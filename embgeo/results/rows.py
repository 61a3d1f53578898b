"""A row of a compress run: one store, its bytes, quality and speed; the list of fields that tables go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from embgeo.results.shared import NDCG, RECALL
from embgeo.results.stored import (
    Interval,
    Shown,
    Stored,
    flag,
    interval,
    listed,
    maybe,
    named,
    number,
    one,
    some_text,
    stored,
    text,
)


@dataclass(frozen=True, kw_only=True)
class Estimator(Stored):
    """How quality out of sample was estimated, and why so."""

    name: str = stored("name", text)
    reason: str = stored("reason", text)

    @classmethod
    def some(cls, value: Any) -> Self | None:
        """An object or a bare name; None for nothing."""
        return cls.from_json(value if isinstance(value, Mapping) else {"name": value}) if value else None


@dataclass(frozen=True, kw_only=True)
class KeepVerdict(Stored):
    """Whether the share that --keep asked for is shown to be kept, and how many queries would show it."""

    shown: str = stored("shown", text)
    queries_for_80_percent_power: int | None = stored("queries_for_80_percent_power", number)


@dataclass(frozen=True, kw_only=True)
class Planned(Stored):
    """The store at the number of vectors that --vectors plans for."""

    vectors: int | None = stored("vectors", number)
    store_bytes: float | None = stored("store_bytes", number)
    ratio: float | None = stored("ratio", number)


@dataclass(frozen=True, kw_only=True)
class SearchSpeed(Stored):
    """Speed of flat search, or of an index at one effort with the share of flat search's results that it finds."""

    effort: int | None = stored("effort", number, optional=True)
    recall_of_flat: float | None = stored("recall_of_flat", number, optional=True)
    qps: float | None = stored("qps", number)
    single_query_ms: float | None = stored("single_query_ms", number)


@dataclass(frozen=True, kw_only=True)
class IndexCurve(Stored):
    """Recall and speed of an index at a few efforts; `at_recall` has by share the first effort that reaches it."""

    name: str = stored("name", text)
    effort: int | None = stored("effort", number)
    structure_bytes: int | None = stored("structure_bytes", number)
    constant_bytes: int | None = stored("constant_bytes", number)
    build_seconds: float | None = stored("build_seconds", number)
    efforts: list[SearchSpeed] = stored("efforts", listed(SearchSpeed))
    flat: SearchSpeed = stored("flat", one(SearchSpeed))
    at_recall: dict[str, SearchSpeed] | None = stored("at_recall", named(SearchSpeed))


def tie_band(value: Any) -> Any:
    """The range of quality over the orders of equal scores; a number where all orders give one."""
    return interval(value) or number(value)


def _bytes(title: str, explain: str, place: int = 0) -> Shown:
    return Shown(title, explain, "bytes", better="lower", place=place)


def _time(title: str, explain: str, place: int, unit: str = "seconds") -> Shown:
    return Shown(title, explain, unit, better="lower", place=place)


def _quality(title: str, explain: str, digits: int, place: int, **more: Any) -> Shown:
    return Shown(title, explain, digits=digits, better="higher", place=place, **more)


def _words(title: str, explain: str, place: int) -> Shown:
    return Shown(title, explain, place=place, words=True)


SIZE = "Marginal bytes: what one more vector adds to the store"
RATIO = "Float32 store divided by this store, constants included"
DIFFERENCE = "This row minus float32, paired by query, with its 95 % interval"
IN_SAMPLE = "The same with the codec fitted on all documents: too optimistic where a codebook overfits"
FOUND = "Share of float32's first ten that this store also returns"
PREDICTED = "Recall@10 of exact search, predicted from the spectrum and the mean norm before any codec was run"
CHANGED = "Queries whose quality differs from that of float32"
TIES = "Range of nDCG@10 over the possible orders of equal scores"
SHARE, TIMES = "share of float32", "float32 store / this store"


@dataclass(frozen=True, kw_only=True)
class Row(Stored):
    """One store: what it takes, what it keeps, how fast it is. Quality is out of sample unless its name says else.

    `bytes_per_vector` is what one more vector adds: codes, and with an index its links or list entry.
    """

    spec: str = stored(
        "spec", text, Shown("Spec", "The codec: fit for --spec", short="spec", words=True), compared=True
    )
    bytes_per_vector: float | None = stored(
        "bytes_per_vector", number, Shown("Bytes / vector", SIZE, better="lower", short="B/vec", place=1), compared=True
    )
    constant_bytes: int | None = stored(
        "constant_bytes", number, _bytes("Constants", "Rotations, ranges, codebooks: stored once", 11), compared=True
    )
    structure_bytes: int | None = stored("structure_bytes", number, _bytes("Index", "Links or lists of an index"))
    ram_bytes: int | None = stored("ram_bytes", number, _bytes("RAM", "Memory while searching", 13))
    disk_bytes: int | None = stored("disk_bytes", number, _bytes("Disk", "Size of the store's file, ids included", 12))
    store_bytes: int | None = stored(
        "store_bytes", number, _bytes("Store", "Codes and constants together", 10), compared=True
    )
    id_bytes: int | None = stored("id_bytes", number, _bytes("Ids, header", "What the store's file adds"))
    ratio: float | None = stored("ratio", number, Shown("Whole store", RATIO, TIMES, 1, "higher", "ratio", 2))
    ndcg: float | None = stored(
        NDCG,
        number,
        _quality("nDCG@10", "Quality on the judgements, out of sample", 4, 3, short="nDCG@10", interval=f"{NDCG}_ci"),
        compared=True,
    )
    ndcg_ci: Interval | None = stored(f"{NDCG}_ci", interval, compared=True)
    difference: float | None = stored(
        "difference",
        number,
        _quality("Difference", DIFFERENCE, 4, 4, interval="difference_ci", signed=True),
        compared=True,
    )
    difference_ci: Interval | None = stored("difference_ci", interval, compared=True)
    retained: float | None = stored(
        "retained",
        number,
        Shown(
            "Retained", "This row's nDCG@10 divided by that of float32", SHARE, 1, "higher", "kept %", 5, "retained_ci"
        ),
        compared=True,
    )
    retained_ci: Interval | None = stored("retained_ci", interval, compared=True)
    in_sample_ndcg: float | None = stored("in_sample_ndcg@10", number, _quality("nDCG@10 in sample", IN_SAMPLE, 4, 6))
    recall: float | None = stored(
        RECALL, number, _quality("Recall@10 of exact", FOUND, 3, 7, short="recall"), compared=True
    )
    recall_ci: Interval | None = stored(f"{RECALL}_ci", interval, compared=True)
    qps: float | None = stored(
        "qps",
        number,
        Shown(
            "Queries / s",
            "Searched in batches; see the protocol below",
            "queries/s",
            0,
            "higher",
            "QPS",
            14,
            "qps_range",
        ),
    )
    qps_range: Interval | None = stored("qps_range", interval)
    single_query_ms: float | None = stored(
        "single_query_ms", number, _time("One query", "Time of a single query", 15, "ms")
    )
    single_query_ms_range: Interval | None = stored("single_query_ms_range", interval)
    fit_seconds: float | None = stored("fit_seconds", number, _time("Fit", "Time to fit the codec", 16))
    encode_seconds: float | None = stored(
        "encode_seconds", number, _time("Encode", "Time to encode all documents", 17), compared=True
    )
    query_side: str | None = stored(
        "query_side", some_text, _words("Query side", "How a query is compared with the codes", 19)
    )
    searcher: str | None = stored("searcher", some_text, _words("Searched by", "The index that answers", 20))
    tie_band: Interval | float | None = stored("tie_band", tie_band, Shown("Tie band", TIES, place=21))
    estimator: Estimator | None = stored(
        "estimator",
        Estimator.some,
        _words("Estimator", "How quality out of sample was estimated; hover for the reason", 18),
    )
    changed_queries: int | None = stored(
        "changed_queries", number, Shown("Queries changed", CHANGED, digits=0, place=9)
    )
    search_bytes_per_vector: float | None = stored("search_bytes_per_vector", number, optional=True)
    rescore_bytes_per_vector: float | None = stored("rescore_bytes_per_vector", number, optional=True)
    code_bytes_per_vector: float | None = stored("code_bytes_per_vector", number, optional=True)
    structure_bytes_per_vector: float | None = stored("structure_bytes_per_vector", number, optional=True)
    index: IndexCurve | None = stored("index", maybe(IndexCurve), optional=True)
    note: str | None = stored("note", some_text, optional=True)
    changed_bound: float | None = stored("changed_bound", number, optional=True)
    planned: Planned | None = stored("planned", maybe(Planned), optional=True)
    predicted_recall: float | None = stored(
        f"predicted_{RECALL}", number, _quality("Predicted recall", PREDICTED, 3, 8), optional=True
    )
    pareto: bool | None = stored("pareto", flag, optional=True)
    fits_budget: bool | None = stored("fits_budget", flag, optional=True)
    tied: bool | None = stored("tied", flag, optional=True)
    keep: KeepVerdict | None = stored("keep", maybe(KeepVerdict), optional=True)
    status: str | None = stored("status", some_text, optional=True)

    def compared(self) -> dict[str, Any]:
        """What a comparison of runs keeps of it, by key."""
        known = {key: getattr(self, each.name) for key, each in self.declared().items() if each.compared}
        return {key: value for key, value in known.items() if value is not None}
