"""The trade-off plot: bytes per vector against quality, with the front, the budget and the recommendation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure, log_range, log_ticks
from embgeo.reports.numbers import bounds, byte_size, estimate, finite, number, percent
from embgeo.reports.plaintext import plot_text
from embgeo.reports.row_table import why_none

SHARE_HELD = 0.6  # of the best quality: rows below would squash the others into a line
QUALITIES = {"ndcg@10": "nDCG@10, out of sample", "recall@10_exact": "Recall@10 against exact neighbours"}
Row = Mapping[str, Any]


def tradeoff_figures(
    rows: Sequence[Row],
    baseline: Row,
    recommended: str | None,
    limit: float | None,
    commands: Mapping[str, str],
    judged_by: str = "ndcg@10",
) -> dict[str, Figure]:
    """One figure for each quality that any row has, by the row's key.

    `limit` is the budget in bytes per vector; `commands` gives the re-run line of a spec for the hover. `judged_by` is
    the quality that the rows' difference and "pareto" flag are about.
    """
    drawn = {}
    for key, label in QUALITIES.items():
        points = [row for row in rows if _bytes(row) and finite(row.get(key)) is not None]
        if points:
            drawn[key] = _figure(key, label, points, baseline, recommended, limit, commands, key == judged_by)
    return drawn


def pareto(rows: Sequence[Row], key: str) -> list[Row]:
    """Rows that no smaller or equal row beats in `key`, by rising bytes.

    The stored "pareto" flag knows one quality, and under a budget on the whole store it counts the constants too: a
    line through its rows would fall where bytes per vector rise.
    """
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (_bytes(row), -(finite(row.get(key)) or 0.0))):
        if not best or (finite(row.get(key)) or 0.0) > (finite(best[-1].get(key)) or 0.0):
            best.append(row)
    return best


def _figure(
    key: str,
    label: str,
    rows: Sequence[Row],
    baseline: Row,
    recommended: str | None,
    limit: float | None,
    commands: Mapping[str, str],
    judged: bool,
) -> Figure:
    reference = baseline if judged else {}
    low, high = _window(rows, key, (recommended, baseline.get("spec")), reference)
    inside = [row for row in rows if _value(row, key) >= low]
    below = [(_bytes(row), _hover(row, commands)) for row in rows if _value(row, key) < low]
    front = pareto(inside, key)
    groups: dict[str, list[Row]] = {name: [] for name in STYLES}
    for row in inside:
        groups[_group(row, front, recommended, limit is not None)].append(row)
    data = [_front_line(front, key)]
    data += [_markers(name, members, key, reference, commands) for name, members in groups.items() if members]
    data += figures.off_scale(below, figures.MUTED)
    ticks = log_ticks([_bytes(row) for row in rows])
    x = {
        "type": "log",
        "title": {"text": "Bytes per vector"},
        "range": log_range([_bytes(row) for row in rows] + ([limit] if limit else [])),
        "tickvals": ticks,
        "ticktext": [number(tick) for tick in ticks],
        "tickangle": 0,
    }
    y = {"title": {"text": label}, "range": [low, high], "tickformat": ".2f" if high - low > 0.08 else ".3f"}
    shapes, notes = _reference_lines(key, baseline, limit, low, high)
    best = groups["best"]
    if best:
        notes.append(_label(best[0], key))
    return figure(
        data,
        x,
        y,
        height=460,
        yaxis2=figures.EDGE_AXIS,
        shapes=shapes,
        annotations=notes,
        showlegend=True,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        margin={"l": 56, "r": 20, "t": 24, "b": 56},
    )


def _bytes(row: Row) -> float:
    return finite(row.get("bytes_per_vector")) or 0.0


def _value(row: Row, key: str) -> float:
    return finite(row.get(key)) or 0.0


def _group(row: Row, front: Sequence[Row], recommended: str | None, budgeted: bool) -> str:
    if recommended is not None and row.get("spec") == recommended:
        return "best"
    if row.get("tied") is True:
        return "tied"
    if any(row is member for member in front):
        return "front"
    return "over" if budgeted and row.get("fits_budget") is False else "rest"


STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "rest": ("other", {"symbol": "circle", "size": 8, "color": figures.MUTED}),
    "over": ("over budget", {"symbol": "circle-open", "size": 8, "color": figures.MUTED, "line": {"width": 1.5}}),
    "tied": ("tied with the recommended", {"symbol": "diamond", "size": 10, "color": figures.THIRD}),
    "front": ("best at its size", {"symbol": "circle", "size": 10, "color": figures.ACCENT}),
    "best": (
        "recommended",
        {"symbol": "star", "size": 18, "color": figures.SECOND, "line": {"width": 1, "color": figures.SURFACE}},
    ),
}


def _markers(group: str, rows: list[Row], key: str, baseline: Row, commands: Mapping[str, str]) -> dict[str, Any]:
    name, marker = STYLES[group]
    low, high = zip(*(_error(row, key, baseline) for row in rows), strict=True)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_bytes(row) for row in rows],
        "y": [_value(row, key) for row in rows],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": list(high),
            "arrayminus": list(low),
            "color": figures.FAINT if group in ("rest", "over") else marker["color"],
            "thickness": 1,
            "width": 0,
        },
        "marker": marker,
        "text": [_hover(row, commands) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _error(row: Row, key: str, baseline: Row) -> tuple[float, float]:
    """Bar lengths below and above: the interval of the paired difference, without a baseline that of the row itself."""
    value = _value(row, key)
    reference, ci = finite(baseline.get(key)), bounds(row.get("difference_ci"))
    if not baseline:
        reference, ci = 0.0, bounds(row.get(f"{key}_ci"))
    if ci is None or reference is None:
        return 0.0, 0.0
    return max(0.0, value - reference - ci[0]), max(0.0, reference + ci[1] - value)


def _hover(row: Row, commands: Mapping[str, str]) -> str:
    spec = str(row.get("spec", ""))
    lines = [
        f"<b>{plot_text(spec)}</b>",
        f"{byte_size(row.get('bytes_per_vector'))} per vector",
        f"nDCG@10 {estimate(row.get('ndcg@10'), row.get('ndcg@10_ci'), 4)}",
        f"difference {estimate(row.get('difference'), row.get('difference_ci'), 4, signed=True)} "
        f"{plot_text(why_none(row, 'difference_ci'))}".rstrip(),
        f"retained {percent(row.get('retained'), row.get('retained_ci'))}",
        f"recall@10 of exact {number(row.get('recall@10_exact'), places=3)}",
    ]
    if spec in commands:
        lines.append(f"<i>{plot_text(commands[spec])}</i>")
    return "<br>".join(lines)


def _front_line(front: Sequence[Row], key: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [_bytes(row) for row in front],
        "y": [_value(row, key) for row in front],
        "line": {"color": figures.ACCENT, "width": 1.5, "shape": "hv"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _window(rows: Sequence[Row], key: str, always: Sequence[Any], baseline: Row) -> tuple[float, float]:
    """The axis: rows of at least 60 % of the best, those named in `always`, and their bars; the rest lies below it."""
    kept = figures.held([_value(row, key) for row in rows], SHARE_HELD)
    least = min([*kept, *(_value(row, key) for row in rows if row.get("spec") in always)])
    ends = [least, max(kept)]
    for row in rows:
        if (value := _value(row, key)) >= least:
            low, high = _error(row, key, baseline)
            ends += [value - low, value + high]
    room = max(max(ends) - min(ends), 0.02 * abs(max(ends)), 1e-6)
    return min(ends) - 0.1 * room, max(ends) + 0.15 * room


def _reference_lines(
    key: str, baseline: Row, limit: float | None, low: float, high: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes, notes = [], []
    value = finite(baseline.get(key))
    if value is not None and low <= value <= high:
        shapes.append(_rule(x0=0, x1=1, xref="paper", y0=value, y1=value, dash="dot"))
        name = plot_text(str(baseline.get("spec") or "float32"))
        notes.append(
            {"text": f"{name} {number(value, places=3)}", "x": 0, "xref": "paper", "xanchor": "left", "y": value,
             "yanchor": "bottom", "showarrow": False, "font": {"size": 12, "color": figures.MUTED}}
        )  # fmt: skip
    if limit:
        shapes.append(_rule(x0=limit, x1=limit, y0=0, y1=1, yref="paper", dash="dash"))
        notes.append(
            {"text": f"budget {byte_size(limit)}", "x": _log10(limit), "y": 0, "yref": "paper", "yanchor": "bottom",
             "xanchor": "left", "xshift": 4, "showarrow": False, "font": {"size": 12, "color": figures.MUTED}}
        )  # fmt: skip
    return shapes, notes


def _rule(dash: str, **ends: Any) -> dict[str, Any]:
    return {"type": "line", "layer": "below", "line": {"color": figures.MUTED, "width": 1.25, "dash": dash}, **ends}


def _label(row: Row, key: str) -> dict[str, Any]:
    """The recommendation's name, above its star: the front is the upper edge of the cloud, so nothing lies there."""
    return {
        "text": f"<b>{plot_text(str(row.get('spec', '')), 40)}</b>",
        "x": _log10(_bytes(row)),
        "y": _value(row, key),
        "ax": 34,
        "ay": -36,
        "arrowcolor": figures.SECOND,
        "arrowwidth": 1,
        "arrowhead": 0,
        "standoff": 9,
        "font": {"color": figures.INK, "size": 13},
        "bgcolor": figures.SURFACE,
    }


def _log10(value: float) -> float:
    """Annotations of a log axis are placed by power of ten, shapes by value: plotly's own rule."""
    return math.log10(value)
