"""The result of a compress run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.results.limits import Confidence
from embgeo.results.rows import Holding, Row
from embgeo.results.shared import NDCG, RECALL, Estimate, Result
from embgeo.results.stored import Interval, Stored, objects, stored


class CrossFitted(Estimate):
    """Quality that this selection rule delivers on queries that had no part in the choice."""

    difference: float | None = None
    difference_ci: Interval | None = None
    chosen: Mapping[str, float] = stored()
    meaning: str = ""


class LostDocuments(Stored):
    """Documents that float32 retrieves for some query and the store for none: how many, and the first ids."""

    count: int | None = None
    ids: list[str] = stored()


class StoreEffects(Stored):
    """What the built store changes beyond quality, against exact float32 search."""

    document_overlap: float | None = stored(key="document_overlap@10")
    probes: int | None = None
    hubness: Mapping[str, float] = stored()
    reachable: Mapping[str, int] = stored(key="reachable@100")
    newly_unreachable: LostDocuments | None = None


class Recommendation(Row):
    """The row that was chosen, why, and what was built from it; `state` lists the arrays of its constant bytes."""

    tied_with: list[str] | None = None
    cross_fitted: CrossFitted | None = None
    meets_keep: bool | None = None
    reason: str | None = None
    effects: StoreEffects | None = None
    state: Sequence[Mapping[str, Any]] = stored(read=objects)


class RescoringPoint(Stored):
    """Quality of one oversampling factor, or of one of the two codes alone (without factor and candidates)."""

    factor: int | None = stored(optional=True)
    candidates: int | None = stored(optional=True)
    spec: str = ""
    ndcg: float | None = stored(key=NDCG)
    ndcg_ci: Interval | None = stored(key=f"{NDCG}_ci")
    recall: float | None = stored(key=RECALL)
    qps: float | None = None
    single_query_ms: float | None = None
    bytes_per_vector: float | None = None


class RescoringCurve(Stored):
    """Quality against the number of candidates, for one pair of codes."""

    search: str = ""
    rescore: str = ""
    points: list[RescoringPoint] = stored()
    search_alone: RescoringPoint | None = None
    rescore_alone: RescoringPoint | None = None


class WorstPrediction(Stored):
    """The codec with the largest prediction error."""

    spec: str = ""
    error: float | None = None


class Prediction(Stored):
    """How far the predictions were off; `passed_over` are the predicted recalls of codecs that were not run."""

    known: str = ""
    mean_norm: float | None = None
    specs: int | None = None
    mean_absolute_error: float | None = None
    mean_absolute_error_high_recall: float | None = None
    high_recall: float | None = None
    mean_error: float | None = None
    worst: WorstPrediction | None = None
    passed_over: Mapping[str, float] = stored()


class Budget(Stored):
    """The requested limit: bytes per vector, or bytes of the whole `store` of so many `vectors`."""

    text: str = ""
    per_vector: float | None = None
    store: float | None = None
    vectors: int | None = None


class Protocol(Stored):
    """How the rows were evaluated and timed; what is only displayed is in `extra`."""

    queries: int | None = stored(optional=True)
    selection: str | None = stored(optional=True)
    resumed: list[str] | None = stored(optional=True)
    fit_budget: str | None = stored(optional=True)
    fit_budget_seconds: float | None = stored(optional=True)
    left_out: Mapping[str, float] | None = stored(optional=True)
    plan: str | None = stored(optional=True)
    seconds: float | None = stored(optional=True)
    predicted_seconds: float | None = stored(optional=True)
    time_limit_seconds: float | None = stored(optional=True)
    timing_seconds: float | None = stored(optional=True)
    unjudged: list[str] | None = stored(optional=True)


class Stage(Stored):
    """A sample of a large corpus: its documents, `needed` of them in every sample, the specs judged on it, how many of
    those were clearly beaten or cut without that, and those for which the time did not suffice."""

    documents: int | None = None
    needed: int | None = None
    specs: int | None = None
    beaten: int | None = None
    cut: int | None = None
    unjudged: list[str] = stored()
    seconds: float | None = None
    resumed: int | None = None


class DroppedSpec(Stored):
    """A spec that was not judged on the whole corpus: what it did on a sample of so many `documents`, and why it went
    no further. `quality` is by the run's measure, `difference` that of its recall to the `leader`'s on that sample."""

    spec: str = ""
    bytes_per_vector: float | None = None
    documents: int | None = None
    quality: float | None = None
    retained: float | None = None
    retained_ci: Interval | None = None
    recall: float | None = stored(key=RECALL)
    reason: str = ""
    beaten: bool | None = None
    leader: str = ""
    difference: float | None = None
    difference_ci: Interval | None = None


class Race(Stored):
    """The samples of a large corpus on which specs were ruled out, before the `finalists` were judged on all of it."""

    stages: list[Stage] = stored()
    dropped: list[DroppedSpec] = stored()
    finalists: list[str] = stored()
    meaning: str = ""


class Price(Stored):
    """The cost of the recommended store and of float32 at a number of vectors, in the user's price of 10⁹ bytes."""

    per_gb: float | None = None
    vectors: int | None = None
    measured_at: int | None = None
    ram_bytes: float | None = None
    float32_ram_bytes: float | None = None
    cost: float | None = None
    float32_cost: float | None = None


