"""Rescoring: what fetching more candidates with small codes buys, when larger codes put them in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import MISSING, byte_size, count, duration, finite, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.stored import Entry, entries, entry

QUALITIES = {"recall@10_exact": "Recall@10 of exact search", "ndcg@10": "nDCG@10 on the judgements"}
COLORS = (figures.ACCENT, figures.SECOND, figures.THIRD, "var(--plot-4)", "var(--plot-5)", "var(--plot-6)")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
ENOUGH = 0.99  # of what the rescoring codes find when they search alone


@dataclass(frozen=True)
class RescoringRow:
    """One factor of one pair, or one of the two codes alone; `pair` is "" but in the first row of a pair."""

    pair: str
    what: str
    cells: list[str]


@dataclass(frozen=True)
class RescoringView:
    """`figures` by quality; `sentences` say for each pair how far one has to fetch."""

    sentences: list[str]
    figures: dict[str, Figure]
    header: list[str]
    rows: list[RescoringRow]
    records: list[Entry]


def rescoring_view(stored: Any) -> RescoringView | None:
    """None where no pair of codes was judged at any factor."""
    curves = [curve for curve in entries(stored) if _points(curve)]
    if not curves:
        return None
    drawn = {key: _figure(curves, key, label) for key, label in QUALITIES.items() if _has(curves, key)}
    keys = [key for key in QUALITIES if key in drawn]
    header = ["Candidates", "Per vector", *(QUALITIES[key] for key in keys), "One query"]
    rows = [row for curve in curves for row in _rows(curve, keys)]
    return RescoringView([_sentence(curve) for curve in curves], drawn, header, rows, _records(curves))


def _points(curve: Entry) -> list[Entry]:
    return [point for point in entries(curve.get("points")) if finite(point.get("factor")) is not None]


def _has(curves: Sequence[Entry], key: str) -> bool:
    return any(finite(point.get(key)) is not None for curve in curves for point in _points(curve))


def _pair(curve: Entry) -> str:
    return f"{curve.get('search')} + {curve.get('rescore')}"


def _sentence(curve: Entry) -> str:
    """`binary, rescored by int8: 40 candidates find 96 % …, 100 find 99 %: fetch 10 times as many.`"""
    key = "recall@10_exact"
    points, whole = _points(curve), finite(entry(curve.get("rescore_alone")).get(key))
    alone = finite(entry(curve.get("search_alone")).get(key))
    last = points[-1]
    said = f"{curve.get('search')}, rescored by {curve.get('rescore')}: "
    start = f" from {number(alone, places=3)} without rescoring" if alone is not None else ""
    if finite(last.get(key)) is None:
        return said + "recall was not measured."
    said += f"recall rises{start} to {number(last.get(key), places=3)} with {_times(last)} the candidates"
    if whole is None:
        return said + "."
    enough = next((point for point in points if (finite(point.get(key)) or 0.0) >= ENOUGH * whole), None)
    goal = f"99 % of what {curve.get('rescore')} finds alone ({number(whole, places=3)})"
    if enough is None:
        return f"{said}; no factor that was tried reaches {goal}."
    return f"{said}; {_times(enough)} is enough for {goal}."


def _records(curves: Sequence[Entry]) -> list[Entry]:
    """The rows as raw values."""
    return [
        {
            **{key: curve.get(key) for key in ("search", "rescore")},
            "codes": what,
            **{key: point.get(key) for key in ("factor", "candidates", "bytes_per_vector", *QUALITIES)},
            "single_query_ms": point.get("single_query_ms"),
        }
        for curve in curves
        for what, point in _steps(curve)
        if point
    ]


def _steps(curve: Entry) -> list[tuple[str, Entry]]:
    """The small codes alone, each factor, the large codes alone."""
    return [
        (f"{curve.get('search')} alone", entry(curve.get("search_alone"))),
        *((_times(point), point) for point in _points(curve)),
        (f"{curve.get('rescore')} alone", entry(curve.get("rescore_alone"))),
    ]


def _times(point: Entry) -> str:
    return f"{number(point.get('factor'))}×"


def _rows(curve: Entry, keys: Sequence[str]) -> list[RescoringRow]:
    found: list[RescoringRow] = []
    for what, point in _steps(curve):
        if not point:
            continue
        milliseconds = finite(point.get("single_query_ms"))
        cells = [
            count(point.get("candidates")),
            byte_size(point.get("bytes_per_vector")),
            *(number(point.get(key), places=3 if key.startswith("recall") else 4) for key in keys),
            MISSING if milliseconds is None else duration(milliseconds / 1e3),
        ]
        found.append(RescoringRow("" if found else _pair(curve), what, cells))
    return found


def _figure(curves: Sequence[Entry], key: str, label: str) -> Figure:
    factors = sorted({finite(point.get("factor")) or 0.0 for curve in curves for point in _points(curve)})
    # both codes alone stand at the ends of the axis, factors at equal steps between them
    places = {factor: place for place, factor in enumerate(factors, 1)}
    end = len(factors) + 1
    data: list[dict[str, Any]] = []
    for number_, curve in enumerate(curves):
        style = {"color": COLORS[number_ % len(COLORS)], "symbol": SYMBOLS[number_ % len(SYMBOLS)]}
        steps = [(0, "search alone", entry(curve.get("search_alone")))]
        steps += [(places[finite(point.get("factor")) or 0.0], _times(point), point) for point in _points(curve)]
        steps.append((end, "rescoring codes alone", entry(curve.get("rescore_alone"))))
        known = [(x, what, value) for x, what, point in steps if (value := finite(point.get(key))) is not None]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plot_text(_pair(curve), 40),
                "x": [x for x, _, _ in known],
                "y": [y for _, _, y in known],
                "line": {"color": style["color"], "width": 2},
                "marker": {**style, "size": 9},
                "text": [
                    f"<b>{plot_text(_pair(curve), 60)}</b><br>{what}<br>{number(y, places=4)}" for _, what, y in known
                ],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    ticks = ["search<br>alone", *(f"{number(factor)}×" for factor in factors), "rescorer<br>alone"]
    first = min(x for trace in data for x in trace["x"])
    heights = [y for trace in data for y in trace["y"]]
    return figure(
        data,
        {"title": {"text": "Candidates fetched for each result"}, "range": [first - 0.4, end + 0.4],
         "tickvals": list(range(end + 1)), "ticktext": ticks, "tickangle": 0},
        {"title": {"text": label}, "tickformat": ".2f" if max(heights) - min(heights) > 0.08 else ".3f"},
        height=340,
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
