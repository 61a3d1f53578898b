"""The map's inline data: coordinates, colour levels and texts come through as they were stored, whatever they hold."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.reports import report_html
from embgeo.reports.blocks import SpaceMap
from embgeo.reports.drawing.files import write_figures
from embgeo.reports.sections.space_map import map_of
from embgeo.run import Run, save_run

STORED = {"points": 4, "documents": 4, "layouts": ["pca"], "explained_variance": [0.5, 0.25], "colours": {}}
POINTS = np.array([[0, 0], [4, 0], [0, 2], [4, 2]], np.float32)


def map_view(run: Run) -> SpaceMap | None:
    return map_of(run, run.findings)


def run_with(folder: Path, result: dict[str, Any] | None = None, **arrays: np.ndarray) -> Run:
    stored = {"map/rows": np.arange(4, dtype=np.int32), "map/layout/pca": POINTS}
    given = {f"map/colour/{name}": values for name, values in arrays.items()}
    full = {"command": "analyze", "model": "m", "dataset": {"documents": 4}, "map": STORED, **(result or {})}
    return save_run(folder, full, {**stored, **given}, documents=[(f"id{i}", f"text\n {i}") for i in range(4)])


def unpacked(text: str, dtype: str) -> list[int]:
    return np.frombuffer(base64.b64decode(text), dtype).tolist()


def test_both_axes_keep_one_scale(tmp_path: Path) -> None:
    view = map_view(run_with(tmp_path))
    assert view is not None
    # the middle (2, 1) is 0, the larger half extent 2 is 32,767: one unit is 16,383.5
    assert unpacked(view.data["layouts"]["pca"]["points"], "<i2") == [
        -32767, -16384, 32767, -16384, -32767, 16384, 32767, 16384
    ]  # fmt: skip
    assert view.data["ids"] == ["id0", "id1", "id2", "id3"]
    assert view.data["texts"] == ["text 0", "text 1", "text 2", "text 3"]


def test_values_come_back_from_their_levels(tmp_path: Path) -> None:
    counts, real = np.array([3, 3, 7, 700], np.float32), np.array([-1.5, np.nan, 0.25, 2.5], np.float32)
    view = map_view(run_with(tmp_path, counts=counts, real=real, cluster=np.array([0, 2, np.nan, 1], np.float32)))
    assert view is not None
    colours = view.data["colours"]
    entry = colours["counts"]
    back = entry["low"] + entry["step"] * np.array(unpacked(entry["values"], "<u2"))
    assert back.tolist() == counts.tolist()  # counts are exact
    # by rank: the two 3 share a level, the outlier takes no more room than the others
    levels = unpacked(entry["levels"], "u1")
    assert levels[0] == levels[1] < levels[2] < levels[3]
    assert levels[3] - levels[2] < 70
    assert entry["ends"] == ["3", "5", "700"]
    entry = colours["real"]
    back = entry["low"] + entry["step"] * np.array(unpacked(entry["values"], "<u2"))
    np.testing.assert_allclose(back[[0, 2, 3]], real[[0, 2, 3]], atol=4 / 65_535)
    assert unpacked(entry["levels"], "u1")[1] == 0  # not measured
    assert (unpacked(colours["cluster"]["levels"], "u1"), colours["cluster"]["count"]) == ([1, 3, 0, 2], 3)


def test_a_sample_says_that_it_is_one(tmp_path: Path) -> None:
    view = map_view(run_with(tmp_path, {"map": {**STORED, "documents": 1_000_000}}))
    assert view is not None
    assert view.notes["pca"].startswith("4 of 1,000,000 documents, sampled at random.")
    assert "50.0\u202f% of variance" in view.notes["pca"]


@pytest.mark.parametrize("letter", ["文", "<"])
def test_texts_of_any_alphabet_leave_the_page_below_its_size(tmp_path: Path, letter: str) -> None:
    n = 20_000
    arrays = {
        "map/rows": np.arange(n, dtype=np.int32), "map/layout/pca": np.zeros((n, 2), np.float32),
        **{f"map/colour/{name}": np.arange(n, dtype=np.float32) for name in ("cluster", "a", "b", "c", "d")},
    }  # fmt: skip
    result = {"command": "analyze", "model": "m", "dataset": {"documents": n}, "map": {**STORED, "documents": n}}
    run = save_run(tmp_path, result, arrays, documents=((f"document-{i}", letter * 200) for i in range(n)))
    page = report_html([run])
    assert len(page.encode()) < 6_000_000
    texts = map_view(run).data["texts"]  # type: ignore[union-attr]
    assert len(texts) == n
    assert all(10 <= len(text) <= 80 for text in texts[:5])


def test_bare_vectors_have_row_numbers_and_no_texts(tmp_path: Path) -> None:
    arrays = {"map/rows": np.array([2, 5], np.int32), "map/layout/pca": POINTS[:2]}
    view = map_view(save_run(tmp_path, {"command": "analyze", "map": STORED}, arrays))
    assert view is not None
    assert (view.data["ids"], view.data["texts"]) == (["row 2", "row 5"], [])


def test_damaged_parts_are_left_out(tmp_path: Path) -> None:
    run = run_with(tmp_path, short=np.zeros(3, np.float32), empty=np.full(4, np.nan, np.float32))
    view = map_view(run)
    assert view is not None
    assert view.colours == {}
    for odd in (None, 3, "text", [], {}, {"colours": [1], "explained_variance": "x", "documents": "many"}):
        page = report_html([Run(run.folder, {**run.result, "map": odd})])
        assert "</html>" in page
        assert ("data-map=" in page) == isinstance(odd, dict)


def test_the_inline_json_cannot_be_escaped(tmp_path: Path) -> None:
    texts = [("</script><b>", "<!--</script>\u2028&amp;"), *((f"i{i}", "x") for i in range(3))]
    arrays = {"map/rows": np.arange(4, dtype=np.int32), "map/layout/pca": POINTS}
    run = save_run(tmp_path, {"command": "analyze", "dataset": {"documents": 4}, "map": STORED}, arrays, texts)
    page = report_html([run])
    inside = page.partition('id="run-1-space-data">')[2].partition("</script>")[0]
    data = json.loads(inside)
    assert data["ids"][0] == "</script><b>"
    assert "<" not in inside


def test_the_map_for_a_file_has_every_document_in_its_place_and_the_colour_of_its_cluster(tmp_path: Path) -> None:
    clusters = np.array([0, 2, np.nan, 9], np.float32)
    view = map_view(run_with(tmp_path, cluster=clusters))
    assert view is not None
    (dots,) = view.plot.figures["pca"]["data"]
    assert list(zip(dots["x"], dots["y"], strict=True)) == [tuple(point) for point in POINTS.tolist()]
    assert dots["marker"]["color"] == ["var(--map-1)", "var(--map-3)", "var(--plot-faint)", "var(--map-2)"]


def test_the_map_is_among_the_figures_that_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'embgeo[figures]')")
    run = run_with(tmp_path)
    assert [path.name for path in write_figures([run], tmp_path / "figures")] == [f"{run.name}-map.svg"]
