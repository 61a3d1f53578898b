"""What a compress run found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embgeo.results.rows import Row
from embgeo.results.shared import NDCG, RECALL, Estimate, Result
from embgeo.results.stored import (
    Interval,
    Stored,
    amounts,
    flag,
    interval,
    listed,
    maybe,
    number,
    objects,
    one,
    some_amounts,
    some_text,
    some_texts,
    stored,
    text,
    texts,
)


@dataclass(frozen=True, kw_only=True)
class CrossFitted(Estimate):
    """What choosing by this rule delivers on queries that had no part in the choice."""

    difference: float | None = stored("difference", number)
    difference_ci: Interval | None = stored("difference_ci", interval)
    chosen: Mapping[str, float] = stored("chosen", amounts)
    meaning: str = stored("meaning", text)


@dataclass(frozen=True, kw_only=True)
class LostDocuments(Stored):
    """Documents that float32 brings to some query and the store to none: how many, and the first ids."""

    count: int | None = stored("count", number)
    ids: list[str] = stored("ids", texts)


@dataclass(frozen=True, kw_only=True)
class StoreEffects(Stored):
    """What the built store changes beyond quality, against exact float32 search."""

    document_overlap: float | None = stored("document_overlap@10", number)
    probes: int | None = stored("probes", number)
    hubness: Mapping[str, float] = stored("hubness", amounts)
    reachable: Mapping[str, int] = stored("reachable@100", amounts)
    newly_unreachable: LostDocuments | None = stored("newly_unreachable", maybe(LostDocuments))


@dataclass(frozen=True, kw_only=True)
class Recommendation(Row):
    """The row that was chosen, why, and what was built from it; `state` lists the arrays of its constant bytes."""

    tied_with: list[str] | None = stored("tied_with", some_texts)
    cross_fitted: CrossFitted | None = stored("cross_fitted", maybe(CrossFitted))
    meets_keep: bool | None = stored("meets_keep", flag)
    reason: str | None = stored("reason", some_text)
    effects: StoreEffects | None = stored("effects", maybe(StoreEffects))
    state: list[Mapping[str, Any]] = stored("state", objects)


@dataclass(frozen=True, kw_only=True)
class RescoringPoint(Stored):
    """Quality of one oversampling factor, or of one of the two codes alone (without factor and candidates)."""

    factor: int | None = stored("factor", number, optional=True)
    candidates: int | None = stored("candidates", number, optional=True)
    spec: str = stored("spec", text)
    ndcg: float | None = stored(NDCG, number)
    ndcg_ci: Interval | None = stored(f"{NDCG}_ci", interval)
    recall: float | None = stored(RECALL, number)
    qps: float | None = stored("qps", number)
    single_query_ms: float | None = stored("single_query_ms", number)
    bytes_per_vector: float | None = stored("bytes_per_vector", number)


@dataclass(frozen=True, kw_only=True)
class RescoringCurve(Stored):
    """Quality against the number of candidates, for one pair of codes."""

    search: str = stored("search", text)
    rescore: str = stored("rescore", text)
    points: list[RescoringPoint] = stored("points", listed(RescoringPoint))
    search_alone: RescoringPoint | None = stored("search_alone", maybe(RescoringPoint))
    rescore_alone: RescoringPoint | None = stored("rescore_alone", maybe(RescoringPoint))


@dataclass(frozen=True, kw_only=True)
class WorstPrediction(Stored):
    """The codec whose recall was predicted farthest off."""

    spec: str = stored("spec", text)
    error: float | None = stored("error", number)


@dataclass(frozen=True, kw_only=True)
class Prediction(Stored):
    """How far the predictions were off; `passed_over` are the predicted recalls of codecs that were not run."""

    known: str = stored("known", text)
    mean_norm: float | None = stored("mean_norm", number)
    specs: int | None = stored("specs", number)
    mean_absolute_error: float | None = stored("mean_absolute_error", number)
    mean_absolute_error_high_recall: float | None = stored("mean_absolute_error_high_recall", number)
    high_recall: float | None = stored("high_recall", number)
    mean_error: float | None = stored("mean_error", number)
    worst: WorstPrediction | None = stored("worst", maybe(WorstPrediction))
    passed_over: Mapping[str, float] = stored("passed_over", amounts)


@dataclass(frozen=True, kw_only=True)
class Budget(Stored):
    """The limit that was asked for: bytes per vector, or bytes of the whole `store` of so many `vectors`."""

    text: str = stored("text", text)
    per_vector: float | None = stored("per_vector", number)
    store: float | None = stored("store", number)
    vectors: int | None = stored("vectors", number)


@dataclass(frozen=True, kw_only=True)
class Protocol(Stored):
    """How the rows were judged and timed; what is only shown to people is in `extra`."""

    queries: int | None = stored("queries", number, optional=True)
    selection: str | None = stored("selection", some_text, optional=True)
    resumed: list[str] | None = stored("resumed", some_texts, optional=True)
    fit_budget: str | None = stored("fit_budget", some_text, optional=True)
    fit_budget_seconds: float | None = stored("fit_budget_seconds", number, optional=True)
    left_out: Mapping[str, float] | None = stored("left_out", some_amounts, optional=True)


@dataclass(frozen=True, kw_only=True)
class Price(Stored):
    """The cost of the recommended store and of float32 at a number of vectors, in the user's price of 10⁹ bytes."""

    per_gb: float | None = stored("per_gb", number)
    vectors: int | None = stored("vectors", number)
    measured_at: int | None = stored("measured_at", number)
    ram_bytes: float | None = stored("ram_bytes", number)
    float32_ram_bytes: float | None = stored("float32_ram_bytes", number)
    cost: float | None = stored("cost", number)
    float32_cost: float | None = stored("float32_cost", number)


