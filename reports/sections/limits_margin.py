"""The margin that the judgements allow in each dimension, beside the model's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Cell, Column, Data, Fact, Facts, Paragraph, Plot, RowGroup, Table, TableRow
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import count, interval, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import LimitsResult
from embgeo.results.limits import Limits
from embgeo.results.limits_margin import JudgementMargin, MarginAt, OwnGap, RelevanceGraph

TITLE = "Is the dimension the limit?"
CAPTION = (
    "Half of the gap between the worst relevant and the best other score, in the query where it is least. The line is "
    "the median of three optimisations without texts or model, the band their range: a lower bound of what the "
    "dimension allows. 0: no ranking of all queries was found. No vectors exceed the dashed line in any dimension."
)
LIMIT_DENSITY, LIMIT_STRENGTH = 0.96618, 28.4653  # of LIMIT-small, where single vectors fail
UNJUDGED = "A document without a judgement counts as irrelevant here, which it need not be."


@section("margin", TITLE, of=LimitsResult, order=200, label="Dimension")
def margin(shown: Shown[LimitsResult]) -> Iterator[Block]:
    found = shown.result.limits
    held = found.margin
    points = [] if held is None else [one for one in held.reached if one.dimension and one.half_gap is not None]
    if held is None or not points or not all(one.seeds for one in points):
        return
    yield Paragraph(verdict(found))
    yield Facts([*_facts(held, found.own_gap), *_graph_facts(found.graph)])
    last = points[-1]
    ends = f"{number(last.half_gap, places=3)} at {count(last.dimension)}; {number(held.certificate, places=3)}"
    described = f"Half-gap of free vectors against dimension: up to {ends} is the certificate."
    yield Plot("margin", TITLE, described, {"margin": _figure(held, points)}, CAPTION)
    columns = [Column("Dimensions", "number"), Column("Half-gap", "number"), Column("Range of seeds", "word")]
    rows = []
    for each in points:
        cells = number(each.half_gap, places=3), interval([min(each.seeds), max(each.seeds)], 3)
        rows.append(TableRow([Cell(count(each.dimension), head=True), *cells]))
    records = [each.to_json() for each in held.reached]
    yield Table("margin", TITLE, columns, [RowGroup(rows)], "Reached by free vectors", Data("margin", TITLE, records))


def verdict(found: Limits) -> str:
    """Whether the dimension limits these judgements or the model does, and what to do; "" without judgements."""
    held, own = found.margin, found.own_gap
    if held is None or own is None or own.positive is None or not held.reached or held.reached[-1].half_gap is None:
        return ""
    last = held.reached[-1]
    model = f"the model ranks every relevant document above all others for {percent(own.positive)} of the queries"
    if not last.half_gap:
        return (
            f"Dimension may be the limit: optimised directly, no vectors of {count(last.dimension)} dimensions were "
            f"found that rank all of these judgements, and {model}. Try a model of more dimensions, several vectors a "
            f"document, or lexical search beside it. {UNJUDGED}"
        )
    enough = next(each for each in held.reached if each.half_gap)
    room = (
        f"vectors of {count(enough.dimension)} dimensions can rank all of these judgements, and those of "
        f"{count(last.dimension)} with a half-gap of {number(last.half_gap, places=3)} "
        f"(at most {number(held.certificate, places=3)} in any dimension)"
    )
    if own.positive == 1:
        return f"Neither dimension nor model is the limit: {room}, and {model}."
    return (
        f"Dimension is not the limit, the model is: {room}, but {model}. Fine-tune the model, add lexical search or a "
        f"reranker; buy no dimensions. {UNJUDGED}"
    )


def _graph_facts(graph: RelevanceGraph | None) -> Iterator[Fact]:
    """How the judgements combine documents, beside those of LIMIT."""
    if graph is not None and graph.density is not None:
        yield Fact("Pairs of documents that share a query", f"{number(graph.density)} (LIMIT: {LIMIT_DENSITY})")
    if graph is not None and graph.strength is not None:
        yield Fact("Overlap of a query with the others", f"{number(graph.strength)} (LIMIT: {LIMIT_STRENGTH})")


def _facts(held: JudgementMargin, own: OwnGap | None) -> Iterator[Fact]:
    used = f"{count(held.patterns)} different sets of relevant documents among {count(held.documents)}"
    if held.queries and held.judged and held.queries < held.judged:
        used += f", of {count(held.queries)} of {count(held.judged)} queries: all together leave no larger margin"
    yield Fact("Judgements", used)
    yield Fact("Upper bound in any dimension", number(held.certificate, places=3))
    if held.closed_form is not None:
        yield Fact(f"Exact best, for all sets of {count(held.subset_size)}", number(held.closed_form, places=4))
    if own is not None:
        yield Fact("Queries with a positive gap in the model's space", percent(own.positive))
        yield Fact(
            "Half-gap of the model: median, least", f"{number(own.median, places=3)}, {number(own.least, places=3)}"
        )


def _figure(held: JudgementMargin, points: list[MarginAt]) -> Figure:
    sizes = [float(point.dimension or 0) for point in points]
    outline = [(point.dimension, max(point.seeds)) for point in points]
    outline += [(point.dimension, min(point.seeds)) for point in points[::-1]]
    band = figures.trace(
        outline,
        "lines",
        fill="toself",
        fillcolor="var(--plot-band)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    line = figures.markers(
        "free vectors, three seeds",
        [(x, point.half_gap) for x, point in zip(sizes, points, strict=True)],
        {"color": figures.ACCENT, "size": 7},
        [f"<b>{number(point.half_gap, places=3)}</b> in {count(point.dimension)} dimensions" for point in points],
        mode="lines+markers",
        line={"color": figures.ACCENT, "width": 2},
    )
    data: list[dict[str, Any]] = [band, line]
    if held.certificate is not None:
        ends = [(sizes[0], held.certificate), (sizes[-1], held.certificate)]
        dashed = {"color": figures.SECOND, "width": 1.5, "dash": "dash"}
        data.append(figures.trace(ends, "lines", name="certificate: no vectors exceed it", line=dashed))
    x = figures.axis("Dimensions", sizes, [count(size) for size in sizes], type="log", range=figures.log_range(sizes))
    return figure(data, x, figures.axis("Row half-gap"), height=340, **figures.LEGEND_ABOVE)
