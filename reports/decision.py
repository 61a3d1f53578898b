"""The decision of a compress run in plain words, from its stored rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.reports.numbers import (
    MISSING,
    NARROW,
    bare,
    bounds,
    byte_size,
    count,
    counted,
    estimate,
    finite,
    number,
    percent,
    times,
)
from embgeo.reports.price import amount
from embgeo.reports.row_table import why_none
from embgeo.reports.stored import entry
from embgeo.reports.tradeoff import pareto

Row = Mapping[str, Any]
JUDGED = "ndcg@10"
PLANNED = 100_000_000
# what a stored row's `keep` says of the share that was asked for
KEPT = {
    "yes": "Statistically confirmed: at least {} is kept.",
    "no": "Refuted: on these queries less than {} is kept.",
    "not shown": "Not confirmed that at least {} is kept: the test is stricter than the interval, since it corrects "
    "for all rows and counts one unseen query as lost.",
    "not enough queries": "Not confirmed: there are too few queries to tell whether at least {} is kept.",
}


def headline(best: Row, baseline: Row, quality: str = JUDGED) -> str:
    """`keeps 99.4 % (98.6–100.2) of the search quality (nDCG@10) at 192 B per vector …`, to follow the spec."""
    instead = (
        f" instead of {byte_size(baseline['bytes_per_vector'])}" if finite(baseline.get("bytes_per_vector")) else ""
    )
    size = f"at {byte_size(best.get('bytes_per_vector'))} per vector{instead}"
    if quality == JUDGED and finite(best.get("retained")) is not None:
        return f"keeps {percent(best.get('retained'), best.get('retained_ci'))} of the search quality (nDCG@10) {size}."
    if finite(best.get("recall@10_exact")) is not None:
        share = percent(best.get("recall@10_exact"), best.get("recall@10_exact_ci"))
        return f"returns {share} of the ten documents that exact search returns, {size}."
    return f"stores a vector {size}."


def share(value: Any) -> str:
    """A share that was asked for: `99 %`, `99.5 %`."""
    x = finite(value)
    return MISSING if x is None else f"{bare(round(100 * x, 6))}{NARROW}%"


def unmet(result: Mapping[str, Any]) -> str:
    """The first sentence of what is said of a run whose --keep is not met; "" where it is, or none was asked for."""
    if entry(result.get("recommendation")).get("meets_keep") is not False:
        return ""
    within = "within the budget and " if result.get("budget") else ""
    return (
        f"--keep {share(result.get('keep'))} is not met: no store {within}smaller than float32 is confirmed to keep it."
    )


def details(best: Row, baseline: Row, result: Mapping[str, Any]) -> list[str]:
    """Sentences under the headline: absolute quality, confidence, whole-store sizes, the planned size."""
    said = []
    protocol, planned = result.get("protocol"), best.get("planned")
    queries = protocol.get("queries") if isinstance(protocol, Mapping) else None
    vectors = planned.get("vectors") if isinstance(planned, Mapping) else None
    if finite(best.get("ndcg@10")) is not None:
        over = f" over {count(queries)} queries" if finite(queries) else ""
        sentence = f"nDCG@10 is {number(best.get('ndcg@10'), places=4)}"
        if finite(baseline.get("ndcg@10")) is not None:
            sentence += f" against {number(baseline.get('ndcg@10'), places=4)} for float32"
        if finite(best.get("difference")) is not None:
            sentence += f": a difference of {estimate(best['difference'], best.get('difference_ci'), 4, signed=True)}"
            if bounds(best.get("difference_ci")):
                sentence += f", 95 % interval paired by query{over}"
            elif reason := why_none(best, "difference_ci"):
                sentence += f", without an interval ({reason})"
        said.append(sentence + ", out of sample: as on documents that the codec was not fitted on.")
        said += _verdict(best)
        said += _delivered(best.get("cross_fitted"))
    else:
        said.append(
            "There are no relevance judgements: quality here is agreement with exact float32 search, which is weaker "
            "evidence."
        )
    sizes = finite(best.get("store_bytes")), finite(baseline.get("store_bytes"))
    if None not in sizes:
        factor = f", {times(best.get('ratio'))} smaller" if finite(best.get("ratio")) else ""
        said.append(f"The whole store takes {byte_size(sizes[0])} instead of {byte_size(sizes[1])}{factor}.")
    said += _planned(best, baseline, finite(vectors) or PLANNED)
    verdict = entry(best.get("keep"))
    itself = best.get("spec") == baseline.get("spec")  # float32, which keeps everything by definition
    if not itself and finite(result.get("keep")) is not None and verdict.get("shown") in KEPT:
        said.append(KEPT[verdict["shown"]].format(share(result["keep"])))
        needed = finite(verdict.get("queries_for_80_percent_power"))
        if verdict["shown"] == "not shown" and needed is not None:
            said.append(f"About {counted(needed, 'query', 'queries')} would confirm it, if it keeps what it kept here.")
    return said


def alternatives(best: Row, rows: Sequence[Row], quality: str = JUDGED) -> list[str]:
    """What would change the decision: the tied rows, the next cheaper and the next better step of the front."""
    size = finite(best.get("bytes_per_vector"))
    usable = [row for row in rows if finite(row.get("bytes_per_vector")) and finite(row.get(quality)) is not None]
    if size is None or not usable:
        return []
    said = []
    tied = [str(row.get("spec")) for row in rows if row.get("tied") is True and row.get("spec") != best.get("spec")]
    if tied:
        # specs hold commas
        shown = " · ".join(tied[:6]) + (f" and {len(tied) - 6} more" if len(tied) > 6 else "")
        said.append(f"Statistically tied with it: {shown}.")
    front = pareto(usable, quality)
    smaller = [row for row in front if float(row["bytes_per_vector"]) < size]
    larger = [row for row in front if float(row["bytes_per_vector"]) > size]
    if smaller:
        said.append(f"Smaller: {_step(smaller[-1])}.")
    if larger:
        said.append(f"Better: {_step(larger[0])}.")
    return said


def _verdict(best: Row) -> list[str]:
    if finite(best.get("changed_bound")) is not None:
        bound = percent(best["changed_bound"])
        return [f"No query changed; with 95 % confidence fewer than {bound} of queries would."]
    ci = bounds(best.get("difference_ci"))
    if ci is None:
        return []
    if ci[1] < 0:
        return ["The loss is real: the whole interval lies below zero."]
    if ci[0] > 0:
        return ["The interval lies above zero: no loss on these queries."]
    return [f"The interval includes zero; a loss of up to {number(-ci[0], places=4)} cannot be excluded."]


def _delivered(choice: Any) -> list[str]:
    if not isinstance(choice, Mapping) or finite(choice.get("value")) is None:
        return []
    value = estimate(choice["value"], choice.get("ci"), 4)
    change = estimate(choice.get("difference"), choice.get("difference_ci"), 4, signed=True)
    return [f"Expected on new queries (corrected for selection): {value}, {change} against float32."]


def _planned(best: Row, baseline: Row, vectors: float) -> list[str]:
    new, old = (_at(row, vectors) for row in (best, baseline))
    if new is None or old is None:
        return []
    return [f"At {amount(vectors)} vectors: {byte_size(new)} instead of {byte_size(old)}, ids not counted."]


def _at(row: Row, vectors: float) -> float | None:
    marginal = finite(row.get("bytes_per_vector"))
    return None if marginal is None else marginal * vectors + (finite(row.get("constant_bytes")) or 0.0)


def _step(row: Row) -> str:
    text = f"{row.get('spec')} at {byte_size(row.get('bytes_per_vector'))} per vector"
    if finite(row.get("difference")) is not None:
        text += f", {estimate(row.get('difference'), row.get('difference_ci'), 4, signed=True)} against float32"
    return text