@dataclass(frozen=True, kw_only=True)
class ComparedWidth(Stored):
    """float8 and int8 at one width: the specs, their quality, and float8 − int8 paired by query."""

    float8: str = stored("float8", text)
    int8: str = stored("int8", text)
    float8_value: float | None = stored("float8_value", number)
    int8_value: float | None = stored("int8_value", number)
    difference: float | None = stored("difference", number)
    difference_ci: Interval | None = stored("difference_ci", interval)


@dataclass(frozen=True, kw_only=True)
class ComparedWidths(Stored):
    """float8 − int8 at each width, and over all of them."""

    widths: list[ComparedWidth] = stored("widths", listed(ComparedWidth))
    difference: float | None = stored("difference", number)
    difference_ci: Interval | None = stored("difference_ci", interval)


@dataclass(frozen=True, kw_only=True)
class Float8OrInt8(Stored):
    """The published comparison, the one on decoded values, and who leads in one sentence."""

    published: ComparedWidths = stored("published", one(ComparedWidths))
    correct: ComparedWidths = stored("correct", one(ComparedWidths))
    sentence: str = stored("sentence", text)


@dataclass(frozen=True, kw_only=True)
class CompressResult(Result):
    """Ways to store the vectors, judged, and the one that was recommended and built.

    `quality` is what the rows are compared by; `baseline` is exact float32 search.
    """

    quality: str | None = stored("quality", some_text, optional=True)
    baseline: Row = stored("baseline", one(Row))
    tradeoffs: list[Row] = stored("tradeoffs", listed(Row))
    rescoring: list[RescoringCurve] = stored("rescoring", listed(RescoringCurve))
    prediction: Prediction | None = stored("prediction", maybe(Prediction))
    recommendation: Recommendation = stored("recommendation", one(Recommendation))
    budget: Budget | None = stored("budget", maybe(Budget))
    keep: float | None = stored("keep", number)
    protocol: Protocol = stored("protocol", one(Protocol))
    warnings: list[str] = stored("warnings", texts)
    float8_or_int8: Float8OrInt8 | None = stored("float8_or_int8", maybe(Float8OrInt8), optional=True)
    price: Price | None = stored("price", maybe(Price), optional=True)

    @property
    def measure(self) -> str:
        """What the rows are compared by: the stored quality, or nDCG@10."""
        return self.quality or NDCG

    @property
    def rows(self) -> list[Row]:
        """All rows, the baseline among them."""
        listed = any(row.spec == self.baseline.spec for row in self.tradeoffs)
        return self.tradeoffs if listed or not self.baseline.keys else [self.baseline, *self.tradeoffs]
