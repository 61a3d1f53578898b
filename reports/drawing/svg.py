"""A figure of the page as SVG without a browser: Matplotlib draws what plotly would (extra `figures`).

It supports what the figures of reports contain (lines, markers, bars, filled outlines, error bars, rules, notes), not
all of plotly's schema.
"""

from __future__ import annotations

import html
import io
import math
import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from embgeo.errors import MissingExtraError
from embgeo.reports.figures import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 860  # pixels, as the page is on a screen
POINTS = 0.75  # points a pixel
MARKERS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v", "cross": "P", "x": "X",
    "pentagon": "p", "hexagram": "*", "star": "*", "line-ew": "_",
}  # fmt: skip
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIDES = {"middle": "center", "auto": "center"}
SETTINGS = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "embgeo",  # equal figures, equal files
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 13 * POINTS,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def figure_svg(figure: Figure, title: str) -> str:
    """`figure` (in plotly's schema) drawn in the page's light colours; `title` goes into the file's metadata.

    Raises
    ------
    MissingExtraError
        Matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise MissingExtraError("writing figures needs Matplotlib: pip install 'embgeo[figures]'") from error
    layout = figure["layout"]
    with matplotlib.rc_context(SETTINGS):
        canvas = Canvas(figsize=(WIDTH / 100, layout["height"] / 100), dpi=100, layout="constrained")
        axes = canvas.subplots()
        for order, trace in enumerate(figure["data"], 2):
            _draw(axes, trace, order)
        _axis(axes, layout["xaxis"], "x")
        _axis(axes, layout["yaxis"], "y")
        for shape in layout.get("shapes", ()):
            _rule(axes, shape)
        for note in layout.get("annotations", ()):
            _note(axes, note, layout)
        if layout["showlegend"]:
            _legend(axes, layout.get("legend", {}))
        out = io.BytesIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Title": title})
    return out.getvalue().decode()


@cache
def _palette() -> dict[str, str]:
    """The page's colours by name, as they are in the light theme."""
    css = (files("embgeo.reports") / "static" / "report.css").read_text(encoding="utf-8")
    return dict(re.findall(r"(--[\w-]+): light-dark\((#\w+|rgba\([^)]*\))", css))


def _color(value: Any) -> Any:
    """A colour of a figure for Matplotlib: the page's names, `rgba(…)`, or as it is."""
    if isinstance(value, list):
        return [_color(each) for each in value]
    named = re.fullmatch(r"var\((--[\w-]+)\)", value)
    value = _palette()[named[1]] if named else value
    if value.startswith("rgba("):
        red, green, blue, alpha = (float(part) for part in value[5:-1].split(","))
        return red / 255, green / 255, blue / 255, alpha
    return value


def _text(value: Any) -> str:
    """Plotly's text without its tags and entities."""
    return html.unescape(re.sub(r"<[^>]*>", "", str(value).replace("<br>", "\n")))


