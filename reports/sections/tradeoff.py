"""The trade-off plot: bytes per vector against quality, with the front, the budget and the recommendation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Plot
from embgeo.reports.commands import repeat_command
from embgeo.reports.figures import Figure, figure, log_range, log_ticks
from embgeo.reports.front import front_of, second_baselines
from embgeo.reports.numbers import byte_size, estimate, number, percent
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.codecs import why_none
from embgeo.results import NDCG, RECALL, CompressResult, Row
from embgeo.results.compress import Budget

TITLE = "Size against quality"
SHARE_SHOWN = 0.6  # of the best quality: rows below would squash the others into a line
QUALITIES = {NDCG: "nDCG@10, out of sample", RECALL: "Recall@10 against exact neighbours"}
CHOICES = {NDCG: "nDCG@10 on the judgements", RECALL: "Recall@10 of exact search"}
CAPTION = (
    "The line is the Pareto front, the best codec at each size. Bars are 95 % intervals of the difference from "
    "float32, paired by query. Stores below the axis are drawn as arrows at its lower edge, not joined to the line; "
    "hover for their values."
)
OTHER_METRIC = (
    "Triangles compare by another metric, with a line for uncompressed vectors in it: they approximate that, not exact "
    "search, and so are not on the front."
)


@section("tradeoff", TITLE, of=CompressResult, order=200)
def tradeoff(shown: Shown[CompressResult]) -> Iterator[Block]:
    rows = [row for row in shown.result.rows if row.spec != row.reference]  # those are there to be compared with
    commands = {row.spec: repeat_command(shown.run, [row.spec]) for row in rows}
    if drawn := tradeoff_figures(shown.result, commands):
        numbers = "table below has the same numbers."
        described = f"Quality against bytes per vector for {len(rows)} codecs; the {numbers}"
        hint = f"Drag to zoom, double-click to reset. The {numbers}"
        caption = f"{CAPTION} {OTHER_METRIC}" if any(row.reference for row in rows) else CAPTION
        yield Plot("tradeoff", TITLE, described, drawn, caption, "Quality", hint, CHOICES)


def tradeoff_figures(result: CompressResult, commands: Mapping[str, str]) -> dict[str, Figure]:
    """One figure for each quality that any row has, by the row's key; `commands` has the command that runs a spec."""
    drawn = {}
    for key, label in QUALITIES.items():
        rows = [row for row in result.rows if row.bytes_per_vector and row.at(key) is not None]
        rows = [row for row in rows if row.spec != row.reference]
        if rows:
            drawn[key] = _figure(_Axis(key, result), label, rows, commands)
    return drawn


def budget_limit(budget: Budget | None) -> float | None:
    """The budget in bytes per vector, for the line in the plot; one on the whole store is shared among its vectors."""
    if budget is None:
        return None
    shared = budget.store / budget.vectors if budget.store is not None and budget.vectors else None
    return budget.per_vector or shared


@dataclass(frozen=True)
class _Axis:
    """One quality of one result. Differences, and the bars from them, are of the quality that rows are compared by."""

    key: str
    result: CompressResult

    @property
    def recommended(self) -> str:
        return self.result.recommendation.spec

    @property
    def paired(self) -> bool:
        return self.key == self.result.measure and bool(self.result.baseline.keys)

    def value(self, row: Row) -> float:
        return float(row.at(self.key) or 0.0)

    def point(self, row: Row) -> tuple[float, float]:
        return _bytes(row), self.value(row)

    def bars(self, row: Row) -> tuple[float, float]:
        """Lengths below and above: the interval of the paired difference, or else that of the row itself."""
        reference = self.result.baseline.at(self.key) if self.paired else 0.0
        ci = row.difference_ci if self.paired else row.at(f"{self.key}_ci")
        if ci is None or reference is None:
            return 0.0, 0.0
        value = self.value(row)
        return max(0.0, value - reference - ci[0]), max(0.0, reference + ci[1] - value)


def _bytes(row: Row) -> float:
    return float(row.bytes_per_vector or 0.0)


def _figure(axis: _Axis, label: str, rows: Sequence[Row], commands: Mapping[str, str]) -> Figure:
    low, high = _window(axis, rows)
    limit = budget_limit(axis.result.budget)
    inside = [row for row in rows if axis.value(row) >= low]
    below = [(_bytes(row), _hover(row, commands)) for row in rows if axis.value(row) < low]
    front = front_of(inside, axis.key)
    groups: dict[str, list[Row]] = {name: [] for name in STYLES}
    for row in inside:
        groups[_group(row, front, axis.recommended, limit is not None)].append(row)
    data = [_front_line(front, axis)]
    data += [_markers(name, members, axis, commands) for name, members in groups.items() if members]
    data += figures.off_scale(below, figures.MUTED)
    sizes = [_bytes(row) for row in rows]
    ticks = log_ticks(sizes)
    span = log_range(sizes + ([limit] if limit else []))
    x = figures.axis("Bytes per vector", ticks, list(map(number, ticks)), type="log", range=span, tickangle=0)
    y = figures.axis(label, range=[low, high], tickformat=".2f" if high - low > 0.08 else ".3f")
    baselines = [axis.result.baseline, *second_baselines(axis.result)]
    shapes, notes = _reference_lines(axis.key, baselines, limit, low, high)
    notes += [_label(row, axis) for row in groups["best"][:1]]
    legend = {**figures.LEGEND_ABOVE["legend"], "itemclick": False, "itemdoubleclick": False}
    return figure(
        data,
        x,
        y,
        height=460,
        yaxis2=figures.EDGE_AXIS,
        shapes=shapes,
        annotations=notes,
        showlegend=True,
        legend=legend,
        margin={"l": 56, "r": 20, "t": 24, "b": 56},
    )


