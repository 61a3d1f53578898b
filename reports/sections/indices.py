"""Indices: how much faster search gets if it may miss some of flat search's results, compared at equal recall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Data,
    Foreign,
    Paragraph,
    Plot,
    RowGroup,
    Table,
    TableRow,
)
from embgeo.reports.figures import Figure, decade_ticks, figure, log_range
from embgeo.reports.numbers import byte_size, duration, finite, milliseconds, number, percent, times
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult, Row
from embgeo.results.rows import IndexCurve, SearchSpeed

TITLE = "Indices at equal recall"
CAPTION = (
    "Each point is one search effort (ef of a graph, lists probed in an inverted file). Stars are flat search over the "
    "same codes, timed in the same rounds."
)


@section("indices", "Indices: speed against recall", of=CompressResult, order=600, label="Indices")
def indices(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only if a row has an index whose efforts were measured."""
    indexed = [row for row in shown.result.rows if _points(row)]
    if not indexed:
        return
    shares = sorted({share for row in indexed for share in _index(row).at_recall or {} if _is_share(share)}, key=float)
    sentences = [said for row in indexed if (said := _sentence(row, shares))]
    yield Paragraph(
        "An index reads only part of the codes and may miss results that flat search finds. It pays off if its line "
        "lies above the star of flat search at a recall that you accept; the larger the corpus, the more it saves.",
        "note",
    )
    yield Bullets([Foreign(said) for said in sentences])
    drawn = f"Queries per second against the recall of flat search for {len(indexed)} indices."
    described = " ".join([drawn, *sentences])
    yield Plot("indices", TITLE, described, {"index": _figure(indexed)}, CAPTION)
    titles = ("Index size", "Built in", "Flat", *(f"{_percent(share)} of flat's results" for share in shares))
    columns = [Column("Spec"), *(Column(title, "number") for title in titles)]
    rows = [TableRow([Cell(Code(row.spec), head=True), *_cells(_index(row), shares)]) for row in indexed]
    caption = "Compared at equal recall: queries per second (times flat search)"
    data = Data("indices", TITLE, [_record(row, share) for row in indexed for share in shares])
    yield Table("indices", TITLE, columns, [RowGroup(rows)], caption, data)


def _is_share(text: str) -> bool:
    try:
        return finite(float(text)) is not None
    except ValueError:
        return False


def _percent(share: str) -> str:
    return percent(float(share), places=0)


def _index(row: Row) -> IndexCurve:
    return row.index or IndexCurve()


def _points(row: Row) -> list[SearchSpeed]:
    """The measured efforts by rising recall."""
    found = [point for point in _index(row).efforts if point.recall_of_flat is not None and (point.qps or 0.0) > 0]
    return sorted(found, key=lambda point: (point.recall_of_flat, point.qps))


def _flat_speed(index: IndexCurve) -> float | None:
    speed = index.flat.qps
    return speed if speed is not None and speed > 0 else None


def _at(index: IndexCurve, share: str) -> SearchSpeed:
    return (index.at_recall or {}).get(share) or SearchSpeed()


def _sentence(row: Row, shares: Sequence[str]) -> str:
    """`hnsw32,int8 finds 95 % at 3.9× the speed of flat search (effort 16), 99 % at 2.2× (effort 64), for …`"""
    index = _index(row)
    flat = _flat_speed(index)
    found: list[str] = []
    for share in shares:
        point = _at(index, share)
        if flat is not None and point.qps is not None:
            whole = "" if found else " the speed of flat search"
            found.append(f"{_percent(share)} at {times(point.qps / flat)}{whole} (effort {number(point.effort)})")
    if not found:
        return ""
    cost = row.structure_bytes_per_vector
    paid = f", for {byte_size(cost)} more per vector" if cost is not None else ""
    return f"{row.spec} finds {', '.join(found)}{paid}."


def _cells(index: IndexCurve, shares: Sequence[str]) -> Iterator[str]:
    flat = _flat_speed(index)
    yield byte_size(index.structure_bytes)
    yield duration(index.build_seconds)
    yield number(flat, places=0)
    for share in shares:
        point = _at(index, share)
        if point.qps is None:
            yield "not reached"
            continue
        factor = f" ({times(point.qps / flat)})" if flat else ""
        yield f"{number(point.qps, places=0)}{factor} at effort {number(point.effort)}"


def _record(row: Row, share: str) -> dict[str, Any]:
    """One index at one share of flat search's results, as raw values; without a speed where it was not reached."""
    index = _index(row)
    point = _at(index, share)
    return {
        "spec": row.spec,
        "structure_bytes": index.structure_bytes,
        "build_seconds": index.build_seconds,
        "flat_qps": None if (flat := _flat_speed(index)) is None else float(flat),
        "asked_recall_of_flat": float(share),
        **{key: point.at(key) for key in ("effort", "recall_of_flat", "qps", "single_query_ms")},
    }


def _figure(rows: Sequence[Row]) -> Figure:
    data: list[dict[str, Any]] = []
    stars: list[dict[str, Any]] = []
    speeds: list[float] = []
    recalls: list[float] = [1.0]
    for place, row in enumerate(rows):
        color, symbol = figures.style_of(place)
        points, flat = _points(row), _flat_speed(_index(row))
        found = [(float(point.recall_of_flat or 0.0), float(point.qps or 0.0)) for point in points]
        speeds += [speed for _, speed in found] + ([float(flat)] if flat else [])
        recalls += [share for share, _ in found]
        marker = {"color": color, "symbol": symbol, "size": 8}
        line = {"mode": "lines+markers", "line": {"color": color, "width": 2}}
        hovers = [_hover(row.spec, point) for point in points]
        data.append(figures.markers(plot_text(row.spec, 40), found, marker, hovers, **line))
        if flat:
            stars.append(_flat_mark(row.spec, float(flat), color, first=not stars))
    low, span = min(recalls), log_range(speeds)
    ticks = decade_ticks(10 ** span[0], 10 ** span[1])
    room = 0.04 * (1.02 - low)
    x = figures.axis("Recall of flat search's top 10", range=[low - room, 1 + room], tickformat=".2f")
    labels = [number(tick, places=0) for tick in ticks]
    y = figures.axis("Queries per second", ticks, labels, type="log", range=span)
    return figure([*data, *stars], x, y, height=360, **figures.LEGEND_ABOVE)


def _flat_mark(name: str, speed: float, color: str, first: bool) -> dict[str, Any]:
    marker = {"color": color, "symbol": "star", "size": 14, "line": {"color": figures.SURFACE, "width": 1}}
    hover = f"<b>flat search of {plot_text(name, 60)}'s codes</b><br>{number(speed, places=0)} queries/s"
    return figures.markers("flat search of the same codes", [(1.0, speed)], marker, [hover], showlegend=first)


def _hover(name: str, point: SearchSpeed) -> str:
    slow = point.single_query_ms
    return (
        f"<b>{plot_text(name, 60)}</b><br>effort {number(point.effort)}: finds "
        f"{percent(point.recall_of_flat)} of flat search<br>{number(point.qps, places=0)} queries/s"
        + (f"<br>one query {milliseconds(slow)}" if slow is not None else "")
    )
