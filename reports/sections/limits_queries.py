"""Queries that will fail by the scores of their results, and documents that none reaches, with their texts."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Fact, Facts, Paragraph
from embgeo.reports.facts import fact_tables
from embgeo.reports.kept_documents import one_line
from embgeo.reports.numbers import estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.documents import with_text
from embgeo.results import AnalyzeResult, LimitsResult
from embgeo.results.limits import Confidence

LISTED = 20
MAX_CHARACTERS = 90


@section("uncertain", "Queries that may fail", of=AnalyzeResult, order=650, label="Uncertain queries")
@section("uncertain", "Queries that may fail", of=LimitsResult, order=300, label="Uncertain queries")
def uncertain(shown: Shown[AnalyzeResult | LimitsResult]) -> Iterator[Block]:
    """How well scores tell which queries fail, and the least certain ones."""
    limits = shown.result.limits
    if limits is None or (found := limits.confidence) is None:
        return
    yield Paragraph(
        "Told by the scores of the ten best results alone, so also for queries that nobody judged: where the best "
        "scores lie close together, the search had no clear answer. Read the least certain queries first; send what "
        "lies below the threshold to a reranker, or say that there is no good answer.",
        "note",
    )
    yield Facts([Fact(label, text) for label, text in _facts(found)])
    listed = [
        {"query": each.id, "text": one_line(shown.run.queries.get(each.id, ""), MAX_CHARACTERS), "spread": each.value}
        | ({} if each.ndcg is None else {"nDCG@10": each.ndcg})
        for each in found.least[:LISTED]
    ]
    yield from fact_tables([("Least certain queries", listed)], "uncertain")


@section("unreachable", "Documents that no query reaches", of=AnalyzeResult, order=660, label="Unreachable")
@section("unreachable", "Documents that no query reaches", of=LimitsResult, order=400, label="Unreachable")
def unreachable(shown: Shown[AnalyzeResult | LimitsResult]) -> Iterator[Block]:
    """The first of them, those that the fewest documents have as a neighbour first."""
    limits = shown.result.limits
    if limits is None or (found := limits.unreachable) is None or not found.documents:
        return
    yield Paragraph(
        f"In the top {found.k} of no query. The first are those that the fewest documents have among their own "
        f"{found.occurrence_k} neighbours, which needs no queries.",
        "note",
    )
    listed = [with_text({"id": id}, shown.run) for id in found.documents[:LISTED]]
    yield from fact_tables([("Documents", listed)], "unreachable")


def _facts(found: Confidence) -> Iterator[tuple[str, str]]:
    for each in found.predictors:
        yield f"Rank correlation of the {each.name} with nDCG@10", estimate(each.value, each.ci, 3)
    yield f"Threshold of the {found.predictor}", number(found.threshold)
    yield "Queries below it", percent(found.flagged, places=0)
    if found.precision is not None:
        yield "Of these find nothing relevant in the top 10", percent(found.precision, places=0)
        yield "Of all queries do", percent(found.failing, places=0)
        yield "Of those that do, flagged", percent(found.recall, places=0)
        both = (number(value, places=3) for value in (found.ndcg_flagged, found.ndcg_rest))
        yield "nDCG@10 of the flagged, and of the rest", ", ".join(both)
