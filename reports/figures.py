"""What every plot shares. A figure is a plain dict in plotly's schema; colours are names of the page's palette.

"var(--plot-1)" and the like are replaced by the page's script with the colours of the current theme, so that one
figure serves light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from embgeo.reports.numbers import finite

INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--rule)"
ACCENT, SECOND, THIRD, FAINT = "var(--plot-1)", "var(--plot-2)", "var(--plot-3)", "var(--plot-faint)"
SURFACE = "var(--surface)"
COLORS = (ACCENT, SECOND, THIRD, "var(--plot-4)", "var(--plot-5)", "var(--plot-6)")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")

# from 0 at the bottom to 1 at the top, whatever the reader zooms to
EDGE_AXIS = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}

# settings of a figure with its legend over the plot
LEGEND_ABOVE: dict[str, Any] = {
    "showlegend": True,
    "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
}

Figure = dict[str, Any]


def figure(
    data: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], height: int = 320, **layout: Any
) -> Figure:
    """A figure in the house style: no frame, thin horizontal grid, small type, legend above."""
    lines = {"gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "tickcolor": MUTED, "automargin": True}
    style: dict[str, Any] = {
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "font": {"size": 13, "color": INK, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {**lines, "showgrid": False, "showline": True, "ticks": "outside", **x},
        "yaxis": {**lines, **y},
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": MUTED, "font": {"color": INK, "size": 13}, "align": "left"},
        "showlegend": False,
    }
    for each in (style["xaxis"], style["yaxis"]):
        each["title"] = {"standoff": 10, **each.setdefault("title", {}), "font": {"size": 13}}
    return {"data": data, "layout": {**style, **layout}}


def style_of(place: int) -> tuple[str, str]:
    """The colour and the symbol of the series at `place`."""
    return COLORS[place % len(COLORS)], SYMBOLS[place % len(SYMBOLS)]


def axis(title: str, ticks: Sequence[float] | None = None, texts: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """An axis with its title; if `ticks` are given, labels only at them: their `texts`."""
    labels = {} if ticks is None else {"tickvals": list(ticks), "ticktext": list(texts)}
    return {"title": {"text": title}, **labels, **more}


def trace(points: Sequence[tuple[Any, Any]], mode: str, **more: Any) -> dict[str, Any]:
    """(x, y) points as one trace, `mode` "lines", "markers" or both; `more` is anything else in plotly's schema."""
    return {"type": "scatter", "mode": mode, "x": [x for x, _ in points], "y": [y for _, y in points], **more}


def markers(
    name: str, points: Sequence[tuple[Any, Any]], marker: dict[str, Any], hovers: Sequence[str], **more: Any
) -> dict[str, Any]:
    """Points as one trace; `hovers` are their texts in plotly's HTML, `more` is anything else in its schema."""
    told = {"name": name, "marker": marker, "text": list(hovers), "hovertemplate": "%{text}<extra></extra>"}
    return trace(points, **{"mode": "markers", **told, **more})


def rule(dash: str = "dot", **ends: Any) -> dict[str, Any]:
    """A thin straight line under the data."""
    return {"type": "line", "layer": "below", "line": {"color": MUTED, "width": 1.25, "dash": dash}, **ends}


def note(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """Text at a position; on a log axis that is a power of ten, as plotly expects."""
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": {"size": 12, "color": INK}, **more}


def error_bars(lengths: Sequence[tuple[float, float]], color: str, thickness: float = 1) -> dict[str, Any]:
    """Error bars without end caps, of these lengths below and above their points."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [above for _, above in lengths],
        "arrayminus": [below for below, _ in lengths],
        "color": color,
        "thickness": thickness,
        "width": 0,
    }


def off_scale(points: Sequence[tuple[float, str]], color: Any) -> list[dict[str, Any]]:
    """(x, hover text) of points below the axis as one trace of arrows on its lower edge; [] without points.

    The arrows use `EDGE_AXIS`, so that they stay at the edge when a reader zooms, and no line joins them.
    """
    name, marker = "below the axis", {"symbol": "triangle-down-open", "size": 8, "color": color}
    edge, texts = [(x, 0.015) for x, _ in points], [text for _, text in points]
    told = f"%{{text}}<extra>{name}</extra>"
    return [markers(name, edge, marker, texts, yaxis="y2", hovertemplate=told)] if points else []


def near_best(values: Sequence[float], share: float) -> list[float]:
    """The `values` that an axis should cover: at least `share` of the best. The rest would squash them."""
    top = max(values)
    return [value for value in values if value >= share * top] or list(values)


def series(values: Any) -> list[float | None]:
    """A stored list as numbers; missing ones stay None, which plotly draws as a gap."""
    return [finite(value) for value in values] if isinstance(values, list | tuple) else []


def log_ticks(values: list[float], gap: float = 0.09) -> list[float]:
    """The `values` that fit as labels of a log axis without overlap: at least `gap` of its span apart."""
    positive = sorted({value for value in values if value > 0})
    if len(positive) < 2:
        return positive
    least = gap * (math.log10(positive[-1]) - math.log10(positive[0]))
    kept = [positive[0]]
    for value in positive[1:-1]:
        if math.log10(value / kept[-1]) >= least and math.log10(positive[-1] / value) >= least:
            kept.append(value)
    return [*kept, positive[-1]]


def decade_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within [low, high], only 1 and 3 where that would be many."""
    steps = (1, 2, 5) if math.log10(high / low) < 2 else (1, 3)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for power in powers for step in steps if low <= (tick := step * 10.0**power) <= high]


def log_range(values: list[float], pad: float = 0.06) -> list[float]:
    """Range of a log axis (in powers of ten) around positive `values`, with room at both ends."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(pad * (high - low), 0.05)
    return [low - room, high + room]
