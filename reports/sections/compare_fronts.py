"""Trade-off fronts of several runs in one plot: as measured, and each relative to its own float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Data, Plot
from embgeo.reports.figures import Figure, figure, log_range, log_ticks
from embgeo.reports.heading import run_names
from embgeo.reports.numbers import byte_size, estimate, number, percent
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, RECALL, CompareResult
from embgeo.results.compare import Front, FrontGroup, FrontRow

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "hexagram")
DASHES = ("solid", "dash", "dot", "dashdot")
SHARE_SHOWN = 0.75  # of a run's own best quality: rows below would squash the others into a line
CHOICES = {"absolute": "as measured", "relative": "relative to each model's float32"}
CAPTION = (
    "Each line is the Pareto front of a run; open markers are its other stores; the recommended store is ringed. Bars "
    "are 95 % intervals of the difference from the run's own float32. Stores below the axis are drawn as arrows at its "
    "lower edge, not joined to the lines; hover for their values."
)
BY_NDCG, BY_RECALL = (
    f"Size against {what}" for what in ("nDCG@10 on the judgements", "recall of the exact neighbours")
)


@section("fronts-ndcg", BY_NDCG, of=CompareResult, order=200)
def by_ndcg(shown: Shown[CompareResult]) -> Iterator[Block]:
    return _plots(shown.result, NDCG, "fronts-ndcg", BY_NDCG)


@section("fronts-recall", BY_RECALL, of=CompareResult, order=300)
def by_recall(shown: Shown[CompareResult]) -> Iterator[Block]:
    return _plots(shown.result, RECALL, "fronts-recall", BY_RECALL)


def _plots(result: CompareResult, measure: str, name: str, title: str) -> Iterator[Block]:
    """The fronts of one measure; the first plot on the page offers all stores as CSV."""
    stores = [
        {"run": front.label, **row.to_json()} for group in result.fronts for front in group.fronts for row in front.rows
    ]
    first = True
    for group in result.fronts:
        drawn = front_figures(group, run_names(result))
        if drawn and group.measure == measure:
            count = sum(len(front.rows) for front in group.fronts)
            described = (
                f"Quality against bytes per vector, Pareto fronts of the runs overlaid, {count} stores; each run's own "
                "report has the same numbers as a table."
            )
            data = Data("stores", "Stores", stores) if first else None
            yield Plot(name, title, described, drawn, CAPTION, "Axes", choices=CHOICES, data=data)
        first = first and not drawn


@dataclass(frozen=True)
class _Axes:
    """What a figure shows: values as they are, or as shares of each run's own float32."""

    relative: bool
    measure: str
    names: Mapping[str, str]

    def points(self, front: Front) -> list[Point]:
        """(bytes, quality, row) of the rows that have both."""
        found = [(self._place(row), row) for row in front.rows]
        return [(x, y, row) for (x, y), row in found if x and y is not None]

    def _place(self, row: FrontRow) -> tuple[float | None, float | None]:
        both = (row.relative_bytes, row.relative_quality)
        return both if self.relative else (row.bytes_per_vector, row.quality)

    def bars(self, row: FrontRow, front: Front, value: float) -> tuple[float, float]:
        """Lengths below and above: the interval paired with the run's own float32, so that fronts stay readable."""
        base, gap = front.baseline.at(self.measure), row.difference_ci
        if self.measure != NDCG:
            ends = row.at(f"{self.measure}_ci")
        elif self.relative:
            ends = row.retained_ci
        else:
            ends = None if gap is None or base is None else (base + gap[0], base + gap[1])
        return (0.0, 0.0) if ends is None else (max(0.0, value - ends[0]), max(0.0, ends[1] - value))

    def name(self, front: Front) -> str:
        return f"{front.label} {self.names.get(front.label, '')}".strip()

    def hover(self, row: FrontRow, front: Front) -> str:
        lines = [
            f"<b>{plot_text(row.spec)}</b>",
            plot_text(self.name(front)),
            f"{byte_size(row.bytes_per_vector)} per vector, {percent(row.relative_bytes)} of float32",
        ]
        if self.measure == NDCG:
            lines.append(f"nDCG@10 {estimate(row.ndcg, row.ndcg_ci, 4)}")
            lines.append(f"keeps {percent(row.relative_quality, row.retained_ci)}")
        lines.append(f"recall@10 of exact {number(row.recall, places=3)}")
        return "<br>".join(lines)


Point = tuple[float, float, FrontRow]
Drawn = Sequence[tuple[Front, list[Point]]]


