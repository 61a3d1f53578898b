"""From a sweep to the JSON contract: rows, budget, recommendation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.front import pareto_front
from embgeo.compression.choosing.select import (
    CrossFitted,
    Field,
    choose,
    cross_fit,
    keep_p_values,
    queries_needed,
)
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.sweep import Outcome, Sweep
from embgeo.errors import BudgetError
from embgeo.retrieval.paired_test import no_interval
from embgeo.retrieval.significance import MIN_CHANGED, QueryBootstrap, changed_bound

FEW_QUERIES = 10
POOR = 0.9  # share of the quality below which an answer comes with a warning


def tradeoff_rows(sweep: Sweep, documents: int, bootstrap: QueryBootstrap, vectors: int | None) -> list[dict[str, Any]]:
    """One row of the JSON contract (`result.schema.json`) per outcome, the baseline first.

    `bytes_per_vector` is what one more vector adds: codes, and with an index its links or list entry, which stand
    apart as `structure_bytes_per_vector`; budgets and fronts see the sum. `structure_bytes` is all of the built index,
    centroids included, which are part of `constant_bytes` too. `index` holds recall and speed by effort.
    """
    base = sweep.baseline
    whole = documents * base.code_bytes
    rows = []
    for outcome in [base, *sweep.outcomes]:
        judged = sweep.measure == "ndcg@10"
        mean = float(outcome.quality.mean())
        own = bootstrap.mean_interval(outcome.quality)
        is_base = outcome is base
        difference = None if is_base else bootstrap.difference(outcome.quality, base.quality)
        gaps = outcome.quality - base.quality
        changed, apart = int(np.count_nonzero(gaps)), bootstrap.changed(gaps)
        store = documents * outcome.code_bytes + outcome.state_bytes + outcome.structure_bytes
        row: dict[str, Any] = {
            "spec": str(outcome.spec),
            "bytes_per_vector": outcome.bytes_per_vector,
            "constant_bytes": outcome.constant_bytes,
            "structure_bytes": outcome.structure_bytes,
            "ram_bytes": outcome.ram_bytes,
            "disk_bytes": outcome.file_bytes,
            "store_bytes": store,
            "id_bytes": outcome.file_bytes - store,
            "ratio": whole / store,
            "ndcg@10": mean if judged else None,
            "ndcg@10_ci": own if judged else None,
            "difference": 0.0 if is_base else mean - float(base.quality.mean()),
            "difference_ci": difference,
            "retained": mean / float(base.quality.mean()) if base.quality.any() else None,
            "retained_ci": bootstrap.ratio(outcome.quality, base.quality),
            "in_sample_ndcg@10": float(outcome.in_sample.mean()) if judged else None,
            "recall@10_exact": float(outcome.recall.mean()),
            "recall@10_exact_ci": _recall_interval(outcome.recall, bootstrap),
            "qps": outcome.timing.qps,
            "qps_range": outcome.timing.qps_range,
            "single_query_ms": outcome.timing.single_query_ms,
            "single_query_ms_range": outcome.timing.single_query_ms_range,
            "fit_seconds": outcome.fit_seconds,
            "encode_seconds": outcome.encode_seconds,
            "query_side": "code × code" if outcome.spec.centred else "float32 query × decoded document",
            "searcher": outcome.searcher,
            "tie_band": outcome.band,
            "estimator": outcome.estimator,
            "changed_queries": changed,
        }
        if outcome.spec.rescorer is not None:
            row["search_bytes_per_vector"], row["rescore_bytes_per_vector"] = outcome.tier_bytes
        if outcome.index is not None:
            row["code_bytes_per_vector"] = outcome.code_bytes
            row["structure_bytes_per_vector"] = outcome.spec.structure_bytes_per_vector
            row["index"] = outcome.index
        if not is_base and apart < MIN_CHANGED:
            queries = len(base.quality)
            row["note"] = no_interval(changed, queries, apart)
            if not changed:
                row["changed_bound"] = changed_bound(changed, queries)
        if vectors is not None:
            planned = vectors * outcome.bytes_per_vector + outcome.constant_bytes
            row["planned"] = {
                "vectors": vectors,
                "store_bytes": planned,
                "ratio": vectors * base.code_bytes / planned,
            }
        rows.append(row)
    return rows


def _recall_interval(recall: np.ndarray, bootstrap: QueryBootstrap) -> tuple[float, float] | None:
    """Interval of the mean recall; None where under five queries lose a neighbour."""
    lost = bootstrap.difference(recall, np.ones_like(recall))
    return None if lost is None else (1 + lost[0], min(1.0, 1 + lost[1]))


def rescoring_curves(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Quality against oversampling, one entry for each pair of codes that was judged with rescoring.

    Keys: `search` and `rescore` (specs), `points` by ascending factor, each {factor, candidates (for ten results),
    ndcg@10, ndcg@10_ci, recall@10_exact, single_query_ms, qps, spec}, and `search_alone` and `rescore_alone`, the same
    values of the row that searches with one of the codes only, or None where that row was not judged.
    """
    values = ("ndcg@10", "ndcg@10_ci", "recall@10_exact", "qps", "single_query_ms", "bytes_per_vector")
    by_spec = {row["spec"]: {"spec": row["spec"], **{key: row[key] for key in values}} for row in rows}
    curves: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        spec = parse(row["spec"])
        if spec.rescorer is None or spec.index is not None:
            continue
        search, rescore = map(str, spec.tiers)
        empty: dict[str, Any] = {
            "search": search, "rescore": rescore, "points": [],
            "search_alone": by_spec.get(search), "rescore_alone": by_spec.get(rescore),
        }  # fmt: skip
        curve = curves.setdefault((search, rescore), empty)
        curve["points"].append({"factor": spec.factor, "candidates": 10 * spec.factor, **by_spec[row["spec"]]})
    for curve in curves.values():
        curve["points"].sort(key=lambda point: point["factor"])
    return list(curves.values())


