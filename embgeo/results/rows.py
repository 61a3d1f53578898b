"""A row of a compress run: one store, its bytes, quality and speed; the list of fields that tables iterate over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from embgeo.results.shared import NDCG, RECALL
from embgeo.results.stored import Interval, Shown, Stored, interval, number, stored


class Estimator(Stored):
    """How out-of-sample quality was estimated, and why so."""

    name: str = ""
    reason: str = ""

    @classmethod
    def some(cls, value: Any) -> Self | None:
        """An object or a bare name; None for nothing."""
        return cls.from_json(value if isinstance(value, Mapping) else {"name": value}) if value else None


class KeepVerdict(Stored):
    """Whether it is confirmed that the share of --keep is kept, and how many queries would confirm it."""

    shown: str = ""
    queries_for_80_percent_power: int | None = None


class Planned(Stored):
    """The store at the number of vectors that --vectors plans for."""

    vectors: int | None = None
    store_bytes: float | None = None
    ratio: float | None = None


class SearchSpeed(Stored):
    """Speed of flat search, or of an index at one effort with the share of flat search's results that it finds."""

    effort: int | None = stored(optional=True)
    recall_of_flat: float | None = stored(optional=True)
    qps: float | None = None
    single_query_ms: float | None = None


class IndexCurve(Stored):
    """Recall and speed of an index at a few efforts; `at_recall` has by share the first effort that reaches it."""

    name: str = ""
    effort: int | None = None
    structure_bytes: int | None = None
    constant_bytes: int | None = None
    build_seconds: float | None = None
    efforts: list[SearchSpeed] = stored()
    flat: SearchSpeed = stored()
    at_recall: dict[str, SearchSpeed] | None = None


class Holding(Stored):
    """Whether a target holds a spec in a format of its own: `same`, `approximate` or None, and why.

    `predicted` is the spec that predicts what it does, if that is another; `original_bytes` are of the uncompressed
    vector that it keeps beside the codes. With `--target`, `native` is the configuration in its own words, `client` the
    reducers that the client applies, `hot_bytes` what a search reads or keeps in memory per vector, `disk_bytes` all
    that a vector takes, `fixed_bytes` the store without vectors.
    """

    target: str = ""
    fidelity: str | None = None
    reason: str = ""
    nearest: str | None = stored(optional=True)
    predicted: str | None = stored(optional=True)
    code_bytes: int | None = stored(optional=True)
    original_bytes: int | None = stored(optional=True)
    native: str | None = stored(optional=True)
    client: list[str] | None = stored(optional=True)
    hot_bytes: int | None = stored(optional=True)
    disk_bytes: int | None = stored(optional=True)
    fixed_bytes: int | None = stored(optional=True)
    fits_budget: bool | None = stored(optional=True)


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
RATIO = "Size of the float32 store divided by that of this store, constants included"
DIFFERENCE = "This row minus float32, paired by query, with its 95 % interval"
IN_SAMPLE = "nDCG@10 with the codec trained on all documents: too optimistic where a codebook overfits"
FOUND = "Share of float32's first ten results that this store also returns"
PREDICTED = "Recall@10 of exact search, predicted from the spectrum and the mean norm before any codec was run"
AT_N = "Recall@10 of exact search, forecast for the number of vectors that --vectors plans for"
CHANGED = "Queries whose quality differs from that of float32"
GAIN = "Of a row that compares by another metric: minus the same codec without the change, judged alike"
TIES = "Range of nDCG@10 over the possible orders of equal scores"
STORES = "stores that hold it in a format of their own: ✔ as evaluated here, ≈ approximately; FAISS files not asked"
SHARE, TIMES = "share of float32", "float32 store / this store"


