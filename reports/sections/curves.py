"""Stored curves (spectrum, dimension against scale, …) as small plots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Gallery, Plot
from embgeo.reports.drawing.csv import file_names
from embgeo.reports.figures import Figure, figure, log_range, log_ticks
from embgeo.reports.numbers import count, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult, Curve, MeasuredValue
from embgeo.results.measures import curve_facts

if TYPE_CHECKING:
    from embgeo.metrics.registry import CurveFacts

PERSISTENCE = ("persistence_diagram_h0", "persistence_diagram_h1")
MARK_LINE = {"color": figures.SECOND, "width": 1.5, "dash": "dash"}
SMALLEST_SHOWN = 1e-6  # of the largest value, on a log axis
DIAGRAM_NOTE = (
    "Each point is a component or a loop, placed by the distances at which it appears and disappears; points far from "
    "the diagonal persist."
)
AXES = {"x": (True, False), "y": (False, True), "xy": (True, True), True: (False, True)}


@section("curves", "Curves", of=AnalyzeResult, order=400)
def curves(shown: Shown[AnalyzeResult]) -> list[Block]:
    drawn = curve_plots(shown.result)
    names = file_names(f"curve {plot.title}" for plot in drawn)
    plots = [replace(plot, name=name) for plot, name in zip(drawn, names, strict=True)]
    return [Gallery(plots)] if plots else []


def curve_plots(result: AnalyzeResult) -> list[Plot]:
    """A plot for each curve that can be drawn.

    Curves are ordered by the `place` that their measures declare, then as stored. Values of the signature are marked
    where a measure declares it.
    """
    found = sorted(result.each_curve(), key=lambda item: _facts(*item).place)
    bars = {key[-1]: curve for key, curve in found if key[-1] in PERSISTENCE}
    values = result.signature or {}
    drawn = [_plot(key, curve, values) for key, curve in found if key[-1] not in PERSISTENCE]
    return [plot for plot in (*drawn, _diagram(*(bars.get(name) for name in PERSISTENCE))) if plot is not None]


def _facts(key: tuple[str, ...], curve: Curve) -> CurveFacts:
    """How the curve is drawn; its title is the stored one, the declared one, or made from its key."""
    known = curve_facts(*key) if len(key) == 2 else curve_facts("", key[-1])
    title = curve.title or known.title or ": ".join(part.replace("_", " ") for part in key)
    return replace(known, title=title if known.title else title[:1].upper() + title[1:])


def _plot(key: tuple[str, ...], curve: Curve, values: Mapping[str, MeasuredValue]) -> Plot | None:
    facts = _facts(key, curve)
    points = [(a, b) for a, b in zip(curve.x, curve.y, strict=False) if a is not None and b is not None]
    if len(points) < 2:
        return None
    log_x, log_y = _log_axes(curve, facts, points)
    note, least = facts.note, -math.inf
    y, fit = curve.y, curve.fit or []
    if log_y:
        # rounding noise around zero (the last eigenvalue of a centred spectrum) would take most of the axis
        least = SMALLEST_SHOWN * max(b for _, b in points)
        kept = [(a, b) for a, b in points if b >= least]
        if len(kept) < len(points):
            note = f"{note} {len(points) - len(kept)} values under a millionth of the largest are not drawn.".lstrip()
        points = kept
        y, fit = ([b if b is not None and b >= least else None for b in values] for values in (y, fit))
    x_label, y_label = curve.x_label or "x", curve.y_label or "y"
    main = _bars(curve.x, y) if curve.kind == "bars" else _line(curve.x, y, ": ".join(key))
    drawn = figure(
        [*_band(curve), *_fit(curve.x, fit), main],
        figures.axis(plot_text(x_label), type="log" if log_x else "linear"),
        figures.axis(plot_text(y_label), type="log" if log_y else "linear"),
        height=280,
    )
    _tick(drawn, [a for a, _ in points], least)
    marks = _marks(curve, facts, values)
    _draw_marks(drawn["layout"], marks, points, _heights(drawn["data"]))
    if curve.kind == "bars":
        drawn["layout"]["bargap"] = 0
    (first_x, first_y), (last_x, last_y) = points[0], points[-1]
    described = (
        f"{y_label} against {x_label}: {number(first_y)} at {number(first_x)}, {number(last_y)} at {number(last_x)}, "
        f"{len(points)} points." + "".join(f" {label}: {number(at)}." for at, label in marks)
    )
    return Plot("", facts.title, described, {"curve": drawn}, note)


def _log_axes(curve: Curve, facts: CurveFacts, points: list[tuple[float, float]]) -> tuple[bool, bool]:
    """Whether x and y are logarithmic: as the curve or its measure asks, where all values are positive."""
    log = curve.log or facts.log or False
    log_x, log_y = AXES.get(log if isinstance(log, str | bool) else False, (False, False))
    return log_x and all(a > 0 for a, _ in points), log_y and all(b > 0 for _, b in points)


def _tick(drawn: Figure, x: list[float], least: float) -> None:
    """Range and ticks of logarithmic axes."""
    across, up = drawn["layout"]["xaxis"], drawn["layout"]["yaxis"]
    if across["type"] == "log":
        ticks = log_ticks(x, gap=0.14)
        across |= {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks], "tickangle": 0}
    if up["type"] == "log":
        heights = [height for height in _heights(drawn["data"]) if height >= least]
        up |= {"range": log_range(heights), "dtick": 1, "exponentformat": "power"}
        if max(heights) < 100 * min(heights):  # too few powers of ten to label
            ticks = log_ticks(heights, gap=0.15)
            up |= {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def _heights(data: list[dict[str, Any]]) -> list[float]:
    """All values that are drawn along y: the curve, its fit and its band."""
    return [value for trace in data for value in trace["y"] if value is not None]


def _draw_marks(
    layout: dict[str, Any], marks: list[tuple[float, str]], points: list[tuple[float, float]], heights: list[float]
) -> None:
    """Dashed vertical lines with staggered labels at the top, above the curve if the axis is linear."""
    place = math.log10 if layout["xaxis"]["type"] == "log" else float
    left, right = place(points[0][0]), place(points[-1][0])
    layout["shapes"] = [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": MARK_LINE} for at, _ in marks
    ]
    layout["annotations"] = []
    for step, (at, label) in enumerate(marks):
        text = plot_text(f"{label}: {number(at, places=None if at < 10 else 0)}", 40)
        side = "left" if place(at) < left + 0.7 * (right - left) else "right"
        note = figures.note(text, place(at), 1, yref="paper", xanchor=side, yanchor="top", yshift=-16 * step)
        layout["annotations"].append(note)
    if marks and layout["yaxis"]["type"] == "linear":
        low, high = min(0.0, *heights), max(heights)
        layout["yaxis"]["range"] = [low, high + (high - low) * (0.04 + 0.09 * len(marks))]


def _marks(curve: Curve, facts: CurveFacts, values: Mapping[str, MeasuredValue]) -> list[tuple[float, str]]:
    """(x, label) of vertical lines: values of the signature, so that a page shows one of each; else the stored ones."""
    measured = [(values[name].value if name in values else None, label) for name, label in facts.marks]
    own = [(mark.x, mark.label) for mark in curve.marks]
    found = measured if any(at is not None for at, _ in measured) else own
    return sorted((at, label) for at, label in found if at is not None and (at > 0 or "x" not in facts.log))


def _bars(x: list[float | None], y: list[float | None]) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": x,
        "y": y,
        "marker": {"color": figures.ACCENT, "line": {"width": 0}},
        "hovertemplate": "%{x:,.4~g}<br><b>%{y:,.3~g}</b><extra></extra>",
    }


def _line(x: list[float | None], y: list[float | None], name: str) -> dict[str, Any]:
    known = [a for a in x if a is not None]
    cloud = any(b <= a for a, b in pairwise(known))  # points instead of a curve, such as a persistence diagram
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


def _fit(x: list[float | None], fit: list[float | None]) -> list[dict[str, Any]]:
    if len(fit) != len(x):
        return []
    line = {"color": figures.MUTED, "width": 1.25, "dash": "dot"}
    return [{"type": "scatter", "mode": "lines", "x": x, "y": fit, "line": line, "hoverinfo": "skip"}]


def _band(curve: Curve) -> list[dict[str, Any]]:
    low, high = curve.lo or curve.low or [], curve.hi or curve.high or []
    rows = [
        (a, lo, hi)
        for a, lo, hi in zip(curve.x, low, high, strict=False)
        if a is not None and lo is not None and hi is not None
    ]
    if len(rows) < 2:
        return []
    # one closed outline: down the upper edge, back along the lower
    outline = [(a, hi) for a, _, hi in rows] + [(a, lo) for a, lo, _ in reversed(rows)]
    filled = {"fill": "toself", "fillcolor": "var(--plot-band)", "line": {"width": 0}, "hoverinfo": "skip"}
    return [figures.trace(outline, "lines", **filled)]


def _diagram(h0: Curve | None, h1: Curve | None) -> Plot | None:
    """The persistence diagram, components (H0) and loops (H1) in one plot; None without births and deaths."""
    groups = [
        ("components (H0)", figures.SECOND, "line-ew-open", _lifetimes(h0)),
        ("loops (H1)", figures.ACCENT, "circle", _lifetimes(h1)),
    ]
    groups = [group for group in groups if group[3]]
    if not groups:
        return None
    ends = [end for *_, bars in groups for bar in bars for end in bar]
    edge = [min(ends), max(ends)]
    line = {"color": figures.MUTED, "width": 1, "dash": "dot"}
    diagonal = figures.trace([(end, end) for end in edge], "lines", hoverinfo="skip", showlegend=False, line=line)
    clouds = [
        figures.trace(
            bars,
            "markers",
            name=name,
            marker={"size": 8 if symbol != "circle" else 4, "symbol": symbol, "color": colour, "opacity": 0.6},
            hovertemplate="birth %{x:,.4~g}<br>death %{y:,.4~g}<extra></extra>",
        )
        for name, colour, symbol, bars in groups
    ]
    drawn = figure(
        [diagonal, *clouds],
        figures.axis("distance at birth"),
        figures.axis("distance at death"),
        height=280,
        showlegend=True,
        legend={"x": 1, "xanchor": "right", "y": 0, "yanchor": "bottom", "itemclick": False},
    )
    described = ", ".join(f"{count(len(bars))} {name}" for name, *_, bars in groups)
    return Plot("", "Persistence diagram", f"Births and deaths of {described}.", {"curve": drawn}, DIAGRAM_NOTE)


def _lifetimes(curve: Curve | None) -> list[tuple[float, float]]:
    pairs = zip(curve.x, curve.y, strict=False) if curve else ()
    return [(birth, death) for birth, death in pairs if birth is not None and death is not None]
