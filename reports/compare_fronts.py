"""Trade-off fronts of several runs in one plot: as measured, and each relative to its own float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure, log_range, log_ticks
from embgeo.reports.numbers import bounds, byte_size, estimate, finite, number, percent
from embgeo.reports.plaintext import plot_text
from embgeo.reports.stored import Entry as Row
from embgeo.reports.stored import entries, entry

LABELS = {"ndcg@10": "nDCG@10, out of sample", "recall@10_exact": "Recall@10 against exact neighbours"}
COLOURS = tuple(f"var(--plot-{n})" for n in range(1, 7))
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "hexagram")
DASHES = ("solid", "dash", "dot", "dashdot")
SHARE_HELD = 0.75  # of a run's own best quality: rows below would squash the others into a line


def front_figures(group: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Figure]:
    """ "absolute": bytes per vector × quality; "relative": share of float32's bytes × share of its quality."""
    label = LABELS.get(str(group.get("measure")), "Quality")
    drawn = {}
    for key, x, y, x_title, y_title in (
        ("absolute", "bytes_per_vector", "quality", "Bytes per vector", label),
        ("relative", "relative_bytes", "relative_quality", "Share of float32's bytes", "Share of float32's quality"),
    ):
        fronts = [(f, _points(f, x, y)) for f in entries(group.get("fronts"))]
        fronts = [(f, points) for f, points in fronts if points]
        if fronts:
            drawn[key] = _figure(fronts, key == "relative", str(group.get("measure")), x_title, y_title, names)
    return drawn


def _points(front: Row, x: str, y: str) -> list[tuple[float, float, Row]]:
    found = ((finite(row.get(x)), finite(row.get(y)), row) for row in entries(front.get("rows")))
    return [(a, b, row) for a, b, row in found if a and b is not None]