def _numbers(values: list[Any]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _draw(axes: Axes, trace: dict[str, Any], order: int) -> None:
    x, y = _numbers(trace["x"]), _numbers(trace["y"])
    place: dict[str, Any] = {"zorder": order}
    if trace.get("yaxis") == "y2":  # the edge: from 0 at the bottom to 1 at the top
        place["transform"] = axes.get_xaxis_transform()
    name = _text(trace["name"]) if trace.get("name") and trace.get("showlegend", True) else "_"
    if trace["type"] == "bar":
        width = min((b - a for a, b in pairwise(x)), default=1.0)
        axes.bar(x, y, width=width, color=_color(trace["marker"]["color"]), label=name, **place)
        return
    if trace.get("fill") == "toself":
        axes.fill(x, y, color=_color(trace["fillcolor"]), linewidth=0, **place)
        return
    mode, opacity = trace["mode"], trace.get("opacity", 1.0)
    if "error_y" in trace:
        bars, ends = trace["error_y"], (trace["error_y"]["arrayminus"], trace["error_y"]["array"])
        axes.errorbar(
            x,
            y,
            yerr=[_numbers(end) for end in ends],
            fmt="none",
            ecolor=_color(bars["color"]),
            elinewidth=bars["thickness"] * POINTS,
            capsize=bars["width"] * POINTS,
            **place,
        )
    if "lines" in mode:
        line = trace["line"]
        axes.plot(
            x,
            y,
            color=_color(line["color"]),
            linewidth=line["width"] * POINTS,
            alpha=opacity,
            linestyle=DASHES[line.get("dash", "solid")],
            label="_" if "markers" in mode else name,
            drawstyle="steps-post" if line.get("shape") == "hv" else "default",
            **place,
        )
    if "markers" in mode:
        _markers(axes, x, y, trace["marker"], opacity, name, place)
    if "text" in mode:
        texts = trace["text"] if isinstance(trace["text"], list) else [trace["text"]] * len(x)
        for point, text in zip(zip(x, y, strict=True), texts, strict=True):
            axes.annotate(_text(text), point, (8, -12), textcoords="offset points")


def _markers(
    axes: Axes, x: list[float], y: list[float], marker: dict[str, Any], opacity: float, name: str, place: dict[str, Any]
) -> None:
    symbol, color = marker.get("symbol", "circle"), _color(marker["color"])
    shape = MARKERS[symbol.removesuffix("-open")]
    stroked = symbol.endswith("-open") or shape == "_"
    axes.scatter(
        x,
        y,
        s=(marker["size"] * POINTS) ** 2,
        marker=shape,
        alpha=marker.get("opacity", 1.0) * opacity,
        label=name,
        facecolors="none" if stroked and shape != "_" else color,
        edgecolors=color if stroked else "none",
        linewidths=1.2 if stroked else 0,
        **place,
    )


def _axis(axes: Axes, axis: dict[str, Any], way: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    drawn = axes.xaxis if way == "x" else axes.yaxis
    getattr(axes, f"set_{way}label")(_text(axis["title"].get("text", "")), color=_color("var(--ink)"))
    log = axis.get("type") == "log"
    if log:
        getattr(axes, f"set_{way}scale")("log")
    if "range" in axis:
        getattr(axes, f"set_{way}lim")(*(10**end if log else end for end in axis["range"]))
    if "tickvals" in axis:
        limits = drawn.get_view_interval()
        drawn.set_ticks(axis["tickvals"], labels=[_text(text) for text in axis["ticktext"]])
        drawn.set_minor_locator(NullLocator())
        drawn.set_view_interval(*limits, ignore=True)
    elif log:
        drawn.set_major_formatter(
            FuncFormatter(lambda value, _: f"10{str(round(math.log10(value))).translate(RAISED)}")
        )
    elif "tickformat" in axis:
        drawn.set_major_formatter(FuncFormatter(lambda value, _: format(value, axis["tickformat"])))
    if "scaleanchor" in axis:
        axes.set_aspect("equal", adjustable="datalim")
    drawn.set_tick_params(color=_color("var(--muted)"), labelcolor=_color("var(--ink)"))
    if axis.get("showgrid", True):
        drawn.grid(color=_color(axis["gridcolor"]), zorder=0)


def _rule(axes: Axes, shape: dict[str, Any]) -> None:
    line = shape["line"]
    across = axes.get_yaxis_transform() if shape.get("xref") == "paper" else axes.transData
    transform = axes.get_xaxis_transform() if shape.get("yref") == "paper" else across
    axes.plot(
        [shape["x0"], shape["x1"]],
        [shape["y0"], shape["y1"]],
        color=_color(line["color"]),
        zorder=1,
        label="_",
        linewidth=line["width"] * POINTS,
        linestyle=DASHES[line["dash"]],
        transform=transform,
        scalex=False,
        scaley=False,
    )


def _note(axes: Axes, note: dict[str, Any], layout: dict[str, Any]) -> None:
    """Annotations of a log axis are placed by power of ten."""
    x, y = (
        10 ** note[way] if layout[f"{way}axis"].get("type") == "log" and note.get(f"{way}ref") != "paper" else note[way]
        for way in "xy"
    )
    coordinates = tuple("axes fraction" if note.get(f"{way}ref") == "paper" else "data" for way in "xy")
    arrow = note.get("showarrow", True)
    # the sides of plotly's texts have room of their own
    room = {"left": 3, "right": -3}.get(note.get("xanchor", ""), 0)
    shift = (note["ax"], -note["ay"]) if arrow else (note.get("xshift", room), note.get("yshift", 0))
    axes.annotate(
        _text(note["text"]),
        (x, y),
        tuple(pixels * POINTS for pixels in shift),
        xycoords=coordinates,
        textcoords="offset points",
        color=_color(note["font"]["color"]),
        fontsize=note["font"]["size"] * POINTS,
        ha=SIDES.get(note.get("xanchor", "auto"), note.get("xanchor")),
        va=SIDES.get(note.get("yanchor", "auto"), note.get("yanchor")),
        arrowprops={"arrowstyle": "-", "color": _color(note["arrowcolor"])} if arrow else None,
        zorder=100,
    )


def _legend(axes: Axes, legend: dict[str, Any]) -> None:
    above = legend.get("y", 1.02) > 1
    axes.legend(
        loc="lower left" if above else "lower right",
        bbox_to_anchor=(0, 1) if above else None,
        frameon=False,
        ncols=4 if above else 1,
        fontsize=12 * POINTS,
    )
