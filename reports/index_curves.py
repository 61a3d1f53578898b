"""Indices: how fast a search gets when it may miss some of what flat search finds, compared at equal recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, decade_ticks, figure, log_range
from embgeo.reports.numbers import MISSING, byte_size, duration, finite, number, percent, times
from embgeo.reports.plaintext import plot_text
from embgeo.reports.rescoring import COLORS, SYMBOLS
from embgeo.reports.stored import Entry, entries, entry


@dataclass(frozen=True)
class IndexView:
    """`rows` are [spec, structure, build time, flat queries/s, then effort and speed at each of `shares`]."""

    sentences: list[str]
    figures: dict[str, Figure]
    description: str
    shares: list[str]
    rows: list[list[str]]
    records: list[Entry]


def index_view(rows: Sequence[Entry]) -> IndexView | None:
    """None where no row has an index whose efforts were measured."""
    indexed = [row for row in rows if _points(row)]
    if not indexed:
        return None
    reached = [entry(entry(row.get("index")).get("at_recall")) for row in indexed]
    shares = sorted({str(share) for found in reached for share in found if _share(share) is not None}, key=float)
    sentences = [said for row in indexed if (said := _sentence(row, shares))]
    return IndexView(
        sentences,
        {"index": _figure(indexed)},
        f"Queries per second against the recall of flat search for {len(indexed)} indices. {' '.join(sentences)}",
        [percent(float(share), places=0) for share in shares],
        [_cells(row, shares) for row in indexed],
        [_record(row, share) for row in indexed for share in shares],
    )


def _share(text: Any) -> float | None:
    try:
        return finite(float(text))
    except (TypeError, ValueError):
        return None


def _points(row: Entry) -> list[tuple[float, float, Entry]]:
    """(recall of flat, queries per second, point) by rising recall."""
    found = []
    for point in entries(entry(row.get("index")).get("efforts")):
        recall, speed = finite(point.get("recall_of_flat")), finite(point.get("qps"))
        if recall is not None and speed is not None and speed > 0:
            found.append((recall, speed, point))
    return sorted(found, key=lambda item: item[:2])


def _flat_speed(row: Entry) -> float | None:
    speed = finite(entry(entry(row.get("index")).get("flat")).get("qps"))
    return speed if speed is not None and speed > 0 else None


def _sentence(row: Entry, shares: Sequence[str]) -> str:
    """`hnsw32,int8 finds 95 % at 3.9× the speed of flat search (effort 16), 99 % at 2.2× (effort 64), for …`"""
    flat, index = _flat_speed(row), entry(row.get("index"))
    found: list[str] = []
    for share in shares:
        point = entry(entry(index.get("at_recall")).get(share))
        speed = finite(point.get("qps"))
        if flat is None or speed is None:
            continue
        whole = "" if found else " the speed of flat search"
        found.append(
            f"{percent(float(share), places=0)} at {times(speed / flat)}{whole} (effort {number(point.get('effort'))})"
        )
    if not found:
        return ""
    cost = finite(row.get("structure_bytes_per_vector"))
    paid = f", for {byte_size(cost)} more per vector" if cost is not None else ""
    return f"{row.get('spec')} finds {', '.join(found)}{paid}."


def _cells(row: Entry, shares: Sequence[str]) -> list[str]:
    index, flat = entry(row.get("index")), _flat_speed(row)
    cells = [
        str(row.get("spec", "")),
        byte_size(index.get("structure_bytes")),
        duration(index.get("build_seconds")),
        MISSING if flat is None else number(flat, places=0),
    ]
    for share in shares:
        point = entry(entry(index.get("at_recall")).get(share))
        speed = finite(point.get("qps"))
        if speed is None:
            cells.append("not reached")
            continue
        factor = f" ({times(speed / flat)})" if flat else ""
        cells.append(f"{number(speed, places=0)}{factor} at effort {number(point.get('effort'))}")
    return cells


def _record(row: Entry, share: str) -> Entry:
    """One index at one share of flat search's results, as raw values; without a speed where it was not reached."""
    index = entry(row.get("index"))
    point = entry(entry(index.get("at_recall")).get(share))
    return {
        "spec": row.get("spec"),
        **{key: index.get(key) for key in ("structure_bytes", "build_seconds")},
        "flat_qps": _flat_speed(row),
        "asked_recall_of_flat": float(share),
        **{key: point.get(key) for key in ("effort", "recall_of_flat", "qps", "single_query_ms")},
    }


def _figure(rows: Sequence[Entry]) -> Figure:
    data: list[dict[str, Any]] = []
    stars: list[dict[str, Any]] = []
    speeds: list[float] = []
    recalls: list[float] = [1.0]
    for place, row in enumerate(rows):
        color, symbol = COLORS[place % len(COLORS)], SYMBOLS[place % len(SYMBOLS)]
        points, name, flat = _points(row), str(row.get("spec", "")), _flat_speed(row)
        speeds += [speed for _, speed, _ in points] + ([flat] if flat else [])
        recalls += [recall for recall, _, _ in points]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plot_text(name, 40),
                "x": [recall for recall, _, _ in points],
                "y": [speed for _, speed, _ in points],
                "line": {"color": color, "width": 2},
                "marker": {"color": color, "symbol": symbol, "size": 8},
                "text": [_hover(name, point) for _, _, point in points],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
        if flat:
            stars.append(_flat_mark(name, flat, color, first=not stars))
    low, span = min(recalls), log_range(speeds)
    ticks = decade_ticks(10 ** span[0], 10 ** span[1])
    return figure(
        [*data, *stars],
        {"title": {"text": "Recall of flat search's top 10"},
         "range": [low - 0.04 * (1.02 - low), 1 + 0.04 * (1.02 - low)], "tickformat": ".2f"},
        {"title": {"text": "Queries per second"}, "type": "log", "range": span, "tickvals": ticks,
         "ticktext": [number(tick, places=0) for tick in ticks]},
        height=360,
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip


def _flat_mark(name: str, speed: float, color: str, first: bool) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "flat search of the same codes",
        "x": [1.0],
        "y": [speed],
        "marker": {"color": color, "symbol": "star", "size": 14, "line": {"color": figures.SURFACE, "width": 1}},
        "text": [f"<b>flat search of {plot_text(name, 60)}'s codes</b><br>{number(speed, places=0)} queries/s"],
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": first,
    }


def _hover(name: str, point: Entry) -> str:
    milliseconds = finite(point.get("single_query_ms"))
    return (
        f"<b>{plot_text(name, 60)}</b><br>effort {number(point.get('effort'))}: finds "
        f"{percent(point.get('recall_of_flat'))} of flat search<br>{number(point.get('qps'), places=0)} queries/s"
        + (f"<br>one query {duration(milliseconds / 1e3)}" if milliseconds is not None else "")
    )