def _figure(
    fronts: Sequence[tuple[Row, list[tuple[float, float, Row]]]],
    relative: bool,
    measure: str,
    x_title: str,
    y_title: str,
    names: Mapping[str, str],
) -> Figure:
    low, high = _window(fronts, relative, measure)
    data: list[dict[str, Any]] = []
    below: list[tuple[float, str]] = []
    for place, (front, points) in enumerate(fronts):
        label = str(front.get("label"))
        name = f"{label} {names.get(label, '')}".strip()
        data += _traces(front, [point for point in points if point[1] >= low], place, name, relative, measure)
        below += [(x, _hover(row, name, measure)) for x, y, row in points if y < low]
    data += figures.off_scale(below, figures.MUTED)
    every = [x for _, points in fronts for x, _, _ in points]
    ticks = log_ticks(every)
    axis = {
        "type": "log", "title": {"text": x_title}, "range": log_range(every), "tickvals": ticks,
        "ticktext": [percent(tick, places=0 if tick >= 0.1 else 1) if relative else number(tick) for tick in ticks],
        "tickangle": 0,
    }  # fmt: skip
    room = high - low
    height = {"title": {"text": y_title}, "range": [low, high]}
    height["tickformat"] = ".0%" if relative and room > 0.05 else ".1%" if relative else ".2f" if room > 0.08 else ".3f"
    return figure(
        data, axis, height, height=460, yaxis2=figures.EDGE_AXIS, showlegend=True,
        margin={"l": 60, "r": 20, "t": 24, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip


def _window(
    fronts: Sequence[tuple[Row, list[tuple[float, float, Row]]]], relative: bool, measure: str
) -> tuple[float, float]:
    """The axis: of each run what lies near its own best, the bars of its front, and its recommended store."""
    ends = []
    for front, points in fronts:
        ends += figures.held([y for _, y, _ in points], SHARE_HELD)
        ends += [y for _, y, row in points if row.get("spec") == front.get("recommended")]
    least = min(ends)
    for front, points in fronts:
        for _, y, row in points:
            if y >= least and row.get("front") is True:
                low, high = _error(row, front, relative, measure, y)
                ends += [y - low, y + high]
    room = max(max(ends) - min(ends), 0.02 * abs(max(ends)), 1e-6)
    return min(ends) - 0.1 * room, max(ends) + 0.15 * room


def _traces(
    front: Row,
    points: Sequence[tuple[float, float, Row]],
    at: int,
    name: str,
    relative: bool,
    measure: str,
) -> list[dict[str, Any]]:
    """The front as line and markers with intervals, the other rows faint, the recommended store ringed."""
    colour, symbol = COLOURS[at % len(COLOURS)], SYMBOLS[at % len(SYMBOLS)]
    best = sorted((p for p in points if p[2].get("front") is True), key=lambda p: p[:2])
    rest = [p for p in points if p[2].get("front") is not True]
    spec = front.get("recommended")
    chosen = [p for p in best + rest if spec is not None and p[2].get("spec") == spec]
    hover: Callable[[Row], str] = lambda row: _hover(row, name, measure)  # noqa: E731 - bound to this front's name
    ends = [_error(row, front, relative, measure, y) for _, y, row in best]
    traces = [
        _trace(
            best, hover, mode="lines+markers", name=plot_text(name, 40), legendgroup=str(at),
            line={"color": colour, "width": 1.75, "dash": DASHES[at % len(DASHES)], "shape": "hv"},
            marker={"symbol": symbol, "size": 10, "color": colour},
            error_y={"type": "data", "symmetric": False, "array": [high for _, high in ends],
                     "arrayminus": [low for low, _ in ends], "color": colour, "thickness": 1, "width": 3},
        ),
        _trace(
            rest, hover, mode="markers", name=plot_text(name, 40), legendgroup=str(at), showlegend=False, opacity=0.55,
            marker={"symbol": f"{symbol}-open", "size": 7, "color": colour},
        ),
        _trace(
            chosen, hover, mode="markers+text", name=plot_text(name, 40), legendgroup=str(at), showlegend=False,
            textposition="bottom right", text=plot_text(f"{front.get('label')}: {spec}", 40),
            textfont={"color": figures.INK, "size": 12},
            marker={"symbol": f"{symbol}-open", "size": 18, "color": figures.INK, "line": {"width": 1.5}},
        ),
    ]  # fmt: skip
    return [trace for trace in traces if trace["x"]]


def _trace(points: Sequence[tuple[float, float, Row]], hover: Callable[[Row], str], **style: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [x for x, _, _ in points],
        "y": [y for _, y, _ in points],
        "hovertext": [hover(row) for _, _, row in points],
        "hoverinfo": "text",
        **style,
    }


def _error(row: Row, front: Row, relative: bool, measure: str, value: float) -> tuple[float, float]:
    """Bar lengths below and above: the interval paired with the run's own float32, so that fronts stay readable."""
    base = finite(entry(front.get("baseline")).get(measure))
    if measure != "ndcg@10":
        ends = bounds(row.get(f"{measure}_ci"))
    elif relative:
        ends = bounds(row.get("retained_ci"))
    else:
        gap = bounds(row.get("difference_ci"))
        ends = None if gap is None or base is None else (base + gap[0], base + gap[1])
    return (0.0, 0.0) if ends is None else (max(0.0, value - ends[0]), max(0.0, ends[1] - value))


def _hover(row: Row, name: str, measure: str) -> str:
    lines = [
        f"<b>{plot_text(str(row.get('spec', '')))}</b>",
        plot_text(name),
        f"{byte_size(row.get('bytes_per_vector'))} per vector, {percent(row.get('relative_bytes'))} of float32",
    ]
    if measure == "ndcg@10":
        lines.append(f"nDCG@10 {estimate(row.get('ndcg@10'), row.get('ndcg@10_ci'), 4)}")
        lines.append(f"keeps {percent(row.get('relative_quality'), row.get('retained_ci'))}")
    lines.append(f"recall@10 of exact {number(row.get('recall@10_exact'), places=3)}")
    return "<br>".join(lines)