def recommend(
    sweep: Sweep,
    rows: list[dict[str, Any]],
    budget: Budget | None,
    keep: float | None,
    vectors: int,
    seed: int,
    baseline_competes: bool = True,
) -> dict[str, Any]:
    """Mark `rows` (pareto, fits_budget, tied) and return the recommended one with its reason.

    Without `baseline_competes` float32 is the measure but not an answer: the user named other specs.
    Raises BudgetError when no row fits; the message gives the smallest size reached.
    """
    outcomes = [sweep.baseline, *sweep.outcomes]
    field = competition(sweep, budget, keep, vectors)
    if not baseline_competes and sweep.outcomes:
        field = replace(field, allowed=field.allowed & (np.arange(len(outcomes)) > 0))
    sound = np.array([not o.spec.centred for o in outcomes])
    if sound[1:].any():
        # the arithmetic of published studies is there to be compared, not to be shipped
        field = replace(field, allowed=field.allowed & sound)
    marginal = np.array([o.bytes_per_vector for o in outcomes])
    whole = vectors * marginal + np.array([o.constant_bytes for o in outcomes])
    if (smaller := field.allowed & (whole < whole[0])).any():
        # axes can outweigh a small corpus: a store larger than float32 is no answer while there is another
        field = replace(field, allowed=smaller | (field.allowed & (np.arange(len(outcomes)) == 0)))
    if not field.allowed.any():
        assert budget is not None
        raise BudgetError(_impossible(budget, outcomes, vectors))
    everything = np.ones(len(sweep.baseline.quality))
    choice = choose(field, everything)
    chosen = choice.row
    # where float32 finds nothing there is no quality to compare: a tie would claim that it was
    tied = choice.tied & sweep.baseline.quality.any()
    if keep is not None:
        # the query that is counted as lost guards a yes; a no has to come from what was seen
        below, needed = 1 - keep_p_values(field, everything, unseen=0), queries_needed(field, choice.kept)
    front = pareto_front(field.sizes, field.quality.mean(axis=1))
    for place, row in enumerate(rows):
        row["pareto"], row["fits_budget"], row["tied"] = (
            bool(front[place]),
            bool(field.allowed[place]),
            bool(tied[place]),
        )
        if keep is not None:
            row["keep"] = _verdict(bool(choice.kept[place]), float(below[place]), float(needed[place]))
    delivered = cross_fit(field, seed)
    recommendation = dict(rows[chosen])
    ties = [rows[place]["spec"] for place in np.lexsort((marginal, field.sizes)) if tied[place] and place != chosen]
    recommendation["tied_with"] = ties
    recommendation["cross_fitted"] = _delivered(delivered, rows)
    # float32 keeps everything by definition: where others were allowed, it is the answer for want of one
    for_want = keep is not None and chosen == 0 and bool(field.allowed[1:].any())
    recommendation["meets_keep"] = None if keep is None else bool(choice.kept[chosen]) and not for_want
    recommendation["reason"] = _reason(recommendation, sweep, budget, None if for_want else keep, ties)
    if keep is not None and for_want:
        recommendation["reason"] += _nothing_smaller(keep, len(everything), float(needed[1:].min()))
    return recommendation


