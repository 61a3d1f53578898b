"""Every table of a page is there as CSV and every figure as SVG, in the page and as files."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from embgeo.cli import main
from embgeo.errors import MissingExtraError
from embgeo.reports import report_html
from embgeo.reports.drawing.csv import csv_text, file_names
from embgeo.reports.drawing.files import write_figures, write_tables
from embgeo.reports.drawing.page import contents
from embgeo.reports.figures import off_scale
from embgeo.run import Run, load_run, save_run

COMMANDS = ("analyze", "compare", "compress", "compress-parts")


@pytest.fixture(params=[*((name,) for name in COMMANDS), ("analyze", "compress", "compare", "analyze")], ids="+".join)
def runs(request: pytest.FixtureRequest, repository: Path, tmp_path: Path) -> list[Run]:
    """Stored runs, each under a name of its own."""
    stored = [load_run(repository / "tests" / "data" / "runs" / name) for name in request.param]
    return [Run(tmp_path / f"run{place}", run.result) for place, run in enumerate(stored)]


def saved(page: str) -> dict[str, str]:
    """{file name: text} of the CSV buttons of a page."""
    scripts = dict(re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', page, re.S))
    buttons = re.findall(r'data-download="([^"]+)" data-name="([^"]+\.csv)"', page)
    return {name: json.loads(scripts[id]) for id, name in buttons}


def test_every_table_of_the_page_has_its_csv_and_the_files_are_those_of_the_buttons(runs, tmp_path):
    page = report_html(runs)
    offered = saved(page)
    for article in re.split(r"<article", page):
        named = re.findall(r'<table[^>]*?(?: data-table="([^"]*)")?>', article)
        for name in named:
            assert any(file.endswith(f"-{name}.csv") for file in offered), name or "a table without a name"
    written = {path.name: path.read_text(encoding="utf-8") for path in write_tables(runs, tmp_path / "csv")}
    assert written == {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "csv").iterdir()}
    assert {name: text for name, text in offered.items() if text} == written
    for text in written.values():
        header, *rows = csv.reader(text.splitlines(keepends=True))
        assert rows
        assert all(header)
        assert len(set(header)) == len(header)


def test_every_plot_of_the_page_is_written_once_for_each_of_its_choices(runs, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'embgeo[figures]')")
    page = report_html(runs)
    plots = re.findall(r'<div class="plot" id="([^"]+)"', page)
    assert re.findall(r'data-svg="([^"]+)"', page) == plots
    choices = [len(plot.figures) for section in contents(runs)[0] for plot in section.plots.values()]
    assert len(choices) == len(plots) > 0
    written = write_figures(runs, tmp_path / "figures")
    assert len(set(written)) == sum(choices)
    for path in written:
        drawn = ElementTree.parse(path).getroot()
        assert drawn.tag.endswith("svg")
        assert "".join(drawn.itertext()).strip()


def test_the_figure_without_a_browser_says_what_the_one_with_a_browser_says(repository, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'embgeo[figures]')")
    run = load_run(repository / "tests" / "data" / "runs" / "compress")
    run.result["tradeoffs"].append({"spec": "ruined", "bytes_per_vector": 2, "ndcg@10": 0.01})
    path = next(path for path in write_figures([run], tmp_path) if path.name.endswith("tradeoff-ndcg-10.svg"))
    text = "".join(ElementTree.parse(path).getroot().itertext())
    for word in (
        "Bytes per vector",
        "nDCG@10, out of sample",
        "recommended",
        "below the axis",
        "adaptive@96B",
        "1,536",
    ):
        assert word in text
    again = write_figures([run], tmp_path / "again")
    assert path.read_bytes() == next(other for other in again if other.name == path.name).read_bytes()


def test_marks_of_the_edge_stay_on_the_edge_of_the_written_figure():
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'embgeo[figures]')")
    from matplotlib.figure import Figure

    from embgeo.reports.drawing.svg import _draw

    axes = Figure().subplots()
    axes.set_ylim(0.5, 0.7)
    (trace,) = off_scale([(4, "x")], "var(--muted)")
    _draw(axes, trace, 2)
    (points,) = axes.collections
    place = points.get_offset_transform().transform(points.get_offsets())[0]
    bottom, top = axes.bbox.y0, axes.bbox.y1
    assert bottom < place[1] < bottom + 0.05 * (top - bottom)


def test_without_matplotlib_the_error_names_the_line_that_installs_it(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[figures\]'"):
        write_figures(runs, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_the_command_writes_both(repository, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install 'embgeo[figures]')")
    stored = load_run(repository / "tests" / "data" / "runs" / "compress").result
    run = save_run(tmp_path / "embgeo-runs", dict(stored))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["report", str(run.folder), "--csv", "tables", "--figures", "drawn", "--json", "-"])
    told = json.loads(capsys.readouterr().out)
    assert {Path(path).name for path in told["csv"]} == {path.name for path in Path("tables").iterdir()}
    assert {Path(path).name for path in told["figures"]} == {path.name for path in Path("drawn").iterdir()}
    assert f"{run.name}-codecs.csv" in {path.name for path in Path("tables").iterdir()}
    assert f"{run.name}-tradeoff-ndcg-10.svg" in {path.name for path in Path("drawn").iterdir()}


def test_the_header_names_the_units_that_names_do_not():
    text = csv_text([{"store_bytes": 3, "qps": 5.0, "retained_ci": [0.9, 1.0]}])
    assert text.splitlines()[0] == (
        "store_bytes,qps [queries/s],retained_ci_low [share of float32],retained_ci_high [share of float32]"
    )


def test_names_of_files_are_distinct_and_plain():
    names = file_names(["A / b", "a b", "../../x", "", "a-b", "\u202e"])
    assert names == ["a-b", "a-b-2", "x", "untitled", "a-b-3", "untitled-2"]
