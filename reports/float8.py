"""float8 or int8? The published comparison and the fair one, width by width."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import MINUS, bounds, finite, interval, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.stored import Entry, entries, entry

ARITHMETICS = {
    "published": "Published arithmetic: raw codes, both sides centred",
    "correct": "Decoded values: what a store should score",
}
KEYS = ("float8", "int8", "float8_value", "int8_value", "difference", "difference_ci")
STYLES = {"published": (figures.SECOND, "diamond", -0.09), "correct": (figures.ACCENT, "circle", 0.09)}


@dataclass(frozen=True)
class Float8Row:
    """`specs` and `values` are float8's, then int8's."""

    width: str
    specs: tuple[str, str]
    values: tuple[str, str]
    difference: tuple[str, str]


@dataclass(frozen=True)
class Float8Group:
    """One arithmetic, a row a width; `mean` is the difference over all widths and its interval."""

    title: str
    rows: list[Float8Row]
    mean: tuple[str, str]


@dataclass(frozen=True)
class Float8View:
    sentence: str
    figures: dict[str, Figure]
    description: str
    groups: list[Float8Group]
    records: list[Entry]


def float8_view(stored: Any, dimension: Any = None) -> Float8View | None:
    """None for a run that did not ask `--grid storage-paper`. `dimension` names the width that no reducer names."""
    found = entry(stored)
    known = {key: entry(found.get(key)) for key in ARITHMETICS if _widths(entry(found.get(key)))}
    if not known:
        return None
    drawn = _figure(known, dimension)
    return Float8View(
        _said(found.get("sentence")),
        {"float8": drawn},
        "float8 minus int8 at each width, by both kinds of arithmetic; the table holds the same numbers.",
        [
            Float8Group(
                ARITHMETICS[key],
                [_row(width, dimension) for width in _widths(compared)],
                _gap(compared),
            )
            for key, compared in known.items()
        ],
        [
            {"arithmetic": key, "dimensions": _width(row, dimension), **{name: row.get(name) for name in KEYS}}
            for key, compared in known.items()
            for row in _widths(compared)
        ],
    )


def _said(sentence: Any) -> str:
    """The stored sentence without the question that is the heading, with the minus of this page."""
    text = str(sentence or "").removeprefix("float8 or int8? ")
    return re.sub(r"(?<=[ (])-(?=\d)", MINUS, text)


def _widths(compared: Entry) -> list[Entry]:
    return [width for width in entries(compared.get("widths")) if finite(width.get("difference")) is not None]


def _width(row: Entry, dimension: Any) -> str:
    """The number of dimensions kept, from the spec: a reducer's own, without one the whole."""
    named = re.match(r"[a-z]+(\d+),int8\b", str(row.get("int8") or ""))
    return named[1] if named else number(dimension, places=0) if finite(dimension) is not None else "all"


def _row(row: Entry, dimension: Any) -> Float8Row:
    return Float8Row(
        _width(row, dimension),
        (str(row.get("float8", "")), str(row.get("int8", ""))),
        (number(row.get("float8_value"), places=4), number(row.get("int8_value"), places=4)),
        _gap(row),
    )


def _gap(row: Entry) -> tuple[str, str]:
    ends = interval(row.get("difference_ci"), 4, signed=True)
    return number(row.get("difference"), places=4, signed=True), ends or "too few queries differ for an interval"


def _figure(known: dict[str, Entry], dimension: Any) -> Figure:
    names = list(dict.fromkeys(_width(row, dimension) for compared in known.values() for row in _widths(compared)))
    data = [_series(key, _widths(compared), names, dimension) for key, compared in known.items()]
    zero = {"type": "line", "layer": "below", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
            "line": {"color": figures.MUTED, "width": 1.25, "dash": "dot"}}  # fmt: skip
    return figure(
        data,
        {"title": {"text": "Dimensions kept"}, "tickvals": list(range(len(names))),
         "ticktext": [plot_text(name) for name in names], "range": [-0.5, len(names) - 0.5]},
        {"title": {"text": "float8 − int8"}, "tickformat": "+.2f"},
        height=300,
        shapes=[zero],
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip


def _series(key: str, rows: Sequence[Entry], names: list[str], dimension: Any) -> dict[str, Any]:
    color, symbol, shift = STYLES[key]
    gaps = [finite(row.get("difference")) or 0.0 for row in rows]
    ends = [bounds(row.get("difference_ci")) or (gap, gap) for row, gap in zip(rows, gaps, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": ARITHMETICS[key].partition(":")[0].lower(),
        "x": [names.index(_width(row, dimension)) + shift for row in rows],
        "y": gaps,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - gap) for (_, high), gap in zip(ends, gaps, strict=True)],
            "arrayminus": [max(0.0, gap - low) for (low, _), gap in zip(ends, gaps, strict=True)],
            "color": color,
            "thickness": 1.5,
            "width": 0,
        },
        "marker": {"color": color, "symbol": symbol, "size": 10},
        "text": [
            " − ".join(f"<b>{plot_text(str(row.get(key)))}</b>" for key in ("float8", "int8"))
            + "<br>"
            + " ".join(_gap(row))
            for row in rows
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
