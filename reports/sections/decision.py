"""The decision of a compress run in plain words: how much is kept, how sure that is, why, what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import Block, Bullets, Code, Foreign, Glossary, Paragraph, Strong
from embgeo.reports.front import front_of
from embgeo.reports.numbers import NARROW, bare, byte_size, count, counted, estimate, number, percent, times
from embgeo.reports.price import amount, price_sentence
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.codecs import why_none
from embgeo.reports.sections.metric_change import CAVEAT, verdict
from embgeo.results import NDCG, CompressResult, Recommendation, Row
from embgeo.results.compress import CrossFitted
from embgeo.results.parts import part_summaries
from embgeo.results.rows import Holding

PLANNED = 100_000_000
TERMS = {
    "codec": "A way to encode vectors; its name, the spec, lists the steps. float32 stores four bytes per coordinate",
    "nDCG@10": "Search quality: 1 if the relevant documents come first, 0 if none is in the first ten results",
    "paired by query": "Both stores answer the same queries; the interval is that of their difference per query",
    "out of sample": "Evaluated as on documents that the codec was not trained on",
    "statistically tied": "These queries cannot tell its quality from that of the recommended store",
    "p": "Probability of so large a difference if the runs were equal, corrected for all pairs; below 0.05 it counts",
}
# by the stored verdict on the share that --keep asks for
KEPT = {
    "yes": "Statistically confirmed: at least {} is kept.",
    "no": "Refuted: on these queries less than {} is kept.",
    "not shown": "Not confirmed that at least {} is kept: the test is stricter than the interval because it corrects "
    "for testing all rows and counts one unseen query as lost.",
    "not enough queries": "Not confirmed: there are too few queries to tell whether at least {} is kept.",
}


@section("decision", "The decision", of=CompressResult, order=0, style="lead")
def decision(shown: Shown[CompressResult]) -> Iterator[Block]:
    result = shown.result
    best = result.recommendation
    if missed := unmet(result):
        yield Paragraph(missed, "decision")
    if best.spec:
        yield Paragraph((Code(best.spec, 80), " ", headline(result)), "decision")
        yield Paragraph(" ".join(details(result)))
    else:
        yield Paragraph("No codec could be recommended.", "decision")
    if best.spec and (price := price_sentence(result.price)):
        yield Paragraph((Strong("What it costs."), f" {price}"))
    change = result.metric_change
    taken = change is not None and bool(change.accepted)
    if change is not None and taken:
        yield Paragraph((Strong("It changes the metric."), f" {verdict(change)} {CAVEAT}"))
    if reason := result.protocol.selection or best.reason:
        end = "" if reason.endswith(".") else "."
        why = f"Why {change.instead}, in whose place it is." if change is not None and taken else "Why this one."
        yield Paragraph((Strong(why), " ", Foreign(reason[:1].upper() + reason[1:], 2000), end))
    if other := alternatives(best, result.rows, result.measure):
        yield Paragraph(Strong("What would change it."))
        yield Bullets(other)
    if best.spec:
        judged = ("nDCG@10", "paired by query", "out of sample") if best.ndcg is not None else ()
        yield glossary(["codec", *judged, "statistically tied"], [best.spec])


def glossary(words: Sequence[str], specs: Sequence[str]) -> Glossary:
    """What words of the first screen mean, and what the parts of the specs on it do."""
    parts = dict.fromkeys(part for spec in specs for part in part_summaries(spec))
    return Glossary("What these words mean", [*((word, TERMS[word]) for word in words), *parts])


def headline(result: CompressResult) -> str:
    """`keeps 99.4 % (98.6–100.2) of the search quality (nDCG@10) at 192 B per vector …`, to follow the spec."""
    best, before = result.recommendation, result.baseline.bytes_per_vector
    instead = "" if before is None else f" instead of {byte_size(before)}"
    store = f", hot in {best.targets[0].target}," if best.targets else ""
    size = f"at {byte_size(best.bytes_per_vector)} per vector{store}{instead}"
    if result.measure == NDCG and best.retained is not None:
        return f"keeps {percent(best.retained, best.retained_ci)} of the search quality (nDCG@10) {size}."
    if best.recall is not None:
        share = percent(best.recall, best.recall_ci)
        return f"returns {share} of the ten documents that exact search returns, {size}."
    return f"stores vectors {size}."


def share_asked(value: float | None) -> str:
    """A requested share: `99 %`, `99.5 %`."""
    return "—" if value is None else f"{bare(round(100 * value, 6))}{NARROW}%"


def unmet(result: CompressResult) -> str:
    """The first sentence about a run whose --keep is not met; "" if it is met or was not given."""
    if result.recommendation.meets_keep is not False:
        return ""
    within = "within the budget and " if result.budget else ""
    return (
        f"--keep {share_asked(result.keep)} is not met: no store {within}smaller than float32 is confirmed to keep it."
    )


def details(result: CompressResult) -> Iterator[str]:
    """Sentences under the headline: absolute quality, confidence, whole-store sizes, the planned size."""
    best, baseline = result.recommendation, result.baseline
    if best.ndcg is not None:
        yield _quality(best, baseline, result.protocol.queries)
        yield from _verdict(best)
        yield from _expected(best.cross_fitted)
    else:
        yield (
            "There are no relevance judgements: quality here is agreement with exact float32 search, which is weaker "
            "evidence."
        )
    vectors = (best.planned and best.planned.vectors) or PLANNED
    if best.targets:
        yield from _in_store(best, baseline, vectors)
    elif best.store_bytes is not None and baseline.store_bytes is not None:
        factor = f", {times(best.ratio)} smaller" if best.ratio else ""
        sizes = f"{byte_size(best.store_bytes)} instead of {byte_size(baseline.store_bytes)}"
        yield f"The whole store takes {sizes}{factor}."
    new, old = (_at(row, vectors) for row in (best, baseline))
    if not best.targets and new is not None and old is not None:
        yield f"At {amount(vectors)} vectors: {byte_size(new)} instead of {byte_size(old)}, ids not counted."
    itself = best.spec == baseline.spec  # float32, which keeps everything by definition
    if not itself and result.keep is not None and best.keep and best.keep.shown in KEPT:
        yield KEPT[best.keep.shown].format(share_asked(result.keep))
        needed = best.keep.queries_for_80_percent_power
        if best.keep.shown == "not shown" and needed is not None:
            queries = counted(needed, "query", "queries")
            yield f"About {queries} would confirm it with 80 % power, if it keeps the share measured here."


def alternatives(best: Row, rows: Sequence[Row], quality: str) -> list[str]:
    """What would change the decision: the tied rows, the next cheaper and the next better step of the front."""
    size = best.bytes_per_vector
    usable = [row for row in rows if row.bytes_per_vector is not None and row.at(quality) is not None]
    if size is None or not usable:
        return []
    said = []
    tied = [row.spec for row in rows if row.tied and row.spec != best.spec]
    if tied:
        # specs hold commas
        more = f" and {len(tied) - 6} more" if len(tied) > 6 else ""
        said.append(f"Statistically tied with it: {' · '.join(tied[:6])}{more}.")
    front = front_of(usable, quality)
    smaller = [row for row in front if (row.bytes_per_vector or 0.0) < size]
    least = best.at(quality) or 0.0  # of another metric, it may exceed the front
    larger = [row for row in front if (row.bytes_per_vector or 0.0) > size and (row.at(quality) or 0.0) > least]
    if smaller:
        said.append(f"Smaller: {_step(smaller[-1])}.")
    if larger:
        said.append(f"Better: {_step(larger[0])}.")
    return said


def _quality(best: Recommendation, baseline: Row, queries: float | None) -> str:
    over = f" over {count(queries)} queries" if queries is not None else ""
    sentence = f"nDCG@10 is {number(best.ndcg, places=4)}"
    if baseline.ndcg is not None:
        sentence += f" against {number(baseline.ndcg, places=4)} for float32"
    if best.difference is not None:
        sentence += f": a difference of {estimate(best.difference, best.difference_ci, 4, signed=True)}"
        if best.difference_ci:
            sentence += f", 95 % interval paired by query{over}"
        elif reason := why_none(best):
            sentence += f", without an interval ({reason})"
    return sentence + ". Quality is out of sample: as on documents that the codec was not trained on."


def _verdict(best: Row) -> Iterator[str]:
    ci = best.difference_ci
    if best.changed_bound is not None:
        yield f"No query changed; with 95 % confidence fewer than {percent(best.changed_bound)} of queries would."
    elif ci is None:
        return
    elif ci[1] < 0:
        yield "The loss is real: the whole interval lies below zero."
    elif ci[0] > 0:
        yield "The interval lies above zero: no loss on these queries."
    else:
        yield f"The interval includes zero; a loss of up to {number(-ci[0], places=4)} cannot be excluded."


def _expected(choice: CrossFitted | None) -> Iterator[str]:
    if choice and choice.value is not None:
        value = estimate(choice.value, choice.ci, 4)
        change = estimate(choice.difference, choice.difference_ci, 4, signed=True)
        yield f"Expected on new queries (corrected for selection): {value}, {change} against float32."


def _in_store(best: Row, baseline: Row, vectors: float) -> Iterator[str]:
    """Whole sizes by the account of the store whose bytes the row shows."""
    one = next(iter(best.targets or ()), Holding())
    yield "Bytes are those that a search in the store reads or keeps in memory, by the store's own account."
    if None not in (one.hot_bytes, one.disk_bytes, baseline.bytes_per_vector):
        hot, before = (byte_size(size * vectors) for size in (one.hot_bytes or 0, baseline.bytes_per_vector or 0))
        disk = byte_size((one.disk_bytes or 0) * vectors + (one.fixed_bytes or 0))
        yield f"At {amount(vectors)} vectors in {one.target}: {hot} instead of {before}, and {disk} on disk."


def _at(row: Row, vectors: float) -> float | None:
    marginal = row.bytes_per_vector
    return None if marginal is None else marginal * vectors + (row.constant_bytes or 0.0)


def _step(row: Row) -> str:
    text = f"{row.spec} at {byte_size(row.bytes_per_vector)} per vector"
    if row.difference is None:
        return text
    return f"{text}, {estimate(row.difference, row.difference_ci, 4, signed=True)} against float32"
