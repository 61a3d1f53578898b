"""The margin that the judgements allow in each dimension, beside the model's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Cell, Column, Data, Fact, Facts, Paragraph, Plot, RowGroup, Table, TableRow
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import count, interval, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import LimitsResult
from embgeo.results.limits import Limits
from embgeo.results.limits_margin import AtWidth, JudgementMargin, MarginAt, OwnGap, RelevanceGraph

TITLE = "Is the dimension the limit?"
TERMS = (
    "Free vectors are unit vectors of queries and documents that are optimised for the judgements alone, without texts "
    "or model. Half-gap: half of the cosine similarity by which the worst relevant document lies above the best other "
    "one, in the query where that is least."
)
CAPTION = (
    "The line is the median of three optimisations of free vectors, the band their range: a lower bound of what the "
    "dimension allows for the queries tried. 0: no ranking of all these was found. No vectors exceed the dashed line "
    "in any dimension."
)
LIMIT_DENSITY, LIMIT_STRENGTH = 0.96618, 28.4653  # of LIMIT-small, where single vectors fail
KINDS = {"whole": "the model's", "truncated": "truncated", "pca": "PCA"}
UNJUDGED = (
    "A document without a judgement counts as irrelevant here, which it need not be, unless its vector is a copy of a "
    "relevant one's."
)


@section("margin", TITLE, of=LimitsResult, order=200, label="Dimension")
def margin(shown: Shown[LimitsResult]) -> Iterator[Block]:
    found = shown.result.limits
    held = found.margin
    points = [] if held is None else [one for one in held.reached if one.dimension and one.half_gap is not None]
    if held is None or not points or not all(one.seeds for one in points):
        return
    yield Paragraph(verdict(found))
    yield Paragraph(TERMS, "note")
    yield Facts([*_facts(held, found.own_gap), *_graph_facts(found.graph)])
    last = points[-1]
    ends = f"{number(last.half_gap, places=3)} at {count(last.dimension)}; {number(held.certificate, places=3)}"
    described = f"Half-gap of free vectors against dimension: up to {ends} is the upper bound."
    yield Plot("margin", TITLE, described, {"margin": _figure(held, points)}, CAPTION)
    columns = [Column("Dimensions", "number"), Column("Half-gap", "number"), Column("Range of seeds", "word")]
    rows = []
    for each in points:
        cells = number(each.half_gap, places=3), interval([min(each.seeds), max(each.seeds)], 3)
        rows.append(TableRow([Cell(count(each.dimension), head=True), *cells]))
    records = [each.to_json() for each in held.reached]
    yield Table("margin", TITLE, columns, [RowGroup(rows)], "Reached by free vectors", Data("margin", TITLE, records))


@section("widths", "Recall by width", of=LimitsResult, order=210, label="Widths")
def widths(shown: Shown[LimitsResult]) -> Iterator[Block]:
    rows, held = shown.result.limits.widths, shown.result.limits.margin
    if not rows:
        return
    yield Paragraph(
        "The model with fewer coordinates, and the share of relevance sets that some query vector, the best there is, "
        "would rank above all other documents. Where that share is high and recall is low, train the query side or "
        "rerank; where it falls, the width has become the limit: keep more dimensions than that. The axes of the PCA "
        "are those of these very documents; Truncated or projected judges them on others.",
        "note",
    )
    if held is not None and held.missing:
        lost = f"{percent(held.missing)} of the relevant judgements whose document is not in the corpus"
        yield Paragraph(f"No width finds the {lost}.", "note")
    explain = "Sets of relevant documents that some query vector ranks above all others."
    recalls = (Column(f"Recall@{k}", "number") for k in (2, 10, 20))
    columns = [Column("Dimensions", "number"), Column("Coordinates", "word"), *recalls]
    columns.append(Column("Rankable sets", "number", explain))
    records = [each.to_json() for each in rows]
    table = [RowGroup([_width_row(each) for each in rows])]
    yield Table("widths", "Recall by width", columns, table, data=Data("widths", "Recall by width", records))


def _width_row(each: AtWidth) -> TableRow:
    recalls = (percent(value, places=2) for value in (each.recall_2, each.recall_10, each.recall_20))
    return TableRow(
        [Cell(count(each.width), head=True), KINDS.get(each.kind, each.kind), *recalls, percent(each.ideal)]
    )


def verdict(found: Limits) -> str:
    """Whether the dimension limits these judgements or the model does, and what to do; "" without judgements."""
    held, own = found.margin, found.own_gap
    if held is None or own is None or own.positive is None or not held.reached:
        return ""
    model = f"the model ranks every relevant document above all others for {percent(own.positive)} of the queries"
    if own.positive == 1:  # what it ranks, its dimension holds
        return f"Neither dimension nor model is the limit: {model}. {UNJUDGED}{_missing(held)}"
    last = held.reached[-1]
    enough = next((each for each in held.reached if _best(each)), None)
    tried = "all of these judgements"
    if held.sampled:
        tried = f"the judgements of a sample, {count(held.queries)} of {count(held.judged)} queries"
    if enough is None:
        return (
            f"Dimension may be the limit: optimised for the judgements alone, no vectors of {count(last.dimension)} "
            f"dimensions were found that rank {tried}, and {model}. Try a model of more dimensions, several vectors a "
            f"document, or lexical search beside it. {UNJUDGED}{_missing(held)}"
        )
    most = max(map(_best, held.reached))  # coordinates of 0 change nothing
    room = (
        f"optimised for the judgements alone, vectors of {count(enough.dimension)} dimensions can rank {tried}, and "
        f"those of {count(last.dimension)} score every relevant document at least {number(2 * most, places=3)} of "
        "cosine similarity above all others"
    )
    if held.sampled:
        return (
            f"Whether dimension is the limit is open, since only a sample was tried: {room}. More judgements can only "
            f"lower that gap and may need more dimensions. With its own vectors, {model}. {_ideal(found.widths)}"
            "Fine-tune the model, add lexical search or a reranker first; try a model of more dimensions on these "
            f"queries before you pay for it. {UNJUDGED}{_missing(held)}"
        )
    bound = "" if held.certificate is None else f" (at most {number(2 * held.certificate, places=3)} in any dimension)"
    return (
        f"Dimension is not the limit, the model is: {room}{bound}, but {model}. {_ideal(found.widths)}Fine-tune the "
        f"model, add lexical search or a reranker; buy no dimensions. {UNJUDGED}{_missing(held)}"
    )


def _best(reached: MarginAt) -> float:
    """The half-gap of the best seed: one that ranks all shows that the dimension can."""
    return max([reached.half_gap or 0.0, *reached.seeds])


def _missing(held: JudgementMargin) -> str:
    """What judgements of documents that are not there do to these numbers: nothing."""
    if not held.missing:
        return ""
    left_out = f"{percent(held.missing)} of the relevant judgements whose document is not in the corpus"
    return f" The {left_out} are left out here: add these documents."


def _ideal(widths: Sequence[AtWidth] | None) -> str:
    """What the model's own documents would allow."""
    whole = next((each for each in widths or () if each.kind == "whole" and each.ideal is not None), None)
    if whole is None:
        return ""
    if whole.ideal == 1:
        return "With ideal queries its own document vectors would rank every set tried: its queries are misplaced. "
    return f"With ideal queries its own document vectors would rank {percent(whole.ideal)} of the sets tried. "


def _graph_facts(graph: RelevanceGraph | None) -> Iterator[Fact]:
    """How the judgements combine documents, beside those of LIMIT."""
    if graph is not None and graph.density is not None:
        yield Fact("Pairs of documents that share a query", f"{number(graph.density)} (LIMIT: {LIMIT_DENSITY})")
    if graph is not None and graph.strength is not None:
        yield Fact("Overlap of a query with the others", f"{number(graph.strength)} (LIMIT: {LIMIT_STRENGTH})")


def _facts(held: JudgementMargin, own: OwnGap | None) -> Iterator[Fact]:
    used = f"{count(held.patterns)} different sets of relevant documents among {count(held.documents)}"
    if held.sampled:
        used += f", of {count(held.queries)} of {count(held.judged)} queries: all together leave no larger margin"
    yield Fact("Judgements", used)
    if held.missing:
        yield Fact("Relevant judgements whose document is not in the corpus", percent(held.missing))
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
        data.append(figures.trace(ends, "lines", name="no vectors exceed this", line=dashed))
    x = figures.axis("Dimensions", sizes, [count(size) for size in sizes], type="log", range=figures.log_range(sizes))
    return figure(data, x, figures.axis("Row half-gap"), height=340, **figures.LEGEND_ABOVE)
