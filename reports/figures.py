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
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "tickcolor": MUTED, "automargin": True}
    style: dict[str, Any] = {
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "font": {"size": 13, "color": INK, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {**axis, "showgrid": False, "showline": True, "ticks": "outside", **x},
        "yaxis": {**axis, **y},
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": MUTED, "font": {"color": INK, "size": 13}, "align": "left"},
        "showlegend": False,
    }
    for each in (style["xaxis"], style["yaxis"]):
        each["title"] = {"standoff": 10, **each.setdefault("title", {}), "font": {"size": 13}}
    return {"data": data, "layout": {**style, **layout}}


def style_of(place: int) -> tuple[str, str]:
    """The colour and the symbol of the series at `place`."""
    return COLORS[place % len(COLORS)], SYMBOLS[place % len(SYMBOLS)]


def markers(
    name: str, x: Sequence[Any], y: Sequence[Any], marker: dict[str, Any], hovers: Sequence[str], **more: Any
) -> dict[str, Any]:
    """Points as one trace; `hovers` are their texts in plotly's HTML, `more` whatever else its schema knows."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "marker": marker,
        "text": list(hovers),
        "hovertemplate": "%{text}<extra></extra>",
        **more,
    }


def error_bars(below: Sequence[float], above: Sequence[float], color: str, thickness: float = 1) -> dict[str, Any]:
    """Bars of these lengths without ends."""
    return {
        "type": "data",
        "symmetric": False,
        "array": list(above),
        "arrayminus": list(below),
        "color": color,
        "thickness": thickness,
        "width": 0,
    }


def off_scale(points: Sequence[tuple[float, str]], color: Any) -> list[dict[str, Any]]:
    """(x, hover text) of points below the axis as one trace of arrows on its lower edge; [] without points.

    The arrows hang on `EDGE_AXIS`, so that they stay on the edge when a reader zooms, and no line reaches them.
    """
    if not points:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "below the axis",
            "yaxis": "y2",
            "x": [x for x, _ in points],
            "y": [0.015] * len(points),
            "marker": {"symbol": "triangle-down-open", "size": 8, "color": color},
            "text": [text for _, text in points],
            "hovertemplate": "%{text}<extra>below the axis</extra>",
        }
    ]


def held(values: Sequence[float], share: float) -> list[float]:
    """Those of `values` that an axis should hold: at least `share` of the best. The rest would squash them."""
    top = max(values)
    return [value for value in values if value >= share * top] or list(values)


def series(values: Any) -> list[float | None]:
    """A stored list as numbers; what is missing stays None, which plotly draws as a gap."""
    return [finite(value) for value in values] if isinstance(values, list | tuple) else []


def log_ticks(values: list[float], gap: float = 0.09) -> list[float]:
    """Those of `values` that can stand as labels of a log axis without overlap: at least `gap` of its span apart."""
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