class Row(Stored):
    """One store: its size, quality and speed. Quality is out of sample unless its name says otherwise.

    `bytes_per_vector` is what one more vector adds: codes, and with an index its links or list entry.
    """

    spec: str = stored(Shown("Spec", "The codec, as --spec takes it", short="spec", words=True), compared=True)
    bytes_per_vector: float | None = stored(
        Shown("Bytes / vector", SIZE, better="lower", short="B/vec", place=1), compared=True
    )
    constant_bytes: int | None = stored(
        _bytes("Constants", "Rotations, ranges, codebooks: stored once", 11), compared=True
    )
    structure_bytes: int | None = stored(_bytes("Index", "Links or lists of an index"))
    ram_bytes: int | None = stored(_bytes("RAM", "Memory while searching", 13))
    disk_bytes: int | None = stored(_bytes("Disk", "Size of the store's file, ids included", 12))
    store_bytes: int | None = stored(_bytes("Store", "Codes and constants together", 10), compared=True)
    id_bytes: int | None = stored(_bytes("Ids, header", "What the store's file adds"))
    ratio: float | None = stored(Shown("Whole store", RATIO, TIMES, 1, "higher", "ratio", 2))
    ndcg: float | None = stored(
        _quality("nDCG@10", "Quality on the judgements, out of sample", 4, 3, short="nDCG@10", interval=f"{NDCG}_ci"),
        key=NDCG,
        compared=True,
    )
    ndcg_ci: Interval | None = stored(key=f"{NDCG}_ci", compared=True)
    difference: float | None = stored(
        _quality("Difference", DIFFERENCE, 4, 4, interval="difference_ci", signed=True), compared=True
    )
    difference_ci: Interval | None = stored(compared=True)
    retained: float | None = stored(
        Shown(
            "Retained", "This row's nDCG@10 divided by that of float32", SHARE, 1, "higher", "kept %", 5, "retained_ci"
        ),
        compared=True,
    )
    retained_ci: Interval | None = stored(compared=True)
    in_sample_ndcg: float | None = stored(_quality("nDCG@10 in sample", IN_SAMPLE, 4, 6), key="in_sample_ndcg@10")
    recall: float | None = stored(
        _quality("Recall@10 of exact", FOUND, 3, 7, short="recall"), key=RECALL, compared=True
    )
    recall_ci: Interval | None = stored(key=f"{RECALL}_ci", compared=True)
    qps: float | None = stored(
        Shown(
            "Queries / s",
            "Searched in batches; see the protocol below",
            "queries/s",
            0,
            "higher",
            "QPS",
            14,
            "qps_range",
        )
    )
    qps_range: Interval | None = None
    single_query_ms: float | None = stored(_time("One query", "Time of a single query", 15, "ms"))
    single_query_ms_range: Interval | None = None
    fit_seconds: float | None = stored(_time("Fit", "Time to train the codec", 16))
    encode_seconds: float | None = stored(_time("Encode", "Time to encode all documents", 17), compared=True)
    query_side: str | None = stored(_words("Query side", "How a query is compared with the codes", 19))
    searcher: str | None = stored(_words("Searched by", "The index that answers", 20))
    tie_band: Interval | float | None = stored(Shown("Tie band", TIES, place=21), read=tie_band)
    estimator: Estimator | None = stored(
        _words("Estimator", "How out-of-sample quality was estimated; hover for the reason", 18), read=Estimator.some
    )
    changed_queries: int | None = stored(Shown("Queries changed", CHANGED, digits=0, place=9))
    search_bytes_per_vector: float | None = stored(optional=True)
    rescore_bytes_per_vector: float | None = stored(optional=True)
    code_bytes_per_vector: float | None = stored(optional=True)
    structure_bytes_per_vector: float | None = stored(optional=True)
    index: IndexCurve | None = stored(optional=True)
    note: str | None = stored(optional=True)
    changed_bound: float | None = stored(optional=True)
    planned: Planned | None = stored(optional=True)
    predicted_recall: float | None = stored(
        _quality("Predicted recall", PREDICTED, 3, 8), key=f"predicted_{RECALL}", optional=True
    )
    recall_at_n: float | None = stored(
        _quality("Recall@10 at N", AT_N, 3, 9, interval="recall@10_at_N_ci"), key="recall@10_at_N", optional=True
    )
    recall_at_n_ci: Interval | None = stored(key="recall@10_at_N_ci", optional=True)
    reference: str | None = stored(optional=True)
    gain: float | None = stored(
        Shown("Gain of its metric", GAIN, digits=4, better="higher", place=5, interval="gain_ci", signed=True),
        optional=True,
    )
    gain_ci: Interval | None = stored(optional=True)
    pareto: bool | None = stored(optional=True)
    fits_budget: bool | None = stored(optional=True)
    tied: bool | None = stored(optional=True)
    keep: KeepVerdict | None = stored(optional=True)
    targets: list[Holding] | None = stored(optional=True)
    stores: Mapping[str, str] | None = stored(Shown("Stores", STORES, words=True), optional=True)
    status: str | None = stored(optional=True)

    def compared(self) -> dict[str, Any]:
        """The fields that a comparison of runs stores, by key."""
        known = {key: getattr(self, each.name) for key, each in self.declared().items() if each.compared}
        return {key: value for key, value in known.items() if value is not None}