def front_figures(group: FrontGroup, names: Mapping[str, str]) -> dict[str, Figure]:
    """ "absolute": bytes per vector × quality; "relative": share of float32's bytes × share of its quality."""
    drawn = {}
    for key in CHOICES:
        axes = _Axes(key == "relative", group.measure, names)
        fronts = [(front, points) for front in group.fronts if (points := axes.points(front))]
        if fronts:
            drawn[key] = _figure(fronts, axes)
    return drawn


def _figure(fronts: Drawn, axes: _Axes) -> Figure:
    low, high = _window(fronts, axes)
    data: list[dict[str, Any]] = []
    below: list[tuple[float, str]] = []
    for place, (front, points) in enumerate(fronts):
        data += _traces(front, [point for point in points if point[1] >= low], place, axes)
        below += [(x, axes.hover(row, front)) for x, y, row in points if y < low]
    data += figures.off_scale(below, figures.MUTED)
    every = [x for _, points in fronts for x, _, _ in points]
    return figure(
        data,
        _bytes_axis(every, axes.relative),
        _quality_axis(low, high, axes),
        height=460,
        yaxis2=figures.EDGE_AXIS,
        margin={"l": 60, "r": 20, "t": 24, "b": 56},
        **figures.LEGEND_ABOVE,
    )


def _bytes_axis(every: list[float], relative: bool) -> dict[str, Any]:
    ticks = log_ticks(every)
    texts = [percent(tick, places=0 if tick >= 0.1 else 1) if relative else number(tick) for tick in ticks]
    title = "Share of float32's bytes" if relative else "Bytes per vector"
    return figures.axis(title, ticks, texts, type="log", range=log_range(every), tickangle=0)


def _quality_axis(low: float, high: float, axes: _Axes) -> dict[str, Any]:
    room = high - low
    labels = {NDCG: "nDCG@10, out of sample", RECALL: "Recall@10 against exact neighbours"}
    title = "Share of float32's quality" if axes.relative else labels.get(axes.measure, "Quality")
    ticks = (".0%" if room > 0.05 else ".1%") if axes.relative else ".2f" if room > 0.08 else ".3f"
    return figures.axis(title, range=[low, high], tickformat=ticks)


def _window(fronts: Drawn, axes: _Axes) -> tuple[float, float]:
    """Range of the quality axis: of each run the rows near its best, the bars of its front, the recommended store."""
    ends = []
    for front, points in fronts:
        ends += figures.near_best([y for _, y, _ in points], SHARE_SHOWN)
        ends += [y for _, y, row in points if row.spec == front.recommended]
    least = min(ends)
    for front, points in fronts:
        for _, y, row in points:
            if y >= least and row.front:
                low, high = axes.bars(row, front, y)
                ends += [y - low, y + high]
    room = max(max(ends) - min(ends), 0.02 * abs(max(ends)), 1e-6)
    return min(ends) - 0.1 * room, max(ends) + 0.15 * room


def _traces(front: Front, points: Sequence[Point], at: int, axes: _Axes) -> list[dict[str, Any]]:
    """The front as line and markers with intervals, the other rows faint, the recommended store ringed."""
    colour, symbol = figures.COLORS[at % len(figures.COLORS)], SYMBOLS[at % len(SYMBOLS)]
    best = sorted((point for point in points if point[2].front), key=lambda point: point[:2])
    rest = [point for point in points if not point[2].front]
    chosen = [point for point in best + rest if front.recommended and point[2].spec == front.recommended]
    bars = [axes.bars(row, front, y) for _, y, row in best]
    legend = {"name": plot_text(axes.name(front), 40), "legendgroup": str(at)}

    def trace(points: Sequence[Point], mode: str, **style: Any) -> dict[str, Any]:
        hovers = [axes.hover(row, front) for _, _, row in points]
        told = {"hovertext": hovers, "hoverinfo": "text", **legend, **style}
        return figures.trace([(x, y) for x, y, _ in points], mode, **told)

    traces = [
        trace(
            best,
            mode="lines+markers",
            marker={"symbol": symbol, "size": 10, "color": colour},
            line={"color": colour, "width": 1.75, "dash": DASHES[at % len(DASHES)], "shape": "hv"},
            error_y={**figures.error_bars(bars, colour), "width": 3},
        ),
        trace(
            rest,
            mode="markers",
            showlegend=False,
            opacity=0.55,
            marker={"symbol": f"{symbol}-open", "size": 7, "color": colour},
        ),
        trace(
            chosen,
            mode="markers+text",
            showlegend=False,
            textposition="bottom right",
            text=plot_text(f"{front.label}: {front.recommended}", 40),
            textfont={"color": figures.INK, "size": 12},
            marker={"symbol": f"{symbol}-open", "size": 18, "color": figures.INK, "line": {"width": 1.5}},
        ),
    ]
    return [trace for trace in traces if trace["x"]]
