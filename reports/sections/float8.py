"""float8 or int8? The published comparison and the fair one, width by width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Foreign, Paragraph, Plot, RowGroup, Table, TableRow
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import MINUS, interval, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult
from embgeo.results.compress import ComparedWidth, ComparedWidths

TITLE = "float8 or int8?"
ARITHMETICS = {
    "published": "Published arithmetic: raw codes, both sides centred",
    "correct": "Decoded values: what a store should score",
}
STYLES = {"published": (figures.SECOND, "diamond", -0.09), "correct": (figures.ACCENT, "circle", 0.09)}
CAPTION = (
    "Above the line float8 is better, below it int8. Bars are 95 % intervals, paired by query; an interval that "
    "crosses the line means no significant difference at that width. Where the two arithmetics disagree, the order "
    "comes from how codes are scored, not from the format."
)


@section("float8", TITLE, of=CompressResult, order=100)
def float8(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs with `--grid storage-paper`."""
    found = shown.result.float8_or_int8
    compared = {"published": found.published, "correct": found.correct} if found else {}
    known = {key: widths for key, found in compared.items() if (widths := _widths(found))}
    if not known:
        return
    whole = shown.result.dataset.dimension
    names = {key: [_width(row, whole) for row in widths] for key, widths in known.items()}
    yield Paragraph(Foreign(_sentence(found.sentence if found else ""), 800))
    described = "float8 minus int8 at each width, by both kinds of arithmetic; the table holds the same numbers."
    yield Plot("float8", TITLE, described, {"float8": _figure(known, names)}, CAPTION)
    columns = [Column("Width"), *(Column(name, "number") for name in ("float8", "int8", "Difference"))]
    groups = [
        RowGroup([*map(_row, widths, names[key]), _mean(compared[key])], ARITHMETICS[key])
        for key, widths in known.items()
    ]
    records = [
        {"arithmetic": key, "dimensions": name, **row.to_json()}
        for key, widths in known.items()
        for row, name in zip(widths, names[key], strict=True)
    ]
    data = Data("float8", TITLE, records)
    yield Table("float8", "float8 or int8", [*columns, Column("Specs", "word")], groups, data=data)


def _sentence(stored: str) -> str:
    """The stored sentence without its question, which is the heading, and with the page's minus sign."""
    return re.sub(r"(?<=[ (])-(?=\d)", MINUS, stored.removeprefix("float8 or int8? "))


def _widths(compared: ComparedWidths) -> list[ComparedWidth]:
    return [width for width in compared.widths if width.difference is not None]


def _width(row: ComparedWidth, whole: int | None) -> str:
    """The number of dimensions kept, from the spec: the reducer's, or all without one."""
    named = re.match(r"[a-z]+(\d+),int8\b", row.int8)
    return named[1] if named else number(whole, places=0) if whole is not None else "all"


def _row(row: ComparedWidth, width: str) -> TableRow:
    values = (number(value, places=4) for value in (row.float8_value, row.int8_value))
    return TableRow([Cell(width, head=True), *values, _gap(row), (Code(row.float8, 40), " − ", Code(row.int8, 40))])


def _mean(compared: ComparedWidths) -> TableRow:
    return TableRow([Cell("Mean", head=True), "", "", _gap(compared), ""], best=True)


def _gap(row: ComparedWidth | ComparedWidths) -> Cell:
    return Cell(number(row.difference, places=4, signed=True), [_ends(row)])


def _ends(row: ComparedWidth | ComparedWidths) -> str:
    return interval(row.difference_ci, 4, signed=True) or "too few queries differ for an interval"


def _figure(known: Mapping[str, Sequence[ComparedWidth]], widths: Mapping[str, list[str]]) -> Figure:
    names = list(dict.fromkeys(name for listed in widths.values() for name in listed))
    data = [_series(key, rows, [names.index(name) for name in widths[key]]) for key, rows in known.items()]
    zero = figures.rule(xref="paper", x0=0, x1=1, y0=0, y1=0)
    labels = [plot_text(name) for name in names]
    x = figures.axis("Dimensions kept", range(len(names)), labels, range=[-0.5, len(names) - 0.5])
    y = figures.axis("float8 − int8", tickformat="+.2f")
    return figure(data, x, y, height=300, shapes=[zero], **figures.LEGEND_ABOVE)


def _series(key: str, rows: Sequence[ComparedWidth], places: Sequence[int]) -> dict[str, Any]:
    color, symbol, shift = STYLES[key]
    gaps = [float(row.difference or 0.0) for row in rows]
    ends = [row.difference_ci or (gap, gap) for row, gap in zip(rows, gaps, strict=True)]
    lengths = [(max(0.0, gap - low), max(0.0, high - gap)) for (low, high), gap in zip(ends, gaps, strict=True)]
    bars = figures.error_bars(lengths, color, 1.5)
    hovers = [
        f"<b>{plot_text(row.float8)}</b> − <b>{plot_text(row.int8)}</b><br>{_gap(row).line} {_ends(row)}"
        for row in rows
    ]
    name = ARITHMETICS[key].partition(":")[0].lower()
    marker = {"color": color, "symbol": symbol, "size": 10}
    points = [(place + shift, gap) for place, gap in zip(places, gaps, strict=True)]
    return figures.markers(name, points, marker, hovers, error_y=bars)
