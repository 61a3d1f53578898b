"""The rows of a result: what a sweep found and decided for every spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from embgeo.compression.choosing.account import Footprint
from embgeo.compression.choosing.decision import Decision
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep
from embgeo.results.compress import RescoringCurve, RescoringPoint
from embgeo.results.rows import Estimator, IndexCurve, Planned, Row
from embgeo.results.shared import RECALL
from embgeo.retrieval.paired_test import no_interval
from embgeo.retrieval.significance import MIN_CHANGED, QueryBootstrap, changed_bound

POINT = ("spec", "ndcg", "ndcg_ci", "recall", "qps", "single_query_ms", "bytes_per_vector")


def tradeoff_rows(
    sweep: Sweep,
    bootstrap: QueryBootstrap,
    vectors: int | None = None,
    predicted: Mapping[str, float] | None = None,
    decision: Decision | None = None,
) -> list[Row]:
    """One row per outcome, the baseline first.

    `vectors` is the planned size of the store, `predicted` maps specs to recall; a `decision` marks the rows.
    `bytes_per_vector` is what one more vector adds: its codes, plus its links or list entry if there is an index, also
    given as `structure_bytes_per_vector`; budgets and fronts use the sum. With `--target` the bytes are those of
    the target, and `bytes_per_vector` what a search reads or keeps in memory there. `structure_bytes` is the whole
    built index, including centroids, which are part of `constant_bytes` too. `index` holds recall and speed by effort.
    """
    rows = []
    for place, outcome in enumerate(sweep.all):
        optional: dict[str, Any] = {} if decision is None else decision.marks(place)
        footprint = None if decision is None else decision.limits.size(outcome).footprint
        if outcome.spec.own_metric:
            optional |= _changed(sweep, outcome, bootstrap)
        if predicted is not None:
            optional |= _predicted(str(outcome.spec), predicted)
        rows.append(
            Row(
                spec=str(outcome.spec),
                constant_bytes=outcome.constant_bytes,
                structure_bytes=outcome.structure_bytes,
                **_speed(outcome),
                fit_seconds=outcome.fit_seconds,
                encode_seconds=outcome.encode_seconds,
                query_side=_query_side(outcome.spec),
                searcher=outcome.searcher,
                tie_band=outcome.band,
                estimator=Estimator.from_json(outcome.estimator),
                **_quality(sweep, outcome, bootstrap),
                **{**_parts(outcome), **_sizes(sweep, outcome, vectors, footprint)},
                **optional,
            )
        )
    return rows


def _speed(outcome: Outcome) -> dict[str, Any]:
    names = ("qps", "qps_range", "single_query_ms", "single_query_ms_range")
    return {} if outcome.timing is None else {name: getattr(outcome.timing, name) for name in names}


def _query_side(spec: Spec) -> str:
    if spec.centred:
        return "code × code"
    return f"{'rounded' if spec.quantizer.rounds_queries else 'float32'} query × decoded document"


def _sizes(sweep: Sweep, outcome: Outcome, vectors: int | None, footprint: Footprint | None) -> dict[str, Any]:
    """Bytes in embgeo's own file, or by the account of a store."""
    n, float32 = sweep.documents, sweep.baseline.code_bytes
    if footprint is None:
        store = n * outcome.code_bytes + outcome.state_bytes + outcome.structure_bytes
        planned = None if vectors is None else vectors * outcome.bytes_per_vector + outcome.constant_bytes
        found: dict[str, Any] = {
            "bytes_per_vector": outcome.bytes_per_vector,
            "ram_bytes": outcome.ram_bytes,
            "disk_bytes": outcome.file_bytes,
            "store_bytes": store,
            "id_bytes": outcome.file_bytes - store,
        }
    else:
        store = footprint.growing_bytes(n)
        planned = None if vectors is None else footprint.growing_bytes(vectors)
        found = {
            "bytes_per_vector": footprint.hot_bytes,
            "ram_bytes": n * footprint.hot_bytes,
            "disk_bytes": footprint.whole_bytes(n),
            "store_bytes": store,
            "code_bytes_per_vector": outcome.code_bytes,
        }
    if vectors is not None and planned:
        ratio = vectors * float32 / planned
        found["planned"] = Planned(vectors=vectors, store_bytes=planned, ratio=ratio)
    return {**found, "ratio": n * float32 / store}


