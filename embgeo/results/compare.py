"""The result of a comparison of runs."""

from __future__ import annotations

from collections.abc import Mapping

from embgeo.results.rows import Row
from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import Interval, Stored, listed, stored


class ComparedFacts(Stored):
    """One run of the comparison: its `label` (A, B, A2), the letter of its `subject`, and what it is about."""

    label: str = ""
    subject: str = ""
    command: str = ""
    folder: str = ""
    path: str | None = stored(optional=True)
    identity: str | None = None
    created: str | None = None
    model: str | None = None
    variant: str | None = stored(optional=True)
    dataset: str | None = None
    fingerprint: str | None = None
    documents: int | None = None
    queries: int | None = None
    dimension: int | None = None
    similarity: str | None = None


class ComparedValue(Estimate):
    """A measure of one run among others."""

    n: int | None = None
    status: str | None = None
    reason: str | None = None


class ComparedMeasure(Stored):
    """One measure of all runs, `values` and `z` in their order; the differences are those of two runs."""

    name: str = ""
    family: str = ""
    values: list[ComparedValue] = stored(read=lambda value: [ComparedValue.from_json(item) for item in listed(value)])
    z: list[float | None] | None = None
    intervals_overlap: bool | None = None
    same_n: bool | None = None
    difference: float | None = None
    relative_difference: float | None = None


class ComparedSignatures(Stored):
    """The signatures side by side: `runs` by label, and the orders that place similar ones next to each other."""

    runs: list[str] = stored()
    normalisation: str = ""
    order: str = ""
    measure_order: list[str] = stored()
    run_order: list[str] = stored()
    measures: list[ComparedMeasure] = stored()


class MeasureGroup(Stored):
    """Measures that order the runs alike, and the least |ρ| among them."""

    measures: list[str] = stored()
    least_correlation: float | None = None


class RedundantMeasures(Stored):
    """`groups` among `measures` measures of `runs` runs, which are `distinct` things with those in no group.

    Within a group every |ρ| is at least `limit`; `chance` is the share of unrelated pairs of which that is true.
    """

    runs: int | None = None
    measures: int | None = None
    distinct: int | None = None
    limit: float | None = None
    chance: float | None = None
    groups: list[MeasureGroup] = stored()


class SimilarPair(Stored):
    """How similar two models are on `n` of the documents that both runs hold, and the values expected by `chance`."""

    a: str = ""
    b: str = ""
    status: str = ""
    reason: str | None = None
    detail: str | None = None
    n: int | None = None
    shared: int | None = None
    values: Mapping[str, float | None] | None = None
    chance: Mapping[str, float | None] | None = None


class PairedTest(Stored):
    """The difference first − second of one measure, paired by query; `note` says why there is no interval."""

    a: float | None = None
    b: float | None = None
    difference: float | None = None
    difference_ci: Interval | None = None
    p: float | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    changed_bound: float | None = None
    note: str | None = None
    p_holm: float | None = None


class QueryPair(Stored):
    """Two ways of searching on the judged queries that both share."""

    a: str = ""
    b: str = ""
    n: int | None = None
    queries: list[int | None] = stored()
    status: str = ""
    reason: str | None = None
    measures: dict[str, PairedTest] | None = None


class JudgedRun(Stored):
    """Exact search of one run: the mean of each measure."""

    label: str = ""
    measures: dict[str, Estimate] | None = None


class ComparedRetrieval(Stored):
    """Exact search of the runs, and the pairs."""

    runs: list[JudgedRun] = stored()
    method: str = ""
    pairs: list[QueryPair] = stored()


class JudgedStore(Stored):
    """The recommended store of one run."""

    label: str = ""
    spec: str = ""
    value: float | None = None


class ComparedStores(Stored):
    """The recommended stores, and the pairs."""

    stores: list[JudgedStore] = stored()
    method: str = ""
    pairs: list[QueryPair] = stored()


class FrontRow(Row):
    """A store among the fronts: quality, also as a share of float32's; `front`: no smaller row is as good."""

    quality: float | None = None
    relative_quality: float | None = None
    relative_bytes: float | None = None
    front: bool | None = None


class Front(Stored):
    """The stores of one run by rising bytes."""

    label: str = ""
    baseline: Row = stored()
    recommended: str | None = None
    rows: list[FrontRow] = stored()


class FrontGroup(Stored):
    """The fronts that share a measure of quality, and so an axis."""

    measure: str = ""
    fronts: list[Front] = stored()


class StoreCost(Stored):
    """Bytes and price of one store at the planned number of vectors."""

    label: str = ""
    spec: str = ""
    bytes_per_vector: float | None = None
    constant_bytes: float | None = None
    vectors: int | None = None
    total_bytes: float | None = None
    codec_encode_seconds: float | None = None
    price: float | None = None


class CheckedCondition(Stored):
    """The outcome of one --fail-if condition on one run."""

    condition: str = ""
    metric: str = ""
    run: str = ""
    reference_run: str = ""
    value: float | None = None
    reference: float | None = None
    difference: float | None = None
    relative: float | None = None
    difference_ci: Interval | None = None
    queries: int | None = None
    note: str | None = None
    limit: float | None = None
    limit_is_relative: bool | None = None
    fires: bool | None = None


class CompareResult(Result):
    """Several runs side by side."""

    runs: list[ComparedFacts] = stored()
    signatures: ComparedSignatures | None = None
    redundancy: RedundantMeasures | None = stored(optional=True)
    model_similarity: list[SimilarPair] = stored()
    retrieval: ComparedRetrieval | None = None
    stores: ComparedStores | None = None
    fronts: list[FrontGroup] = stored()
    cost: list[StoreCost] = stored()
    conditions: list[CheckedCondition] | None = stored(optional=True)
    warnings: list[str] = stored()
