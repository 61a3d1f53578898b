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
from embgeo.results.limits import Limits

TELLING = 0.7  # AUC from which the k-occurrence is worth sorting documents by


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
    if told is None or told.precision is None or not told.predictors or (ci := told.predictors[0].ci) is None:
        return ""
    if ci[0] <= 0:
        return "The scores of its results do not tell whether a query will fail here."
    flagged, rest = (number(value, places=2) for value in (told.ndcg_flagged, told.ndcg_rest))
    return (
        f"The {told.predictor} scores tells which queries will fail (rank correlation with nDCG@10 "
        f"{estimate(told.predictors[0].value, ci, 2)}): the least certain {percent(told.flagged, places=0)} reach "
        f"{flagged}, the rest {rest}, and {percent(told.precision, places=0)} of them find nothing relevant in the top "
        f"10. Send queries below {number(told.threshold)} to a reranker, or say that there is no good answer."
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
    if missed.auc is not None and missed.auc >= TELLING:
        said += (
            f" How rarely other documents have one among their own neighbours tells which (AUC {missed.auc:.3f}): "
            "split these texts or give them a title, or let a lexical search find them."
        )
    return said
