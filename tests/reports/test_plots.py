"""What a plot must not do: draw a value in a wrong place, join it to a line, or leave it out silently."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from embgeo.reports.blocks import Plot
from embgeo.reports.figures import Figure
from embgeo.reports.section import parts_of
from embgeo.reports.sections import tradeoff
from embgeo.reports.sections.compare_fronts import front_figures
from embgeo.reports.sections.curves import curve_plots
from embgeo.results import AnalyzeResult, CompareResult, CompressResult
from embgeo.results.compare import FrontGroup
from embgeo.run import Run, load_run

KEY = "ndcg@10"
ROWS = [
    {"spec": "f32", "bytes_per_vector": 1536, KEY: 0.647, "recall@10_exact": 1.0, "fits_budget": False},
    {"spec": "int8", "bytes_per_vector": 384, KEY: 0.645, "recall@10_exact": 0.99, "fits_budget": True},
    {"spec": "ruined", "bytes_per_vector": 384, KEY: 0.3, "recall@10_exact": 0.2, "fits_budget": True},
    {"spec": "tiny", "bytes_per_vector": 4, KEY: 0.18, "recall@10_exact": 0.12, "fits_budget": True},
]


def tradeoff_figures(
    rows: list[dict[str, Any]], baseline: dict[str, Any], best: str | None, limit: float | None = None, key: str = KEY
) -> dict[str, Figure]:
    budget = {"text": f"{limit}B", "per_vector": limit} if limit else None
    stored = {"quality": key, "tradeoffs": rows, "baseline": baseline, "recommendation": {"spec": best}}
    return tradeoff.tradeoff_figures(CompressResult.from_json({**stored, "budget": budget}), {})


def curves(stored: dict[str, Any]) -> list[Plot]:
    return curve_plots(AnalyzeResult.from_json({"curves": stored}))


def inside(figure: Figure) -> list[dict[str, Any]]:
    """The traces that lie on the figure's own axes."""
    return [trace for trace in figure["data"] if trace.get("yaxis") != "y2"]


def below(figure: Figure) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace.get("yaxis") == "y2"]


def points(traces: list[dict[str, Any]]) -> set[tuple[float, float]]:
    return {point for trace in traces for point in zip(trace["x"], trace["y"], strict=True)}


@pytest.mark.parametrize("key", [KEY, "recall@10_exact"])
def test_every_store_stands_at_its_own_height_or_on_the_edge_with_its_value(key):
    figure = tradeoff_figures(ROWS, ROWS[0], "int8", 200.0, key)[key]
    low, high = figure["layout"]["yaxis"]["range"]
    measured = {(row["bytes_per_vector"], row[key]) for row in ROWS}
    assert points(inside(figure)) == {point for point in measured if point[1] >= low}
    assert all(y <= high for _, y in measured)
    (edge,) = below(figure)
    assert edge["x"] == [384, 4]
    assert edge["name"] == "below the axis"
    assert edge.get("showlegend", True)
    assert edge["mode"] == "markers"
    for text, row in zip(edge["text"], ROWS[2:], strict=True):
        assert row["spec"] in text
        assert f"{row[key]:.3f}" in text
    assert figure["layout"]["yaxis2"] == {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}


def test_a_ruined_store_does_not_squash_the_others():
    low, high = tradeoff_figures(ROWS, ROWS[0], "int8", 200.0)[KEY]["layout"]["yaxis"]["range"]
    assert 0.6 < low < 0.645 < 0.647 < high < 0.7


def test_the_recommended_store_and_float32_are_never_off_the_axis():
    figure = tradeoff_figures(ROWS, ROWS[0], "tiny")[KEY]
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 0.18
    assert high > 0.647
    assert not below(figure)


def test_the_axis_holds_the_intervals_of_what_it_shows():
    rows = [{**ROWS[0]}, {**ROWS[1], "difference": -0.002, "difference_ci": [-0.2, 0.1]}]
    low, high = tradeoff_figures(rows, rows[0], "int8")[KEY]["layout"]["yaxis"]["range"]
    assert low < 0.447
    assert high > 0.747


def group(*heights: tuple[float, float]) -> FrontGroup:
    """Fronts of two stores each, the second of each run at the given heights; the last store of a run is ruined."""
    return FrontGroup.from_json(
        {
            "measure": KEY,
            "fronts": [
                {
                    "label": label,
                    "recommended": "b",
                    "baseline": {KEY: top},
                    "rows": [
                        {"spec": "a", "bytes_per_vector": 8, "quality": top, KEY: top, "front": True},
                        {"spec": "b", "bytes_per_vector": 4, "quality": top - 0.01, KEY: top - 0.01, "front": True},
                        {"spec": "c", "bytes_per_vector": 1, "quality": ruined, KEY: ruined, "front": True},
                    ],
                }
                for label, (top, ruined) in zip("AB", heights, strict=True)
            ],
        }
    )


def test_the_fronts_of_two_corpora_both_stand_on_the_axis():
    figure = front_figures(group((0.9, 0.6), (0.3, 0.1)), {})["absolute"]
    assert points(inside(figure)) >= {(8, 0.9), (4, 0.89), (8, 0.3), (4, 0.29)}
    (edge,) = below(figure)
    assert edge["x"] == [1]
    assert "0.1000" in edge["text"][0]
    assert edge["text"][0].startswith("<b>c</b><br>B")
    lines = [trace for trace in inside(figure) if "lines" in trace["mode"]]
    assert [trace["x"] for trace in lines] == [[1, 4, 8], [4, 8]]


def every_figure(run: Run) -> list[Figure]:
    if isinstance(found := run.findings, CompareResult):
        return [drawn for each in found.fronts for drawn in front_figures(each, {}).values()]
    return [figure for part in parts_of(run) for plot in part.plots for figure in plot.figures.values()]


@pytest.mark.parametrize("name", ["analyze", "compare", "compress", "compress-parts"])
def test_no_point_of_a_stored_run_lies_outside_the_axes_it_is_drawn_on(repository: Path, name: str):
    from math import log10

    figures = every_figure(load_run(repository / "tests" / "data" / "runs" / name))
    assert figures
    for figure in figures:
        for trace in inside(figure):
            for way in "xy":
                axis = figure["layout"][f"{way}axis"]
                if "range" not in axis:
                    continue
                low, high = axis["range"]
                place = log10 if axis.get("type") == "log" else float
                assert all(low <= place(value) <= high for value in trace[way] if value is not None)


def test_what_a_log_axis_leaves_out_is_counted_in_words():
    curve = {"x": [1, 2, 3, 4], "y": [1.0, 0.5, 1e-9, 1e-12], "log": "xy"}
    (plot,) = curves({"spectrum": curve})
    assert points(plot.figures["curve"]["data"]) == {(1, 1.0), (2, 0.5), (3, None), (4, None)}
    assert "2 values under a millionth of the largest are not drawn" in plot.caption


def test_a_band_and_a_fit_lie_inside_an_axis_that_marks_have_set():
    curve = {"x": [1, 2], "y": [1.0, 2.0], "lo": [0.5, -1.0], "hi": [1.5, 5.0], "marks": [{"x": 1.5, "label": "here"}]}
    (plot,) = curves({"one": copy.deepcopy(curve)})
    low, high = plot.figures["curve"]["layout"]["yaxis"]["range"]
    assert low <= -1.0
    assert high >= 5.0
