"""Reproductions: what runs everywhere passes, what lacks data says so, and a wrong library is caught."""

from __future__ import annotations

import json
import math
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from embgeo import reproduce
from embgeo.cli.failures import run
from embgeo.errors import UnknownNameError
from embgeo.reports import report_html
from embgeo.reproductions import capacity_table
from embgeo.reproductions.registry import Entry, at_least, at_most, near, reproductions, select
from embgeo.results.reproduce import FAILED, NOT_RUN, PASSED, ReproduceResult, Reproduction
from embgeo.run import load_run

EVERYWHERE = [entry.name for entry in select() if not entry.needs]
WITH_DATA = [entry.name for entry in select() if entry.needs]


def told(found: Reproduction) -> str:
    """What is outside its tolerance, for the message of a failing test."""
    return found.reason or str([each for each in found.numbers if not each.passed])


@pytest.mark.parametrize("name", EVERYWHERE)
def test_quick_entries_that_need_no_data_pass(name: str) -> None:
    found = reproductions()[name].run(None)
    assert found.status == PASSED, told(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_DATA)
def test_quick_entries_that_need_data_pass(name: str, shared_data: Path) -> None:
    found = reproductions()[name].run(shared_data)
    assert found.status == PASSED, told(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", [entry.name for entry in select(slow=True) if entry.slow])
def test_slow_entries_pass(name: str, shared_data: Path) -> None:
    found = reproductions()[name].run(shared_data)
    assert found.status == PASSED, told(found)


def test_a_number_outside_its_tolerance_fails() -> None:
    assert near("x", 1.0, 1.1, within=0.1).passed
    assert not near("x", 1.0, 1.11, within=0.1).passed
    assert not near("x", 1.0, math.nan, within=0.1).passed
    assert at_most("x", 1.0, 1.0).passed
    assert not at_most("x", 1.0, 1.01).passed
    assert at_least("x", 1.0, 0.95, within=0.05).passed
    assert not at_least("x", 1.0, 0.94, within=0.05).passed


def test_an_entry_without_numbers_fails() -> None:
    assert Entry("empty", "", "", lambda data: []).run(None).status == FAILED


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A data folder with one row of the table of capacities, as published."""
    file = tmp_path / "data" / capacity_table.TABLE
    file.parent.mkdir(parents=True)
    file.write_text(
        "model,d_model,epsilon,capacity\nLlama 2 7B,4096,0.06450,3.99e7\nGemma 7B,3072,0.99918,indeterminate\n"
    )
    return tmp_path / "data"


def test_a_wrong_library_is_caught_and_exits_with_3(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["reproduce", "capacity-table", "--data", str(table), "--out", str(tmp_path), "--json", str(tmp_path / "j")]
    assert run(asked) == 0
    right = capacity_table.representational_capacity
    monkeypatch.setattr(capacity_table, "representational_capacity", lambda d, epsilon: 1.02 * right(d, epsilon))
    assert run(asked) == 3
    said = capsys.readouterr()
    assert "largest relative error" in said.out
    assert said.err.rstrip().endswith("outside the tolerance: capacity-table")
    assert json.loads((tmp_path / "j").read_text())["reproductions"][0]["status"] == FAILED


def test_missing_data_is_named_with_its_origin_and_is_no_failure(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = reproduce(["capacity-table", "packings-random"], data=table, out=tmp_path)
    found = made.findings
    assert isinstance(found, ReproduceResult)
    assert [each.status for each in found.reproductions] == [PASSED, NOT_RUN]
    assert "packing/random_packing.json" in (found.reproductions[1].reason or "")
    assert "Guha 2026" in (found.reproductions[1].reason or "")
    schema = json.loads(resources.files("embgeo").joinpath("result.schema.json").read_text())
    jsonschema.validate(json.loads((made.folder / "run.json").read_text()), schema)
    page = report_html([load_run(made.folder)])
    assert "largest relative error" in page
    assert "random_packing.json" in page
    # who names an entry wants it to run
    for data in ([], ["--data", str(tmp_path / "none")], ["--data", str(tmp_path)]):
        assert run(["reproduce", "packings-random", "--out", str(tmp_path), *data]) == 2
        said = capsys.readouterr()
        assert (said.out + said.err).count("packing/random_packing.json") == 1
        assert "where from: packings published with Guha 2026" in said.err


def test_numbers_are_named_signed_and_headed_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reproduce", "turboquant-distortion", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 bit, normal" in said
    assert "1 bits" not in said
    assert re.search(r" \+4\.78 × 10⁻⁵", said)
    [page] = tmp_path.glob("*/report.html")
    html = page.read_text()
    assert "4^-" not in html
    # the style sheet makes the first letter of a heading of rows a capital; names of entries are left as they are
    assert re.search(r'<table class="as-written"[^>]*data-table="reproductions"', html)
    assert ".as-written .group th::first-letter { text-transform: none; }" in html


def test_every_entry_can_be_listed_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reproduce", "--list", "--json", "-"]) == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert listed.keys() == reproductions().keys()
    assert all(origin for each in listed.values() for origin in each["needs"].values())


def test_an_unknown_entry_or_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownNameError, match="capacity-table"):
        select(["capacity-tabel"])
    assert run(["reproduce", "--data", str(tmp_path / "none")]) == 2
    assert "--data must name a folder" in capsys.readouterr().err