class ComparedWidth(Stored):
    """float8 and int8 at one width: the specs, their quality, and float8 − int8 paired by query."""

    float8: str = ""
    int8: str = ""
    float8_value: float | None = None
    int8_value: float | None = None
    difference: float | None = None
    difference_ci: Interval | None = None


class ComparedWidths(Stored):
    """float8 − int8 at each width, and over all of them."""

    widths: list[ComparedWidth] = stored()
    difference: float | None = None
    difference_ci: Interval | None = None


class Float8OrInt8(Stored):
    """The published comparison, the one on decoded values, and who leads in one sentence."""

    published: ComparedWidths = stored()
    correct: ComparedWidths = stored()
    sentence: str = ""


class Deployable(Stored):
    """A row that a store holds, and its quality minus that of the recommended row, paired by query."""

    spec: str = ""
    bytes_per_vector: float | None = None
    targets: list[Holding] = stored()
    difference: float | None = None
    difference_ci: Interval | None = None
    recall: float | None = stored(key=RECALL)


class Deploy(Stored):
    """Which targets hold the recommended spec; `other`, what one holds if no store but FAISS holds it.

    With `--target` these are the named ones that hold it; `picks` has the row that each of the named ones would get (no
    spec, and the reason, where nothing fits), `accounts` what their bytes rest on.
    """

    spec: str = ""
    targets: list[Holding] = stored()
    other: Deployable | None = stored(optional=True)
    picks: list[Deployable] | None = stored(optional=True)
    accounts: Mapping[str, str] | None = stored(optional=True)


class ForecastAt(Stored):
    """The recall forecast for one size of the corpus."""

    documents: int | None = None
    recall: float | None = stored(key=RECALL)
    recall_ci: Interval | None = stored(key=f"{RECALL}_ci")


class ForecastCurve(Stored):
    """The recall of one spec from this corpus to the planned one."""

    spec: str = ""
    points: list[ForecastAt] = stored()


class Forecast(Stored):
    """Recall among the `vectors` that --vectors plans for, from samples of these `documents`.

    `errors` has, by how many times its evidence, the mean absolute error of forecasts within this corpus; `reason` says
    why nothing was forecast.
    """

    vectors: int | None = None
    documents: int | None = None
    errors: Mapping[str, float] = stored()
    curves: list[ForecastCurve] = stored()
    reason: str | None = stored(optional=True)


class MetricChange(Stored):
    """Whether a codec that compares by another metric (partial whitening) replaces the one of the rule.

    Chosen on half of the groups of queries and evaluated on the other, in `halvings` random halvings: `gain` is to the
    same codec without the change, judged alike (`reference`), `difference` to the row that the rule chooses otherwise
    (`instead`). It is `accepted` if both intervals lie above zero. `spec` is the best by all queries, "" if none gains.
    """

    accepted: bool | None = None
    spec: str = ""
    reference: str = ""
    instead: str = ""
    gain: float | None = None
    gain_ci: Interval | None = None
    difference: float | None = None
    difference_ci: Interval | None = None
    expected: CrossFitted | None = None
    halvings: int | None = None
    mean_norm: float | None = stored(optional=True)


class CompressResult(Result):
    """Stores that were evaluated, and the one that was recommended and built.

    `quality` is what the rows are compared by; `baseline` is exact float32 search.
    """

    quality: str | None = stored(optional=True)
    baseline: Row = stored()
    tradeoffs: list[Row] = stored()
    rescoring: list[RescoringCurve] = stored()
    prediction: Prediction | None = None
    recommendation: Recommendation = stored()
    budget: Budget | None = None
    keep: float | None = None
    protocol: Protocol = stored()
    warnings: list[str] = stored()
    float8_or_int8: Float8OrInt8 | None = stored(optional=True)
    price: Price | None = stored(optional=True)
    deploy: Deploy | None = stored(optional=True)
    forecast: Forecast | None = stored(optional=True)
    race: Race | None = stored(optional=True)
    confidence: Confidence | None = stored(optional=True)
    metric_change: MetricChange | None = stored(optional=True)

    @property
    def measure(self) -> str:
        """What the rows are compared by: the stored quality, or nDCG@10."""
        return self.quality or NDCG

    @property
    def rows(self) -> list[Row]:
        """All rows, the baseline among them."""
        listed = any(row.spec == self.baseline.spec for row in self.tradeoffs)
        return self.tradeoffs if listed or not self.baseline.keys else [self.baseline, *self.tradeoffs]
