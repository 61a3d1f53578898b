"""Where quality is lost: one picture from a perfect reranker to an index, and which queries an index misses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Column, Data, Paragraph, Plot, RowGroup, Table, TableRow
from embgeo.reports.figures import Figure, axis, figure, markers
from embgeo.reports.numbers import dotted, estimate, number, percent
from embgeo.reports.numbers import figure as plain
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import LimitsResult
from embgeo.results.limits import Effort, FunnelStep

TITLE = "Where quality is lost"
KINDS = {
    "reranker": "A perfect reranker",
    "model": "The model",
    "metric": "Another metric",
    "codec": "A codec",
    "index": "An index",
}
RERANKED = 100  # results that a reranker usually gets, at most
PERFECT = 0.9995
CAPTION = (
    "nDCG@10 with 95 % intervals over groups of queries. A perfect reranker puts the relevant documents among the "
    "results first: what it lacks to 1, only another model or a lexical search can bring. Codecs and indices are "
    "judged on documents that they were not fitted on."
)


@section("funnel", TITLE, of=LimitsResult, order=200, label="Funnel")
def funnel(shown: Shown[LimitsResult]) -> Iterator[Block]:
    """The steps as a plot and as a table, with what would buy most."""
    found = shown.result.limits.funnel
    if found is None or not found.steps:
        return
    yield Paragraph(what_buys_most(found.steps))
    described = "; ".join(f"{one.name} {number(one.value, places=3)}" for one in found.steps)
    yield Plot("funnel", TITLE, f"nDCG@10 by step: {described}.", {"funnel": _figure(found.steps)}, CAPTION)
    columns = [
        Column("Step"),
        Column("nDCG@10", "number"),
        Column("95 % interval", "word"),
        Column("Against the model", "number"),
        Column("95 % interval of the difference", "word"),
    ]
    groups = [
        RowGroup([_row(one) for one in found.steps if one.kind == kind], title)
        for kind, title in KINDS.items()
        if any(one.kind == kind for one in found.steps)
    ]
    yield Table("funnel", TITLE, columns, groups, data=Data("funnel", TITLE, [one.to_json() for one in found.steps]))
    if (effort := shown.result.limits.effort) is not None:
        yield Paragraph(effort_sentence(effort))


def what_buys_most(steps: Sequence[FunnelStep]) -> str:
    """What a reranker and another model could add at most, and what other metrics, codecs and indices were measured to
    gain or lose, the largest first."""
    model = next((one.value for one in steps if one.kind == "model"), None)
    reranked = [one for one in steps if one.kind == "reranker" and _results(one) <= RERANKED]
    if model is None or not reranked or (best := max(reranked, key=_results)).value is None:
        return ""
    if model >= PERFECT:
        return f"Exact search puts every relevant document first (nDCG@10 {number(model, places=3)}): nothing to gain."
    said = (
        f"Exact search reaches nDCG@10 {number(model, places=3)}. A perfect reranker of the top {_results(best)} would "
        f"add {number(best.value - model, places=3)}; the remaining {number(1 - best.value, places=3)} only other "
        "results can add, of another model or a lexical search."
    )
    gains = [*_gain("metric", steps, 1), *_gain("codec", steps, -1), *_gain("index", steps, -1)]
    told = [text for _, text in sorted(gains, reverse=True)]
    return (
        f"{said} Measured beyond chance: {'; '.join(told)}."
        if told
        else f"{said} No codec or index loses more than chance."
    )


def _results(one: FunnelStep) -> int:
    """How many results a perfect reranker is given."""
    return int(one.name.rpartition(" ")[2])


def _gain(kind: str, steps: Sequence[FunnelStep], sign: int) -> list[tuple[float, str]]:
    """The largest change of this kind that is more than chance: (its size, words); [] without one."""
    verb = "gains" if sign > 0 else "loses"
    found = [
        (sign * one.difference, f"{one.name} {verb} {number(sign * one.difference, places=3)}")
        for one in steps
        if one.kind == kind
        and one.difference is not None
        and one.difference_ci is not None
        and min(sign * end for end in one.difference_ci) > 0
    ]
    return sorted(found, reverse=True)[:1]


def effort_sentence(found: Effort) -> str:
    """Whether the index misses the queries whose neighbourhood is crowded."""
    said = (
        f"{found.spec} finds {percent(found.recall, places=1)} of the exact ten nearest documents of the "
        f"{percent(found.share, places=0)} of the queries whose neighbourhood has the most dimensions, "
        f"{percent(found.recall_rest, places=1)} of the rest (rank correlation of local dimension and recall "
        f"{estimate(found.value, found.ci, 2)})."
    )
    if found.ci is None or found.ci[1] >= 0:
        return f"{said} The dimension of a neighbourhood does not tell here which queries it misses."
    return f"{said} Raise the effort for such queries alone: the distances of their results tell their dimension."


def _row(one: FunnelStep) -> TableRow:
    change = (one.difference, one.difference_ci, 4, True)
    beside = ["", ""] if one.kind == "model" else [plain(*change), dotted(one.difference_ci, 4, signed=True)]
    return TableRow([one.name, plain(one.value, places=4), dotted(one.ci, 4), *beside])


def _figure(steps: Sequence[FunnelStep]) -> Figure:
    data = []
    for kind in KINDS:
        mine = [(place, one) for place, one in enumerate(steps) if one.kind == kind and one.value is not None]
        if not mine:
            continue
        colour, symbol = figures.style_of(list(KINDS).index(kind))
        bars = [(end, -place) for place, one in mine if one.ci for end in (*one.ci, None)]
        data.append(figures.trace(bars, "lines", line={"color": colour, "width": 1.5}, hoverinfo="skip"))
        hovers = [f"{plot_text(one.name)}: {estimate(one.value, one.ci, 3)}" for _, one in mine]
        marker = {"color": colour, "symbol": symbol, "size": 9}
        data.append(markers(KINDS[kind], [(one.value, -place) for place, one in mine], marker, hovers))
    names = [plot_text(one.name) for one in steps]
    ticks = axis("", [-place for place in range(len(steps))], names)
    return figure(data, axis("nDCG@10", range=[0, 1.01]), ticks, height=60 + 26 * len(steps))
