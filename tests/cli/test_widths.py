"""No number is cut, whatever the width: every table and bar shows the numbers that a wide terminal shows."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from embgeo.cli.commands.compare import compare_tables
from embgeo.cli.failures import run
from embgeo.cli.output import Output
from embgeo.reports.drawing.terminal import draw, table
from embgeo.reports.front import front_table
from embgeo.reports.grid import cells_table, grid_tables
from embgeo.reports.sections.retrieval import retrieval_table
from embgeo.reports.sections.signature import signature_table
from embgeo.results.grid import GridCell
from embgeo.run import load_run

WIDTHS = (1, 12, *range(20, 81, 3))
NUMBER = re.compile(r"[-+]?\d[\d.,]*")


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def tables(repository: Path) -> Iterator[Table | None]:
    stored = {name: load_run(repository / "tests" / "data" / "runs" / name) for name in STORED}
    analyzed, compressed = stored["analyze"].findings, stored["compress"].findings
    for block in (retrieval_table(analyzed), signature_table(analyzed), front_table(compressed)):
        yield draw(block)
    yield from compare_tables(stored["compare"].findings)
    cell = GridCell(command="compress", model="org/a-model-of-some-length", dataset="my-corpus/", seed=10, run="runs/x")
    stores = replace(
        cell, float32=0.6451, spec="pca192,rot,int4", bytes_per_vector=1536.0, value=0.6398, retained=0.992
    )
    spaces = replace(
        cell, command="analyze", measures={"twonn_dim": 12.45, "participation_ratio": 1234.5, "hubness": 0.2}
    )
    for block in (cells_table([cell]), *grid_tables([stores, spaces])):
        yield draw(block)
    rows = [["hnsw32ef128,pca192,rot,int4+int8@10", "1,234,567 rows of 12.5", "17"]]
    yield table("", [("spec", "text"), ("note", "text"), ("n", "right")], rows)


STORED = ("analyze", "compress", "compare")


def shown(drawn: Table, width: int, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    Output().show(drawn)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_table_cuts_a_number_at_any_width(terminal: bool, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawn in tables(repository):
        assert drawn is not None
        whole = sorted(NUMBER.findall(shown(drawn, 400, terminal, monkeypatch)))
        assert whole
        for width in WIDTHS:
            assert sorted(NUMBER.findall(shown(drawn, width, terminal, monkeypatch))) == whole, (drawn.title, width)


def test_the_law_rejects_a_table_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = Table(box=None)
    cut.add_column("bytes", no_wrap=True, max_width=3)
    cut.add_row(Text("1234567"))
    assert NUMBER.findall(shown(cut, 80, False, monkeypatch)) != ["1234567"]


def test_columns_of_zero_means_an_unknown_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {}
    for columns in ("80", "0", "-1", "many", ""):
        monkeypatch.setenv("COLUMNS", columns)
        assert run(["measures", "dimension"]) == 0
        said[columns] = capsys.readouterr().out
    assert "twonn_dim" in said["80"]
    assert set(said.values()) == {said["80"]}


@pytest.mark.parametrize("width", [14, 20, 40, 60, 80])
def test_bars_never_cut_a_count(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    with Output().progress() as progress:
        progress("trade-offs: hnsw32,pca192,rot,int4+int8@10", 123456, 654321)
    assert "123456/654321" in stream.getvalue()
