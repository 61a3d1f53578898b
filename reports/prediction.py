"""Predicted against measured recall: what the spectrum and the mean norm alone lead to expect, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports import figures
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import bare, count, finite, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.stored import Entry, entry

PREDICTED, MEASURED = "predicted_recall@10_exact", "recall@10_exact"
LISTED = 200


@dataclass(frozen=True)
class PredictionView:
    """`passed_over` are (spec, predicted recall) of what was not run, best first; `more` of them are not listed."""

    sentences: list[str]
    figures: dict[str, Figure]
    description: str
    passed_over: list[tuple[str, str]]
    more: int


def prediction_view(stored: Any, rows: Sequence[Entry]) -> PredictionView | None:
    """None for a run without predictions."""
    measured = [row for row in rows if finite(row.get(MEASURED)) is not None and row.get("spec") != "f32"]
    points = [row for row in measured if finite(row.get(PREDICTED)) is not None]
    account = entry(stored)
    if not points:
        return None
    passed = sorted(
        ((value, str(spec)) for spec, found in entry(account.get("passed_over")).items()
         if (value := finite(found)) is not None),
        reverse=True,
    )  # fmt: skip
    sentences = _sentences(account, len(points), len(measured))
    return PredictionView(
        sentences,
        {"recall": _figure(points, str(entry(account.get("worst")).get("spec")))},
        f"Predicted against measured recall of {count(len(points))} codecs. {' '.join(sentences)}",
        [(spec, number(value, places=3)) for value, spec in passed[:LISTED]],
        max(0, len(passed) - LISTED),
    )


def _pair(row: Entry) -> tuple[float | None, float | None]:
    return finite(row.get(PREDICTED)), finite(row.get(MEASURED))


def _sentences(account: Entry, predicted: int, measured: int) -> list[str]:
    some = f"{count(predicted)} of {count(measured)}" if predicted < measured else count(predicted)
    said = [
        f"Recall@10 of {some} codecs was predicted from the covariance spectrum and the mean norm alone, before any "
        "of them was run."
    ]
    if predicted < measured:
        missing = measured - predicted
        said.append(
            f"{count(missing)} codec{' has' if missing == 1 else 's have'} no prediction: slow to train, or fitted on "
            "queries."
        )
    high, over = finite(account.get("mean_absolute_error_high_recall")), finite(account.get("high_recall"))
    whole, mean = finite(account.get("mean_absolute_error")), finite(account.get("mean_error"))
    parts = []
    if high is not None and over is not None:
        parts.append(f"off by {number(high, places=3)} on average where the measured recall exceeds {bare(over)}")
    if whole is not None:
        parts.append(f"by {number(whole, places=3)} over all" if parts else f"off by {number(whole, places=3)} overall")
    if parts:
        said.append(f"It was {', '.join(parts)}{_lean(mean, whole)}.")
    worst = entry(account.get("worst"))
    error = finite(worst.get("error"))
    if error is not None:
        side = "high" if error > 0 else "low"
        said.append(f"Worst: {worst.get('spec')}, {number(abs(error), places=3)} too {side}.")
    return said


def _lean(mean: float | None, size: float | None) -> str:
    """The sign of the errors, where most of them share it."""
    if mean is None or not size or abs(mean) < 0.5 * size:
        return ""
    return f"; mostly too {'high' if mean > 0 else 'low'}"


def _figure(points: Sequence[Entry], worst: str) -> Figure:
    ends = [value for row in points for value in _pair(row) if value is not None]
    room = 0.04 * max(max(ends) - min(ends), 0.1)
    low, high = min(ends) - room, max(ends) + room
    axis = {"range": [low, high], "tickformat": ".2f" if high - low < 0.3 else ".1f"}
    far = [row for row in points if row.get("spec") == worst]
    rest = [row for row in points if row.get("spec") != worst]
    groups = (
        ("codec", {"color": figures.ACCENT, "size": 8}, [row for row in rest if not row.get("index")]),
        # what an index misses comes on top of what its codes lose, and the spectrum tells about codes
        ("with an index, predicted as its codes", {"color": figures.MUTED, "size": 8, "symbol": "x"},
         [row for row in rest if row.get("index")]),
        ("farthest off", {"color": figures.SECOND, "size": 12, "symbol": "diamond"}, far),
    )  # fmt: skip
    data: list[dict[str, Any]] = [_dots(*group) for group in groups if group[-1]]
    diagonal = {"type": "line", "layer": "below", "x0": low, "y0": low, "x1": high, "y1": high,
                "line": {"color": figures.MUTED, "width": 1.25, "dash": "dot"}}  # fmt: skip
    return figure(
        data,
        {"title": {"text": "Predicted recall@10"}, **axis},
        {"title": {"text": "Measured recall@10"}, **axis},
        height=400,
        shapes=[diagonal],
        annotations=[_named(row, (low + high) / 2) for row in far[:1]],
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )


def _dots(name: str, marker: dict[str, Any], rows: list[Entry]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_pair(row)[0] for row in rows],
        "y": [_pair(row)[1] for row in rows],
        "marker": {"opacity": 0.8, **marker},
        "text": [
            f"<b>{plot_text(str(row.get('spec')))}</b><br>predicted {number(_pair(row)[0], places=3)}"
            f"<br>measured {number(_pair(row)[1], places=3)}"
            for row in rows
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _named(row: Entry, middle: float) -> dict[str, Any]:
    x, y = _pair(row)
    left = (x or 0.0) > middle
    return {"text": plot_text(str(row.get("spec")), 40), "x": x, "y": y, "showarrow": False,
            "xanchor": "right" if left else "left", "xshift": -10 if left else 10,
            "font": {"color": figures.INK, "size": 13}}  # fmt: skip