def _quality(sweep: Sweep, outcome: Outcome, bootstrap: QueryBootstrap) -> dict[str, Any]:
    """Quality out of sample with its intervals, and compared with float32's query by query."""
    quality, base = outcome.quality, sweep.baseline.quality
    is_base = outcome is sweep.baseline
    mean, gaps = float(quality.mean()), quality - base
    changed, apart = int(np.count_nonzero(gaps)), bootstrap.changed(gaps)
    found: dict[str, Any] = {
        "ndcg": mean if sweep.judged else None,
        "ndcg_ci": bootstrap.mean_interval(quality) if sweep.judged else None,
        "in_sample_ndcg": float(outcome.in_sample.mean()) if sweep.judged else None,
        "difference": 0.0 if is_base else mean - float(base.mean()),
        "difference_ci": None if is_base else bootstrap.difference(quality, base),
        "retained": mean / float(base.mean()) if base.any() else None,
        "retained_ci": bootstrap.ratio(quality, base),
        "recall": float(outcome.recall.mean()),
        "recall_ci": _recall_interval(outcome.recall, bootstrap),
        "changed_queries": changed,
    }
    if not is_base and apart < MIN_CHANGED:
        found["note"] = no_interval(changed, len(base), apart)
        found["changed_bound"] = None if changed else changed_bound(changed, len(base))
    return found


def _parts(outcome: Outcome) -> dict[str, Any]:
    """The bytes of two tiers and of an index, if any."""
    found: dict[str, Any] = {}
    if outcome.spec.rescorer is not None:
        found["search_bytes_per_vector"], found["rescore_bytes_per_vector"] = outcome.tier_bytes
    if outcome.index is not None:
        found["code_bytes_per_vector"] = outcome.code_bytes
        found["structure_bytes_per_vector"] = outcome.spec.structure_bytes_per_vector
        found["index"] = IndexCurve.from_json(outcome.index)
    return found


def _changed(sweep: Sweep, outcome: Outcome, bootstrap: QueryBootstrap) -> dict[str, Any]:
    """What a row that compares by another metric gains over the same codec without the change, if that was judged."""
    if outcome.spec == outcome.spec.neutral:
        return {"reference": str(outcome.spec)}
    by_spec = {each.spec: each for each in sweep.all}
    reference = by_spec.get(outcome.spec.neutral) or by_spec.get(outcome.spec.plain)
    if reference is None or not sweep.judged:
        return {}
    gain = float((outcome.quality - reference.quality).mean())
    interval = bootstrap.difference(outcome.quality, reference.quality)
    return {"reference": str(reference.spec), "gain": gain, "gain_ci": interval}


def _predicted(spec: str, predicted: Mapping[str, float]) -> dict[str, Any]:
    """The predicted recall of a spec; a spec without a prediction has null there."""
    return {"predicted_recall": predicted[spec]} if spec in predicted else {"extra": {f"predicted_{RECALL}": None}}


def _recall_interval(recall: np.ndarray, bootstrap: QueryBootstrap) -> tuple[float, float] | None:
    """Interval of the mean recall; None if fewer than five queries lose a neighbour."""
    lost = bootstrap.difference(recall, np.ones_like(recall))
    return None if lost is None else (1 + lost[0], min(1.0, 1 + lost[1]))


def rescoring_curves(rows: Sequence[Row]) -> list[RescoringCurve]:
    """Quality against oversampling, one curve for each pair of codes that was evaluated with rescoring.

    Points are in order of factor; `search_alone` and `rescore_alone` are the values of the row that searches with only
    one of the codes, or None if that row was not evaluated.
    """
    points = {row.spec: RescoringPoint(**{name: getattr(row, name) for name in POINT}) for row in rows}
    pairs: dict[tuple[str, str], list[RescoringPoint]] = {}
    for row in rows:
        spec = parse(row.spec)
        if spec.rescorer is not None and spec.index is None:
            point = replace(points[row.spec], factor=spec.factor, candidates=10 * spec.factor)
            pairs.setdefault((str(spec.tiers[0]), str(spec.tiers[1])), []).append(point)
    return [
        RescoringCurve(
            search=search,
            rescore=rescore,
            points=sorted(found, key=lambda point: point.factor or 0),
            search_alone=points.get(search),
            rescore_alone=points.get(rescore),
        )
        for (search, rescore), found in pairs.items()
    ]