def competition(sweep: Sweep, budget: Budget | None, keep: float | None, vectors: int) -> Field:
    """The field that `choose` decides: what is paid is bytes per vector unless the budget is on the whole store."""
    outcomes = [sweep.baseline, *sweep.outcomes]
    code = np.array([o.bytes_per_vector for o in outcomes], dtype=np.float64)
    constant = np.array([o.constant_bytes for o in outcomes], dtype=np.float64)
    whole = budget is not None and budget.per_vector is None
    sizes = vectors * code + constant if whole else code
    allowed = np.array([budget is None or budget.allows(c, s) for c, s in zip(code, constant, strict=True)])
    return Field(
        quality=np.stack([o.quality for o in outcomes]),
        recall=np.stack([o.recall for o in outcomes]),
        sizes=sizes,
        allowed=allowed,
        baseline=sweep.baseline.quality,
        groups=sweep.query_groups,
        keep=keep,
        minimise=keep is not None and budget is None,
        limited=budget is not None,
        reference=0,
    )


def _impossible(budget: Budget, outcomes: list[Outcome], vectors: int) -> str:
    if budget.per_vector is not None:
        least = min(outcomes, key=lambda o: o.bytes_per_vector)
        return (
            f"no codec of this sweep fits {budget.text} per vector; the smallest is {least.spec} with "
            f"{least.bytes_per_vector} bytes. Raise --budget or name smaller ones with --spec"
        )
    sizes = [vectors * o.bytes_per_vector + o.constant_bytes for o in outcomes]
    place = int(np.argmin(sizes))
    return (
        f"no codec of this sweep fits {budget.text} for {vectors} vectors ({budget.store:.0f} bytes); the smallest is "
        f"{outcomes[place].spec} with {sizes[place]} bytes. Raise --budget or name smaller ones with --spec"
    )


def _verdict(passed: bool, p_keeps: float, needed: float) -> dict[str, Any]:
    """yes / no / not shown, and how many queries would show it if the row keeps what it kept here; None: no number."""
    answer = "yes" if passed else "no" if p_keeps < 0.05 else "not shown"
    return {"shown": answer, "queries_for_80_percent_power": None if not np.isfinite(needed) else int(np.ceil(needed))}


def _nothing_smaller(keep: float, queries: int, needed: float) -> str:
    """Why float32 is the answer to `--keep`, and how many queries the row nearest to proof would need."""
    more = f"; about {_queries(np.ceil(needed))} would, if it keeps what it kept here" if np.isfinite(needed) else ""
    return f"; no smaller store is shown to keep {100 * keep:g} % with {_queries(queries)}{more}"


def _queries(number: float) -> str:
    return f"{number:,.0f} {'query' if number == 1 else 'queries'}"


def _delivered(delivered: CrossFitted | None, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    if delivered is None:
        return None
    return {
        "value": delivered.value,
        "ci": delivered.interval,
        "difference": delivered.difference,
        "difference_ci": delivered.difference_interval,
        "chosen": {rows[place]["spec"]: share for place, share in delivered.chosen.items()},
        "meaning": "what choosing by this rule delivers on queries that had no part in the choice",
    }


def _reason(row: dict[str, Any], sweep: Sweep, budget: Budget | None, keep: float | None, ties: list[str]) -> str:
    name = "nDCG@10" if sweep.measure == "ndcg@10" else "recall@10 of the exact neighbours"
    if row["retained"] is None:
        share = f"cannot be compared, since {name} of float32 itself is 0,"
    elif row["retained_ci"] is None and not row["changed_queries"]:
        share = f"keeps {name} of every query"
    elif row["retained_ci"] is None:
        few = row["note"].partition(", ")[0]
        share = f"keeps {100 * row['retained']:.1f} % of {name} ({few})"
    else:
        low, high = row["retained_ci"]
        verb = "keeps" if row["retained"] >= POOR else "keeps only"
        share = f"{verb} {100 * row['retained']:.1f} % ({100 * low:.1f}–{100 * high:.1f}) of {name}"
    base = sweep.baseline.code_bytes
    size = row["bytes_per_vector"]
    text = f"{row['spec']} {share} at {size} byte{'' if size == 1 else 's'} a vector instead of {base}"
    if budget is not None:
        scope = "" if budget.per_vector is not None else f" for the whole store of {budget.vectors:,} vectors"
        text += f", within {budget.text}{scope}"
    if ties:
        listed = ", ".join(ties[:4]) + (f" and {len(ties) - 4} more" if len(ties) > 4 else "")
        text += f"; statistically tied with it: {listed}"
    return text if keep is None else f"{text}; {_keep_clause(row, keep)}"


def _keep_clause(row: dict[str, Any], keep: float) -> str:
    """Whether the share that was asked for is shown to be kept."""
    if row["meets_keep"]:
        return f"confirmed: at least {100 * keep:g} % kept"
    needed = row["keep"]["queries_for_80_percent_power"]
    more = "" if needed is None else f" (about {_queries(needed)} would confirm it, if it keeps what it kept here)"
    return f"not confirmed: at least {100 * keep:g} % kept{more}"
