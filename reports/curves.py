"""Stored curves (spectrum, dimension against scale, …) as small plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure, log_range, log_ticks, series
from embgeo.reports.numbers import number
from embgeo.reports.plaintext import plot_text

SMALLEST_SHOWN = 1e-6  # of the largest value, on a log axis
AXES = {"x": (True, False), "y": (False, True), "xy": (True, True), True: (False, True)}


@dataclass(frozen=True)
class CurvePlot:
    """One drawn curve: `title` and `description` are text (the description is read out in place of the plot)."""

    title: str
    description: str
    figure: Figure


def curve_plots(curves: Any) -> list[CurvePlot]:
    """A plot for each drawable entry of result["curves"] (by name, or by measure and name), in stored order.

    What cannot be drawn is left out.
    """
    plots = (_plot(name, curve) for name, curve in _flat(curves))
    return [plot for plot in plots if plot is not None]


def _flat(curves: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in curves.items() if isinstance(curves, Mapping) else ():
        if isinstance(entry, Mapping) and "x" in entry:
            yield str(name), entry
        elif isinstance(entry, Mapping):
            yield from ((f"{name}: {part}", curve) for part, curve in _flat(entry))


def _plot(name: str, curve: Mapping[str, Any]) -> CurvePlot | None:
    x, y = series(curve.get("x")), series(curve.get("y"))
    points = [(a, b) for a, b in zip(x, y, strict=False) if a is not None and b is not None]
    if len(points) < 2:
        return None
    log_x, log_y = AXES.get(curve.get("log") or False, (False, False))
    x_label, y_label = str(curve.get("x_label") or "x"), str(curve.get("y_label") or "y")
    drawn = figure(
        [*_band(x, curve), *_fit(x, curve), _line(x, y, name)],
        {"title": {"text": plot_text(x_label)}, "type": "log" if log_x and points[0][0] > 0 else "linear"},
        {"title": {"text": plot_text(y_label)}, "type": "log" if log_y and all(b > 0 for _, b in points) else "linear"},
        height=280,
    )
    layout = drawn["layout"]
    if layout["xaxis"]["type"] == "log":
        ticks = log_ticks([a for a, _ in points], gap=0.14)
        layout["xaxis"] |= {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks], "tickangle": 0}
    if layout["yaxis"]["type"] == "log":
        # rounding noise around zero (the last eigenvalue of a centred spectrum) would take most of the axis
        top = max(b for _, b in points)
        shown = [b for _, b in points if b >= top * SMALLEST_SHOWN]
        layout["yaxis"] |= {"range": log_range(shown), "dtick": 1, "exponentformat": "power"}
        if max(shown) < 100 * min(shown):  # too few powers of ten to label
            ticks = log_ticks(shown, gap=0.15)
            layout["yaxis"] |= {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}
    (first_x, first_y), (last_x, last_y) = points[0], points[-1]
    description = (
        f"{y_label} against {x_label}: {number(first_y)} at {number(first_x)}, {number(last_y)} at {number(last_x)}, "
        f"{len(points)} points."
    )
    return CurvePlot(str(curve.get("title") or name.replace("_", " ")), description, drawn)


def _line(x: list[float | None], y: list[float | None], name: str) -> dict[str, Any]:
    known = [a for a in x if a is not None]
    cloud = any(b <= a for a, b in pairwise(known))  # no curve but points, as a persistence diagram
    return {
        "type": "scatter",
        "mode": "markers" if cloud else "lines+markers" if len(x) <= 25 else "lines",
        "name": plot_text(name),
        "x": x,
        "y": y,
        "line": {"color": figures.ACCENT, "width": 2},
        "marker": {"size": 4 if cloud else 6, "color": figures.ACCENT, "opacity": 0.6 if cloud else 1},
        "hovertemplate": "%{x:,.4~g}<br><b>%{y:,.4~g}</b><extra></extra>",
    }


def _fit(x: list[float | None], curve: Mapping[str, Any]) -> list[dict[str, Any]]:
    fit = series(curve.get("fit"))
    if len(fit) != len(x):
        return []
    line = {"color": figures.MUTED, "width": 1.25, "dash": "dot"}
    return [{"type": "scatter", "mode": "lines", "x": x, "y": fit, "line": line, "hoverinfo": "skip"}]


def _band(x: list[float | None], curve: Mapping[str, Any]) -> list[dict[str, Any]]:
    low, high = series(curve.get("lo", curve.get("low"))), series(curve.get("hi", curve.get("high")))
    rows = [
        (a, lo, hi)
        for a, lo, hi in zip(x, low, high, strict=False)
        if a is not None and lo is not None and hi is not None
    ]
    if len(rows) < 2:
        return []
    # one closed outline: down the upper edge, back along the lower
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [a for a, _, _ in rows] + [a for a, _, _ in reversed(rows)],
            "y": [hi for _, _, hi in rows] + [lo for _, lo, _ in reversed(rows)],
            "fill": "toself",
            "fillcolor": "var(--plot-band)",
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
    ]
