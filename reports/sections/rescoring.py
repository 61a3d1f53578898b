"""Rescoring: what fetching more candidates with small codes gains when larger codes rank them."""

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
    Fold,
    Foreign,
    Paragraph,
    Plot,
    RowGroup,
    Table,
    TableRow,
)
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import byte_size, count, milliseconds, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, RECALL, CompressResult
from embgeo.results.compress import RescoringCurve, RescoringPoint

QUALITIES = {RECALL: "Recall@10 of exact search", NDCG: "nDCG@10 on the judgements"}
ENOUGH = 0.99  # of what the rescoring codes find when they search alone
Step = tuple[str, RescoringPoint | None]


@section("rescoring", "Rescoring: how many candidates to fetch", of=CompressResult, order=500, label="Rescoring")
def rescoring(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only if a pair of codes was evaluated at some factor."""
    curves = [curve for curve in shown.result.rescoring if _points(curve)]
    if not curves:
        return
    yield Paragraph(
        "Small codes select candidates, larger codes rank them. The larger codes are read for the candidates only, so "
        "they can stay on disk; both count in the bytes per vector.",
        "note",
    )
    yield Bullets([Foreign(_sentence(curve)) for curve in curves])
    drawn = {key: _figure(curves, key, label) for key, label in QUALITIES.items() if _has(curves, key)}
    if drawn:
        described = "Quality against the number of candidates fetched; the table below has the same numbers."
        switch = "Quality of rescoring" if len(drawn) > 1 else ""
        yield Plot("rescoring", "Rescoring", described, drawn, switch=switch, choices=QUALITIES)
    titles = ("Candidates", "Per vector", *(QUALITIES[key] for key in drawn), "One query")
    columns = [Column("Codes"), Column("Candidates per result"), *(Column(title, "number") for title in titles)]
    rows = [row for curve in curves for row in _rows(curve, list(drawn))]
    data = Data("rescoring", "Rescoring", [record for curve in curves for record in _records(curve)])
    yield Fold("All factors as a table", [Table("rescoring", "Rescoring", columns, [RowGroup(rows)], data=data)])


def _points(curve: RescoringCurve) -> list[RescoringPoint]:
    return [point for point in curve.points if point.factor is not None]


def _has(curves: Sequence[RescoringCurve], key: str) -> bool:
    return any(point.at(key) is not None for curve in curves for point in _points(curve))


def _pair(curve: RescoringCurve) -> str:
    return f"{curve.search} + {curve.rescore}"


def _sentence(curve: RescoringCurve) -> str:
    """`binary, rescored by int8: recall rises from … to … with 8× the candidates; 4× is enough for 99 % of …`"""
    points = _points(curve)
    last = points[-1]
    alone, whole = (code.recall if code else None for code in (curve.search_alone, curve.rescore_alone))
    said = f"{curve.search}, rescored by {curve.rescore}: "
    start = f" from {number(alone, places=3)} without rescoring" if alone is not None else ""
    if last.recall is None:
        return f"{said}recall was not measured."
    said += f"recall rises{start} to {number(last.recall, places=3)} with {_times(last)} the candidates"
    if whole is None:
        return said + "."
    enough = next((point for point in points if (point.recall or 0.0) >= ENOUGH * whole), None)
    goal = f"99 % of what {curve.rescore} finds alone ({number(whole, places=3)})"
    if enough is None:
        return f"{said}; none of the factors tried reaches {goal}."
    return f"{said}; {_times(enough)} is enough for {goal}."


def _steps(curve: RescoringCurve) -> list[Step]:
    """The small codes alone, each factor, the large codes alone."""
    return [
        (f"{curve.search} alone", curve.search_alone),
        *((_times(point), point) for point in _points(curve)),
        (f"{curve.rescore} alone", curve.rescore_alone),
    ]


def _times(point: RescoringPoint) -> str:
    return f"{number(point.factor)}×"


def _records(curve: RescoringCurve) -> Iterator[dict[str, Any]]:
    """The rows as raw values."""
    for what, point in _steps(curve):
        if point:
            keys = ("factor", "candidates", "bytes_per_vector", *QUALITIES, "single_query_ms")
            values = {key: point.at(key) for key in keys}
            yield {"search": curve.search, "rescore": curve.rescore, "codes": what, **values}


def _rows(curve: RescoringCurve, keys: Sequence[str]) -> Iterator[TableRow]:
    head = Cell(Code(_pair(curve)), head=True)
    for what, point in _steps(curve):
        if point:
            qualities = (number(point.at(key), places=3 if key == RECALL else 4) for key in keys)
            sizes = (count(point.candidates), byte_size(point.bytes_per_vector))
            yield TableRow([head, Foreign(what, 60), *sizes, *qualities, milliseconds(point.single_query_ms)])
            head = Cell("")


def _figure(curves: Sequence[RescoringCurve], key: str, label: str) -> Figure:
    factors = sorted({float(point.factor or 0) for curve in curves for point in _points(curve)})
    # each code alone is at an end of the axis, the factors are at equal steps between
    places = {factor: place for place, factor in enumerate(factors, 1)}
    end = len(factors) + 1
    data = [_line(curve, key, places, *figures.style_of(at)) for at, curve in enumerate(curves)]
    ticks = ["search<br>alone", *(f"{number(factor)}×" for factor in factors), "rescorer<br>alone"]
    first = min(x for trace in data for x in trace["x"])
    heights = [y for trace in data for y in trace["y"]]
    span = [first - 0.4, end + 0.4]
    x = figures.axis("Candidates fetched for each result", range(end + 1), ticks, range=span, tickangle=0)
    y = figures.axis(label, tickformat=".2f" if max(heights) - min(heights) > 0.08 else ".3f")
    return figure(data, x, y, height=340, **figures.LEGEND_ABOVE)


def _line(curve: RescoringCurve, key: str, places: dict[float, int], color: str, symbol: str) -> dict[str, Any]:
    steps: list[tuple[int, str, RescoringPoint | None]] = [(0, "search alone", curve.search_alone)]
    steps += [(places[float(point.factor or 0)], _times(point), point) for point in _points(curve)]
    steps.append((len(places) + 1, "rescoring codes alone", curve.rescore_alone))
    known = [(x, what, y) for x, what, point in steps if point and (y := point.at(key)) is not None]
    name = f"<b>{plot_text(_pair(curve), 60)}</b>"
    return figures.markers(
        plot_text(_pair(curve), 40),
        [(x, y) for x, _, y in known],
        {"color": color, "symbol": symbol, "size": 9},
        [f"{name}<br>{what}<br>{number(y, places=4)}" for _, what, y in known],
        mode="lines+markers",
        line={"color": color, "width": 2},
    )