def _group(row: Row, front: Sequence[Row], recommended: str, budgeted: bool) -> str:
    if recommended and row.spec == recommended:
        return "best"
    if row.reference is not None:
        return "metric"
    if row.tied:
        return "tied"
    if any(row is member for member in front):
        return "front"
    return "over" if budgeted and row.fits_budget is False else "rest"


STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "rest": ("other", {"symbol": "circle", "size": 8, "color": figures.MUTED}),
    "over": ("over budget", {"symbol": "circle-open", "size": 8, "color": figures.MUTED, "line": {"width": 1.5}}),
    "metric": ("another metric", {"symbol": "triangle-up", "size": 9, "color": figures.THIRD}),
    "tied": ("tied with the recommended store", {"symbol": "diamond", "size": 10, "color": figures.THIRD}),
    "front": ("Pareto front", {"symbol": "circle", "size": 10, "color": figures.ACCENT}),
    "best": (
        "recommended",
        {"symbol": "star", "size": 18, "color": figures.SECOND, "line": {"width": 1, "color": figures.SURFACE}},
    ),
}


def _markers(group: str, rows: list[Row], axis: _Axis, commands: Mapping[str, str]) -> dict[str, Any]:
    name, marker = STYLES[group]
    color = figures.FAINT if group in ("rest", "over") else marker["color"]
    bars = figures.error_bars(list(map(axis.bars, rows)), color)
    hovers = [_hover(row, commands) for row in rows]
    return figures.markers(name, list(map(axis.point, rows)), marker, hovers, error_y=bars)


def _hover(row: Row, commands: Mapping[str, str]) -> str:
    change = estimate(row.difference, row.difference_ci, 4, signed=True)
    lines = [
        f"<b>{plot_text(row.spec)}</b>",
        f"{byte_size(row.bytes_per_vector)} per vector",
        f"nDCG@10 {estimate(row.ndcg, row.ndcg_ci, 4)}",
        f"difference {change} {plot_text(why_none(row))}".rstrip(),
        f"retained {percent(row.retained, row.retained_ci)}",
        f"recall@10 of exact {number(row.recall, places=3)}",
    ]
    if row.spec in commands:
        lines.append(f"<i>{plot_text(commands[row.spec])}</i>")
    return "<br>".join(lines)


def _front_line(front: Sequence[Row], axis: _Axis) -> dict[str, Any]:
    line = {"color": figures.ACCENT, "width": 1.5, "shape": "hv"}
    return figures.trace(list(map(axis.point, front)), "lines", line=line, hoverinfo="skip", showlegend=False)


def _window(axis: _Axis, rows: Sequence[Row]) -> tuple[float, float]:
    """Range of the axis: rows of at least 60 % of the best, the baseline, the recommended row, and their bars."""
    always = (axis.recommended, axis.result.baseline.spec)
    kept = figures.near_best([axis.value(row) for row in rows], SHARE_SHOWN)
    least = min([*kept, *(axis.value(row) for row in rows if row.spec in always)])
    ends = [least, max(kept)]
    for row in rows:
        if (value := axis.value(row)) >= least:
            low, high = axis.bars(row)
            ends += [value - low, value + high]
    room = max(max(ends) - min(ends), 0.02 * abs(max(ends)), 1e-6)
    return min(ends) - 0.1 * room, max(ends) + 0.15 * room


def _reference_lines(
    key: str, baselines: Sequence[Row], limit: float | None, low: float, high: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes, notes = [], []
    style = {"yanchor": "bottom", "xanchor": "left", "font": {"size": 12, "color": figures.MUTED}}
    for baseline in baselines:
        value = baseline.at(key)
        if value is None or not low <= value <= high:
            continue
        shapes.append(figures.rule(x0=0, x1=1, xref="paper", y0=value, y1=value))
        text = f"{plot_text(baseline.spec or 'float32')} {number(value, places=3)}"
        notes.append(figures.note(text, 0, value, xref="paper", **style))
    if limit:
        shapes.append(figures.rule("dash", x0=limit, x1=limit, y0=0, y1=1, yref="paper"))
        text = f"budget {byte_size(limit)}"
        notes.append(figures.note(text, math.log10(limit), 0, yref="paper", xshift=4, **style))
    return shapes, notes


def _label(row: Row, axis: _Axis) -> dict[str, Any]:
    """The recommendation's name, above its star: the front is the upper edge of the cloud, so there is room.

    Plotly places annotations on a log axis by power of ten, shapes by value.
    """
    return {
        "text": f"<b>{plot_text(row.spec, 40)}</b>",
        "x": math.log10(_bytes(row)),
        "y": axis.value(row),
        "ax": 34,
        "ay": -36,
        "arrowcolor": figures.SECOND,
        "arrowwidth": 1,
        "arrowhead": 0,
        "standoff": 9,
        "font": {"color": figures.INK, "size": 13},
        "bgcolor": figures.SURFACE,
    }
