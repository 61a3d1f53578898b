"""What a comparison of runs found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embgeo.results.rows import Row
from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import (
    Interval,
    Stored,
    each,
    flag,
    interval,
    listed,
    maybe,
    named,
    number,
    numbers,
    one,
    some_amounts,
    some_numbers,
    some_text,
    stored,
    text,
    texts,
)


@dataclass(frozen=True, kw_only=True)
class ComparedFacts(Stored):
    """One run of the comparison: its `label` (A, B, A2), the letter of its `subject`, and what it is about."""

    label: str = stored("label", text)
    subject: str = stored("subject", text)
    command: str = stored("command", text)
    folder: str = stored("folder", text)
    path: str | None = stored("path", some_text, optional=True)
    identity: str | None = stored("identity", some_text)
    created: str | None = stored("created", some_text)
    model: str | None = stored("model", some_text)
    variant: str | None = stored("variant", some_text, optional=True)
    dataset: str | None = stored("dataset", some_text)
    fingerprint: str | None = stored("fingerprint", some_text)
    documents: int | None = stored("documents", number)
    queries: int | None = stored("queries", number)
    dimension: int | None = stored("dimension", number)
    similarity: str | None = stored("similarity", some_text)


@dataclass(frozen=True, kw_only=True)
class ComparedValue(Estimate):
    """A measure of one run among others."""

    n: int | None = stored("n", number)
    status: str | None = stored("status", some_text)
    reason: str | None = stored("reason", some_text)


@dataclass(frozen=True, kw_only=True)
class ComparedMeasure(Stored):
    """One measure of all runs, `values` and `z` in their order; the differences are those of two runs."""

    name: str = stored("name", text)
    family: str = stored("family", text)
    values: list[ComparedValue] = stored("values", each(ComparedValue))
    z: list[float | None] | None = stored("z", some_numbers)
    intervals_overlap: bool | None = stored("intervals_overlap", flag)
    same_n: bool | None = stored("same_n", flag)
    difference: float | None = stored("difference", number)
    relative_difference: float | None = stored("relative_difference", number)


@dataclass(frozen=True, kw_only=True)
class ComparedSignatures(Stored):
    """The signatures side by side: `runs` by label, and the orders in which like ones are neighbours."""

    runs: list[str] = stored("runs", texts)
    normalisation: str = stored("normalisation", text)
    order: str = stored("order", text)
    measure_order: list[str] = stored("measure_order", texts)
    run_order: list[str] = stored("run_order", texts)
    measures: list[ComparedMeasure] = stored("measures", listed(ComparedMeasure))


@dataclass(frozen=True, kw_only=True)
class SimilarPair(Stored):
    """How alike two models are on `n` of the documents that both runs hold, with the values `chance` would give."""

    a: str = stored("a", text)
    b: str = stored("b", text)
    status: str = stored("status", text)
    reason: str | None = stored("reason", some_text)
    detail: str | None = stored("detail", some_text)
    n: int | None = stored("n", number)
    shared: int | None = stored("shared", number)
    values: Mapping[str, float | None] | None = stored("values", some_amounts)
    chance: Mapping[str, float | None] | None = stored("chance", some_amounts)


@dataclass(frozen=True, kw_only=True)
class PairedTest(Stored):
    """The difference first − second of one measure, paired by query; `note` says why there is no interval."""

    a: float | None = stored("a", number)
    b: float | None = stored("b", number)
    difference: float | None = stored("difference", number)
    difference_ci: Interval | None = stored("difference_ci", interval)
    p: float | None = stored("p", number)
    wins: int | None = stored("wins", number)
    losses: int | None = stored("losses", number)
    ties: int | None = stored("ties", number)
    changed_bound: float | None = stored("changed_bound", number)
    note: str | None = stored("note", some_text)
    p_holm: float | None = stored("p_holm", number)


@dataclass(frozen=True, kw_only=True)
class QueryPair(Stored):
    """Two ways of searching on the judged queries that both share."""

    a: str = stored("a", text)
    b: str = stored("b", text)
    n: int | None = stored("n", number)
    queries: list[int | None] = stored("queries", numbers)
    status: str = stored("status", text)
    reason: str | None = stored("reason", some_text)
    measures: dict[str, PairedTest] | None = stored("measures", named(PairedTest))


@dataclass(frozen=True, kw_only=True)
class JudgedRun(Stored):
    """Exact search of one run: the mean of each measure."""

    label: str = stored("label", text)
    measures: dict[str, Estimate] | None = stored("measures", named(Estimate))


@dataclass(frozen=True, kw_only=True)
class ComparedRetrieval(Stored):
    """Exact search of the runs, and the pairs."""

    runs: list[JudgedRun] = stored("runs", listed(JudgedRun))
    method: str = stored("method", text)
    pairs: list[QueryPair] = stored("pairs", listed(QueryPair))


@dataclass(frozen=True, kw_only=True)
class JudgedStore(Stored):
    """The recommended store of one run."""

    label: str = stored("label", text)
    spec: str = stored("spec", text)
    value: float | None = stored("value", number)


@dataclass(frozen=True, kw_only=True)
class ComparedStores(Stored):
    """The recommended stores, and the pairs."""

    stores: list[JudgedStore] = stored("stores", listed(JudgedStore))
    method: str = stored("method", text)
    pairs: list[QueryPair] = stored("pairs", listed(QueryPair))


@dataclass(frozen=True, kw_only=True)
class FrontRow(Row):
    """A store of a front: quality as it is, and as a share of float32's; `front`: no smaller row is as good."""

    quality: float | None = stored("quality", number)
    relative_quality: float | None = stored("relative_quality", number)
    relative_bytes: float | None = stored("relative_bytes", number)
    front: bool | None = stored("front", flag)


