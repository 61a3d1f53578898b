"""Predicted against measured recall: the prediction knows only the spectrum and the mean norm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Bullets, Code, Fold, Paragraph, Plot
from embgeo.reports.figures import Figure, figure
from embgeo.reports.numbers import bare, count, number
from embgeo.reports.plaintext import plot_text, visible
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult, Row
from embgeo.results.compress import Prediction, WorstPrediction

TITLE = "Predicted and measured recall"
LISTED = 200
CAPTION = (
    "Points on the line: prediction was exact; above it: better than predicted. The prediction decides which "
    "additional codecs are run, never which one is recommended."
)


@section("prediction", TITLE, of=CompressResult, order=700, label="Prediction")
def prediction(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs with predictions."""
    measured = [row for row in shown.result.rows if row.recall is not None and row.spec != "f32"]
    points = [row for row in measured if row.predicted_recall is not None]
    if not points:
        return
    account = shown.result.prediction or Prediction()
    said = " ".join(_sentences(account, len(points), len(measured)))
    yield Paragraph(visible(said, 900))
    described = f"Predicted against measured recall of {count(len(points))} codecs. {said}"
    yield Plot("prediction", TITLE, described, {"recall": _figure(points, _worst(account).spec)}, CAPTION)
    known = ((value, spec) for spec, value in account.passed_over.items() if value is not None)
    passed = [(Code(spec), f" {number(value, places=3)}") for value, spec in sorted(known, reverse=True)]
    if passed:
        more = len(passed) - LISTED
        listed = Bullets(passed[:LISTED], "Codecs that were skipped")
        yield Fold(
            f"{len(passed)} codecs were skipped because one no larger is predicted to do better, or because they are "
            "slow to train (--exhaustive runs them)",
            [listed, *([Paragraph(f"{more} more are in run.json.")] if more > 0 else [])],
        )


def _worst(account: Prediction) -> WorstPrediction:
    return account.worst or WorstPrediction()


def _sentences(account: Prediction, predicted: int, measured: int) -> Iterator[str]:
    some = f"{count(predicted)} of {count(measured)}" if predicted < measured else count(predicted)
    yield (
        f"Recall@10 of {some} codecs was predicted from the covariance spectrum and the mean norm alone, before any "
        "of them was run."
    )
    if predicted < measured:
        missing = measured - predicted
        verb = " has" if missing == 1 else "s have"
        yield f"{count(missing)} codec{verb} no prediction: slow to train, or fitted on queries."
    high, over, whole = account.mean_absolute_error_high_recall, account.high_recall, account.mean_absolute_error
    parts = []
    if high is not None and over is not None:
        parts.append(f"off by {number(high, places=3)} on average where the measured recall exceeds {bare(over)}")
    if whole is not None:
        parts.append(f"by {number(whole, places=3)} overall" if parts else f"off by {number(whole, places=3)} overall")
    if parts:
        yield f"It was {', '.join(parts)}{_lean(account.mean_error, whole)}."
    worst = _worst(account)
    if worst.error is not None:
        side = "high" if worst.error > 0 else "low"
        yield f"Largest error: {worst.spec}, {number(abs(worst.error), places=3)} too {side}."


def _lean(mean: float | None, size: float | None) -> str:
    """The sign of the errors, if most of them share it."""
    if mean is None or not size or abs(mean) < 0.5 * size:
        return ""
    return f"; mostly too {'high' if mean > 0 else 'low'}"


def _pair(row: Row) -> tuple[float, float]:
    return float(row.predicted_recall or 0.0), float(row.recall or 0.0)


def _figure(points: Sequence[Row], worst: str) -> Figure:
    ends = [value for row in points for value in _pair(row)]
    room = 0.04 * max(max(ends) - min(ends), 0.1)
    low, high = min(ends) - room, max(ends) + room
    axis: dict[str, Any] = {"range": [low, high], "tickformat": ".2f" if high - low < 0.3 else ".1f"}
    far = [row for row in points if row.spec == worst]
    rest = [row for row in points if row.spec != worst]
    marker = {"opacity": 0.8, "size": 8}
    groups: list[tuple[str, dict[str, Any], list[Row]]] = [
        ("codec", {**marker, "color": figures.ACCENT}, [row for row in rest if not row.index]),
        # the spectrum predicts what the codes lose; what the index misses comes on top
        (
            "with an index, predicted from its codes",
            {**marker, "color": figures.MUTED, "symbol": "x"},
            [row for row in rest if row.index],
        ),
        ("largest error", {**marker, "color": figures.SECOND, "size": 12, "symbol": "diamond"}, far),
    ]
    return figure(
        [_dots(*group) for group in groups if group[-1]],
        figures.axis("Predicted recall@10", **axis),
        figures.axis("Measured recall@10", **axis),
        height=400,
        shapes=[figures.rule(x0=low, y0=low, x1=high, y1=high)],
        annotations=[_named(row, (low + high) / 2) for row in far[:1]],
        **figures.LEGEND_ABOVE,
    )


def _dots(name: str, marker: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    pairs = [_pair(row) for row in rows]
    hovers = [
        f"<b>{plot_text(row.spec)}</b><br>predicted {number(x, places=3)}<br>measured {number(y, places=3)}"
        for row, (x, y) in zip(rows, pairs, strict=True)
    ]
    return figures.markers(name, pairs, marker, hovers)


def _named(row: Row, middle: float) -> dict[str, Any]:
    x, y = _pair(row)
    side, shift = ("right", -10) if x > middle else ("left", 10)
    font = {"color": figures.INK, "size": 13}
    return figures.note(plot_text(row.spec, 40), x, y, xanchor=side, xshift=shift, font=font)
