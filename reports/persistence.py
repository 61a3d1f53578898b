"""The persistence diagram: components (H0) and loops (H1) of the corpus in one plot."""

from __future__ import annotations

from embgeo.reports import figures
from embgeo.reports.blocks import Plot
from embgeo.reports.figures import figure
from embgeo.reports.numbers import count
from embgeo.results import Curve

NOTE = (
    "A point is a component or a loop, by the distances at which it appears and disappears; far from the diagonal it "
    "persists."
)


def diagram(h0: Curve | None, h1: Curve | None) -> Plot | None:
    """The stored births and deaths; None where there are none."""
    groups = [
        ("components (H0)", figures.SECOND, "line-ew-open", _bars(h0)),
        ("loops (H1)", figures.ACCENT, "circle", _bars(h1)),
    ]
    groups = [group for group in groups if group[3]]
    if not groups:
        return None
    ends = [end for *_, bars in groups for bar in bars for end in bar]
    edge = [min(ends), max(ends)]
    diagonal = {
        "type": "scatter", "mode": "lines", "x": edge, "y": edge, "hoverinfo": "skip", "showlegend": False,
        "line": {"color": figures.MUTED, "width": 1, "dash": "dot"},
    }  # fmt: skip
    clouds = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [birth for birth, _ in bars],
            "y": [death for _, death in bars],
            "marker": {"size": 8 if symbol != "circle" else 4, "symbol": symbol, "color": colour, "opacity": 0.6},
            "hovertemplate": "birth %{x:,.4~g}<br>death %{y:,.4~g}<extra></extra>",
        }
        for name, colour, symbol, bars in groups
    ]
    drawn = figure(
        [diagonal, *clouds],
        {"title": {"text": "distance at birth"}},
        {"title": {"text": "distance at death"}},
        height=280,
        showlegend=True,
        legend={"x": 1, "xanchor": "right", "y": 0, "yanchor": "bottom", "itemclick": False},
    )
    described = ", ".join(f"{count(len(bars))} {name}" for name, *_, bars in groups)
    return Plot("", "Persistence diagram", f"Births and deaths of {described}.", {"curve": drawn}, NOTE)


def _bars(curve: Curve | None) -> list[tuple[float, float]]:
    pairs = zip(curve.x, curve.y, strict=False) if curve else ()
    return [(birth, death) for birth, death in pairs if birth is not None and death is not None]
