"""The recall that is forecast for the planned number of vectors, and how far off such forecasts are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embgeo.reports import figures
from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Paragraph, Plot, RowGroup, Table, TableRow
from embgeo.reports.figures import Figure, figure
from embgeo.reports.front import front_of
from embgeo.reports.numbers import count, interval, number
from embgeo.reports.plaintext import plot_text
from embgeo.reports.section import Shown, section
from embgeo.results import RECALL, CompressResult
from embgeo.results.compress import Forecast, ForecastAt, ForecastCurve

TITLE = "Recall at the planned size"
LINES = 6  # of the plot
CAPTION = (
    "The share of the exact ten nearest documents that a store finds, as the corpus grows. Bars are 95 % intervals "
    "over queries; they do not contain the error of the method, which is stated above."
)


@section("forecast", TITLE, of=CompressResult, order=450, label="Planned size")
def planned(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only with --vectors beyond the corpus."""
    found = shown.result.forecast
    if found is None:
        return
    if found.reason:
        yield Paragraph(f"For {count(found.vectors)} vectors: {found.reason}.")
        return
    yield Paragraph(
        f"{method(found)} Rows with an index are not forecast: what it misses in a larger corpus is unknown."
    )
    front = {row.spec for row in front_of(shown.result.rows, RECALL)} | {shown.result.recommendation.spec}
    curves = [curve for curve in found.curves if curve.points and curve.spec in front]
    drawn = _spread(curves, shown.result.recommendation.spec)
    described = f"Recall@10 of {len(drawn)} stores from {count(found.documents)} to {count(found.vectors)} documents."
    yield Plot("forecast", TITLE, described, {"forecast": _figure(drawn)}, CAPTION)
    here, there = f"{count(found.documents)} (measured)", f"{count(found.vectors)} (forecast)"
    columns = [Column("Spec"), Column(here, "number"), Column(there, "number"), Column("95 % interval", "word")]
    rows = [_row(curve, curve.spec == shown.result.recommendation.spec) for curve in curves]
    records = [{"spec": one.spec, **point.to_json()} for one in found.curves for point in one.points]
    yield Table(
        "forecast", TITLE, columns, [RowGroup(rows)], "Recall@10 of exact search", Data("forecast", TITLE, records)
    )


def method(found: Forecast) -> str:
    """What the forecast rests on, and how far off it is."""
    errors = " and ".join(
        f"{number(error, places=3)} for {times} times the documents" for times, error in found.errors.items()
    )
    checked = f" Forecast from parts of this corpus, recall was off by {errors} (mean of all specs)." if errors else ""
    return (
        f"Recall@10 of exact search changes as a corpus grows. It is forecast from samples of these "
        f"{count(found.documents)} documents, as if new ones came from the same distribution; clusters that only a "
        f"larger corpus fills lower it further. Beyond 16 times the corpus nothing was checked.{checked}"
    )


def sentence(result: CompressResult) -> str:
    """The forecast of the recommended store for the terminal; "" if there is none."""
    found, best = result.forecast, result.recommendation
    if found is None:
        return ""
    size = f"{count(found.vectors)} vectors"
    if found.reason:
        return f"Recall at {size}: {found.reason}."
    if best.recall_at_n is None:
        return f"Recall of {best.spec} at {size} is not forecast."
    errors = ", ".join(f"{number(error, places=3)} at ×{times}" for times, error in found.errors.items())
    off = f"; forecasts within this corpus are off by {errors}" if errors else ""
    ends = interval(best.recall_at_n_ci, 3)
    return (
        f"Recall@10 of exact search at {size}: {number(best.recall_at_n, places=3)} {ends} forecast for {best.spec}, "
        f"{number(best.recall, places=3)} here{off}."
    )


def _spread(curves: list[ForecastCurve], best: str) -> list[ForecastCurve]:
    """At most LINES curves, evenly spread over the front, the recommended one among them."""
    if len(curves) <= LINES:
        return curves
    steps = [round(place * (len(curves) - 1) / (LINES - 1)) for place in range(LINES)]
    return [curve for place, curve in enumerate(curves) if place in steps or curve.spec == best]


def _row(curve: ForecastCurve, best: bool) -> TableRow:
    first, last = curve.points[0], curve.points[-1]
    cells = number(first.recall, places=3), number(last.recall, places=3), interval(last.recall_ci, 3)
    return TableRow([Cell(Code(curve.spec), head=True), *cells], best=best)


def _figure(curves: list[ForecastCurve]) -> Figure:
    data: list[dict[str, Any]] = []
    for place, curve in enumerate(curves):
        color, symbol = figures.style_of(place)
        points = [(point.documents or 0, point.recall or 0.0) for point in curve.points]
        lengths = [_lengths(point) for point in curve.points]
        hovers = [f"<b>{plot_text(curve.spec)}</b><br>{number(y, places=3)} at {count(x)}" for x, y in points]
        marker = {"color": color, "symbol": symbol, "size": 7}
        more = {"mode": "lines+markers", "line": {"color": color, "width": 1.5}}
        bars = figures.error_bars(lengths, color)
        data.append(figures.markers(plot_text(curve.spec), points, marker, hovers, error_y=bars, **more))
    sizes = [float(point.documents) for curve in curves for point in curve.points if point.documents]
    ticks = figures.decade_ticks(min(sizes), max(sizes))
    labels = [count(tick) for tick in ticks]
    x = figures.axis("Documents", ticks, labels, type="log", range=figures.log_range(sizes))
    return figure(data, x, figures.axis("Recall@10 of exact search"), height=360, **figures.LEGEND_ABOVE)


def _lengths(point: ForecastAt) -> tuple[float, float]:
    """How far the interval reaches below and above."""
    middle = point.recall or 0.0
    low, high = point.recall_ci or (middle, middle)
    return max(0.0, middle - low), max(0.0, high - middle)
