"""The stored space map, packed for the page: 16-bit coordinates, colour levels, beginnings of the texts."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from embgeo.reports import figures as drawing
from embgeo.reports.blocks import Block, Plot, SpaceMap
from embgeo.reports.drawing.inline_data import inline_json
from embgeo.reports.figures import Figure
from embgeo.reports.kept_documents import KeptDocuments, one_line
from embgeo.reports.numbers import count, number, percent
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult
from embgeo.results.analyze import MapFacts
from embgeo.run import Run

CHARACTERS = 80
ID_CHARACTERS = 32
PALETTE = 8  # colours of clusters, as in the page's script
MAX_TEXT_BYTES = 3_000_000  # the page must stay under 6 MB, plotly takes 1.2
REACH = 32_767
CATEGORY = "cluster"
LAYOUTS = {"pca": "PCA", "umap": "UMAP"}


@section("map", "Map of the space", of=AnalyzeResult, order=300)
def space_map(shown: Shown[AnalyzeResult]) -> list[Block]:
    """None if the run has no map, or a damaged one."""
    drawn = map_of(shown.run, shown.result)
    return [drawn] if drawn else []


def map_of(run: Run, result: AnalyzeResult) -> SpaceMap | None:
    stored = result.map
    if stored is None or "map/rows" not in run.arrays:
        return None
    rows = run.arrays["map/rows"]
    points = len(rows)
    layouts = {name: array for name, array in _arrays(run, "layout") if array.shape == (points, 2)}
    if not points or not layouts:
        return None
    known = stored.colours or {}
    colours = {
        name: {"label": visible(known[name].label or name if name in known else name, 120), **_colour(name, array)}
        for name, array in _arrays(run, "colour")
        if array.shape == (points,) and np.isfinite(array).any()
    }
    notes = {name: _note(name, stored, points) for name in layouts}
    ids, texts = _texts(run, rows)
    data = {
        "layouts": {name: {"points": _packed(_grid(array)), "note": notes[name]} for name, array in layouts.items()},
        "colours": colours,
        "ids": ids,
        "texts": texts,
    }
    described = f"Map of {count(points)} documents; documents with similar vectors are close together."
    clusters = run.array(f"map/colour/{CATEGORY}")
    figures = {name: _figure(array, clusters) for name, array in layouts.items()}
    return SpaceMap(
        Plot("map", "Map of the space", described, figures),
        layouts={name: LAYOUTS.get(name, name) for name in layouts},
        colours={name: str(entry["label"]) for name, entry in colours.items()},
        notes=notes,
        data=data,
    )


def _figure(points: np.ndarray, clusters: np.ndarray | None) -> Figure:
    """A layout as a static figure, coloured by cluster if there are any; the page draws its own, interactive one."""
    levels = np.zeros(len(points)) if clusters is None or clusters.shape != points.shape[:1] else clusters
    shown = np.isfinite(points).all(axis=1)
    colors = [f"var(--map-{int(level) % PALETTE + 1})" if level >= 0 else drawing.FAINT for level in levels[shown]]
    axis = {"showgrid": False, "tickvals": [], "ticktext": []}
    dots = drawing.trace(points[shown].tolist(), "markers", marker={"size": 4, "color": colors, "opacity": 0.85})
    return drawing.figure([dots], dict(axis), {**axis, "scaleanchor": "x"}, height=540)


def _arrays(run: Run, kind: str) -> list[tuple[str, np.ndarray]]:
    prefix = f"map/{kind}/"
    return [(name.removeprefix(prefix), run.arrays[name]) for name in run.arrays if name.startswith(prefix)]


def _grid(points: np.ndarray) -> np.ndarray:
    """Coordinates as int16, both axes on one scale and centred at 0, so that distances keep their proportions."""
    points = np.nan_to_num(points.astype(np.float64))
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = np.abs(points - middle).max()
    return np.round((points - middle) * (REACH / reach if reach > 0 else 0.0)).astype("<i2")


def _colour(name: str, values: np.ndarray) -> dict[str, Any]:
    """Levels 1 … 255 by rank (0: not measured), so that a few extremes do not push the rest into one colour."""
    known = np.isfinite(values)
    if name == CATEGORY:
        levels = np.where(known, np.clip(np.nan_to_num(values), 0, 253) + 1, 0)
        return {"kind": "category", "levels": _packed(levels.astype(np.uint8)), "count": int(levels.max())}
    low, high = float(values[known].min()), float(values[known].max())
    middle = float(np.median(values[known]))
    distinct, place = np.unique(values[known], return_inverse=True)
    below = np.concatenate([[0], np.bincount(place).cumsum()])
    ranks = ((below[:-1] + below[1:]) / 2 / len(place))[place]  # equal values share a rank
    levels = np.zeros(len(values), np.uint8)
    levels[known] = 1 + np.round(254 * ranks)
    # counts below 65,535 are stored exactly, other values to 5 digits
    step = 1.0 if (distinct == np.round(distinct)).all() and high - low < 65_535 else (high - low) / 65_535 or 1.0
    quantised = np.zeros(len(values), "<u2")
    quantised[known] = np.round((values[known].astype(np.float64) - low) / step)
    return {
        "kind": "value",
        "levels": _packed(levels),
        "values": _packed(quantised),
        "low": low,
        "step": step,
        "ends": [_short(low), _short(middle), _short(high)],
    }


def _short(value: float) -> str:
    return number(value, places=0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _note(layout: str, stored: MapFacts, points: int) -> str:
    drawn = f"{count(points)} documents"
    if stored.documents is not None and stored.documents > points:
        drawn = f"{count(points)} of {count(stored.documents)} documents, sampled at random"
    if layout == "umap":
        return f"{drawn}, laid out by UMAP: neighbours stay together; distances between groups are not meaningful."
    shares = stored.explained_variance if len(stored.explained_variance) == 2 else (None, None)
    if shares[0] is None:
        return f"{drawn} on the first two principal components."
    return (
        f"{drawn}. Horizontal axis: first principal component ({percent(shares[0])} of variance); vertical axis: the "
        f"second ({percent(shares[1])}). Documents that are close here may be far apart in the other dimensions."
    )


def _texts(run: Run, rows: np.ndarray) -> tuple[list[str], list[str]]:
    """Ids and beginnings of the texts, one per point; texts are cut shorter if they would exceed the page's limit."""
    kept = KeptDocuments.of(run, rows)
    texts = [visible(kept.text(row), CHARACTERS) for row in rows.tolist()]
    lengths = np.array([len(text) for text in texts])
    sizes = np.array([len(inline_json(text, True).encode("utf-8", "replace")) for text in texts])
    longest = min(CHARACTERS, int(lengths.max()))
    while longest > 10 and (sizes * np.minimum(1, longest / np.maximum(lengths, 1))).sum() > MAX_TEXT_BYTES:
        longest -= 1
    cut = [one_line(text, longest) for text in texts]
    return [visible(kept.id(row), ID_CHARACTERS) for row in rows.tolist()], cut if any(cut) else []
