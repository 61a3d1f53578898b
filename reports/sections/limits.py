"""What limits the search, in sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Paragraph
from embgeo.reports.numbers import count, estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.limits_funnel import what_buys_most
from embgeo.reports.sections.limits_margin import verdict as margin_verdict
from embgeo.reports.sections.limits_similarity import sentence as similarity
from embgeo.reports.sections.limits_truncation import sentence as truncation
from embgeo.results import AnalyzeResult, LimitsResult
from embgeo.results.limits import Limits, Unreachable

TELLING = 0.7  # AUC from which the k-occurrence is worth sorting documents by
SURPLUS = 0.002  # of the documents, beyond those that random retrieval leaves out


@section("verdict", "What limits this search", of=LimitsResult, order=0, style="lead")
def lead(shown: Shown[LimitsResult]) -> Iterator[Block]:
    for sentence in verdicts(shown.result):
        yield Paragraph(sentence)


def verdicts(result: AnalyzeResult | LimitsResult) -> list[str]:
    """A sentence for each finding that was made: what it is, and what to do."""
    found = result.limits
    if found is None:
        return []
    said = (_funnel, margin_verdict, similarity, truncation, _uncertain, _unreachable)
    return [sentence for say in said if (sentence := say(found))]


def _funnel(found: Limits) -> str:
    return "" if found.funnel is None else what_buys_most(found.funnel.steps)


def _uncertain(found: Limits) -> str:
    told = found.confidence
    if told is None or told.precision is None or not told.predictors:
        return ""
    if not told.telling:
        return "The scores of its results do not tell whether a query will fail here."
    flagged, rest = (number(value, places=2) for value in (told.ndcg_flagged, told.ndcg_rest))
    correlation = estimate(told.predictors[0].value, told.predictors[0].ci, 2)
    few, fail, usual = (percent(share, places=0) for share in (told.flagged, told.precision, told.failing))
    return (
        f"The {told.predictor} scores tells which queries will fail (rank correlation with nDCG@10 {correlation}): the "
        f"least certain {few} reach {flagged}, the rest {rest}, and {fail} of them find nothing relevant in the top 10 "
        f"({usual} of all). Send queries whose five best scores have a standard deviation below "
        f"{number(told.threshold)} to a reranker, or say that there is no good answer; a store built by compress has a "
        "threshold of its own, which search applies."
    )


def _unreachable(found: Limits) -> str:
    missed = found.unreachable
    if missed is None or missed.share is None:
        return ""
    beside = "" if missed.random_share is None else f" (random retrieval: {percent(missed.random_share, places=2)})"
    said = (
        f"{percent(missed.share, places=2)} of the documents are in the top {missed.k} of none of the "
        f"{count(missed.queries)} queries{beside}."
    )
    if _beyond_chance(missed):
        said += (
            f" How rarely other documents have one among their own neighbours tells which (AUC {missed.auc:.3f}): "
            "split these texts or give them a title, or let a lexical search find them."
        )
    return said


def _beyond_chance(found: Unreachable) -> bool:
    """Whether clearly more documents are unreachable than so many random results leave out, and it is known which."""
    if found.share is None or found.random_share is None or found.auc is None:
        return False
    return found.auc >= TELLING and found.share >= max(2 * found.random_share, found.random_share + SURPLUS)