@dataclass(frozen=True, kw_only=True)
class Front(Stored):
    """The stores of one run by rising bytes."""

    label: str = stored("label", text)
    baseline: Row = stored("baseline", one(Row))
    recommended: str | None = stored("recommended", some_text)
    rows: list[FrontRow] = stored("rows", listed(FrontRow))


@dataclass(frozen=True, kw_only=True)
class FrontGroup(Stored):
    """The fronts that share a measure of quality, and so an axis."""

    measure: str = stored("measure", text)
    fronts: list[Front] = stored("fronts", listed(Front))


@dataclass(frozen=True, kw_only=True)
class StoreCost(Stored):
    """Bytes and price of one store at the number of vectors that is planned for."""

    label: str = stored("label", text)
    spec: str = stored("spec", text)
    bytes_per_vector: float | None = stored("bytes_per_vector", number)
    constant_bytes: float | None = stored("constant_bytes", number)
    vectors: int | None = stored("vectors", number)
    total_bytes: float | None = stored("total_bytes", number)
    codec_encode_seconds: float | None = stored("codec_encode_seconds", number)
    price: float | None = stored("price", number)


@dataclass(frozen=True, kw_only=True)
class CheckedCondition(Stored):
    """What came of one --fail-if on one run."""

    condition: str = stored("condition", text)
    metric: str = stored("metric", text)
    run: str = stored("run", text)
    reference_run: str = stored("reference_run", text)
    value: float | None = stored("value", number)
    reference: float | None = stored("reference", number)
    difference: float | None = stored("difference", number)
    relative: float | None = stored("relative", number)
    difference_ci: Interval | None = stored("difference_ci", interval)
    queries: int | None = stored("queries", number)
    note: str | None = stored("note", some_text)
    limit: float | None = stored("limit", number)
    limit_is_relative: bool | None = stored("limit_is_relative", flag)
    fires: bool | None = stored("fires", flag)


@dataclass(frozen=True, kw_only=True)
class CompareResult(Result):
    """Several runs side by side."""

    runs: list[ComparedFacts] = stored("runs", listed(ComparedFacts))
    signatures: ComparedSignatures | None = stored("signatures", maybe(ComparedSignatures))
    model_similarity: list[SimilarPair] = stored("model_similarity", listed(SimilarPair))
    retrieval: ComparedRetrieval | None = stored("retrieval", maybe(ComparedRetrieval))
    stores: ComparedStores | None = stored("stores", maybe(ComparedStores))
    fronts: list[FrontGroup] = stored("fronts", listed(FrontGroup))
    cost: list[StoreCost] = stored("cost", listed(StoreCost))
    conditions: list[CheckedCondition] | None = stored(
        "conditions", lambda value: listed(CheckedCondition)(value) if isinstance(value, list) else None, optional=True
    )
    warnings: list[str] = stored("warnings", texts)
