"""A run in a notebook: its frames, and the table that shows it."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from embgeo import measure_limits, reproduce
from embgeo.errors import InputError, MissingExtraError, UnknownNameError
from embgeo.run import Run, load_run, save_run

STORED = Path(__file__).parent / "data" / "runs"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202egnp\x00\x1b[31m&amp;"


def test_the_signature_is_a_frame() -> None:
    run = load_run(STORED / "analyze")
    table = run.frame()
    assert list(table.index) == list(run.result["signature"])
    name, entry = next((n, e) for n, e in run.result["signature"].items() if e["ci"])
    assert table.loc[name, ["value", "ci_low", "ci_high"]].tolist() == [entry["value"], *entry["ci"]]
    assert table.index.name == "measure"
    assert run.frame("retrieval").loc["ndcg@10", "value"] == run.result["retrieval"]["ndcg@10"]["value"]


def test_the_tradeoffs_are_a_frame_with_float32_first() -> None:
    run = load_run(STORED / "compress")
    table = run.frame()
    assert list(table.index) == ["f32", *(row["spec"] for row in run.result["tradeoffs"])]
    assert table.index[table["recommended"]].tolist() == [run.result["recommendation"]["spec"]]
    last = next(row for row in run.result["tradeoffs"] if row.get("difference_ci"))
    assert table.loc[last["spec"], "bytes_per_vector"] == last["bytes_per_vector"]
    assert table.loc[last["spec"], ["difference_low", "difference_high"]].tolist() == last["difference_ci"]


def test_a_comparison_is_frames_by_measure_and_run() -> None:
    run = load_run(STORED / "compare")
    table = run.frame()
    first = run.result["signatures"]["measures"][0]
    assert table.loc[(first["name"], "B"), "value"] == first["values"][1]["value"]
    assert len(run.frame("retrieval")) == sum(len(r["measures"]) for r in run.result["retrieval"]["runs"])
    pair = run.result["model_similarity"][0]
    assert run.frame("model_similarity").loc[("A", "B"), "values.linear_cka"] == pair["values"]["linear_cka"]
    assert len(run.frame("cost")) == len(run.result["cost"])
    assert list(run.frame("runs").index) == [entry["label"] for entry in run.result["runs"]]


def test_the_steps_of_the_funnel_are_a_frame_and_an_empty_one_without_judgements(tmp_path: Path) -> None:
    given = np.random.default_rng(0).standard_normal((2, 60, 8)).astype(np.float32)
    docs, queries = given[0], given[1, :8]
    qrels = {str(query): {str(query): 1} for query in range(8)}
    run = load_run(measure_limits(docs=docs, queries=queries, qrels=qrels, specs=["int8"], out=tmp_path).folder)
    table, steps = run.frame(), run.findings.limits.funnel.steps
    assert list(table.index) == [(step.kind, step.name) for step in steps]
    assert ("codec", "int8") in table.index
    names = ["ndcg@10", "ndcg@10_low", "ndcg@10_high", "difference", "difference_low", "difference_high"]
    assert list(table.columns) == names
    last = next(step for step in steps if step.difference_ci)
    wanted = [last.value, *last.ci, last.difference, *last.difference_ci]
    assert table.loc[(last.kind, last.name)].tolist() == wanted
    assert run.frame("retrieval").loc["ndcg@10", "value"] == run.result["retrieval"]["ndcg@10"]["value"]
    assert re.search(r"[1-9]\d* findings, ndcg@10 0\.", repr(run))
    bare = measure_limits(docs=docs, queries=queries, out=tmp_path)
    assert len(bare.frame()) == 0
    assert list(bare.frame().columns) == names
    assert bare.frame().index.names == ["kind", "name"]
    assert "measures" not in repr(bare)


def test_reproductions_and_their_numbers_are_frames(tmp_path: Path) -> None:
    run = load_run(reproduce(["turboquant-distortion", "packings-random"], out=tmp_path).folder)
    assert run.frame()["status"].to_dict() == {"packings-random": "not run", "turboquant-distortion": "pass"}
    assert "numbers" not in run.frame().columns
    first = run.findings.reproductions[1].numbers[0]
    assert run.frame("numbers").loc[("turboquant-distortion", first.name), "measured"] == first.measured
    assert "1 not run, 1 pass" in repr(run)


def test_a_frame_is_a_copy() -> None:
    run = load_run(STORED / "compress")
    table = run.frame()
    table["bytes_per_vector"] = 0
    assert run.frame()["bytes_per_vector"].min() > 0


def test_missing_frames_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = load_run(STORED / "compress")
    with pytest.raises(UnknownNameError, match="did you mean tradeoffs"):
        run.frame("tradeoff")
    bare = save_run(tmp_path, {"command": "analyze", "signature": {"a": {"value": 1.0}}, "retrieval": None})
    with pytest.raises(InputError, match="no retrieval"):
        bare.frame("retrieval")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[notebook\]'"):
        run.frame()


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("analyze", ["scifact", "5,183 documents", "ndcg@10", "twonn_dim"]),
        ("compress", ["Recommended", "nDCG@10", "embgeo report"]),
        ("compare", ["Decision", "A", "B", "minilm-docs.npy"]),
    ],
)
def test_a_run_displays_itself(command: str, said: list[str]) -> None:
    html = load_run(STORED / command)._repr_html_()
    text = Reader(html).text
    for part in said:
        assert part in text
    assert len(html) < 6000


@pytest.mark.parametrize("command", ["analyze", "compress", "compare"])
def test_untrusted_names_are_text(command: str, tmp_path: Path) -> None:
    stored = load_run(STORED / command).result
    result = {
        **stored, "model": {"name": HOSTILE}, "dataset": {**(stored["dataset"] or {}), "name": HOSTILE},
        "warnings": [HOSTILE],
    }  # fmt: skip
    if command == "compress":
        result["recommendation"] = {**stored["recommendation"], "reason": HOSTILE}
    if command == "analyze":
        result["signature"] = {HOSTILE: {"value": 1.0, "ci": None}}
    if command == "compare":
        result["runs"] = [{**entry, "model": HOSTILE, "label": HOSTILE} for entry in stored["runs"]]
    folder = tmp_path / HOSTILE.translate({ord("/"): "-", 0: "-"})
    html = Run(folder, result)._repr_html_()
    page = Reader(html)
    assert page.tags <= {"table", "tbody", "tr", "th", "td", "code", "a"}
    assert page.attributes <= {"scope", "style", "href"}
    assert re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", html) is None
    assert "alert(1)" in page.text


def test_the_report_is_linked_from_where_the_notebook_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path('runs "1"')
    folder.mkdir()
    run = Run(folder, load_run(STORED / "analyze").result)
    assert "creates it" in run._repr_html_()
    (folder / "report.html").touch()
    assert '<a href="runs%20%221%22/report.html">' in run._repr_html_()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert '<a href="file:///' in Run(tmp_path / folder, run.result)._repr_html_()


@pytest.mark.parametrize("command", ["analyze", "compress", "compare", "other"])
def test_a_damaged_run_still_displays_itself(command: str, tmp_path: Path) -> None:
    html = Run(tmp_path, {"command": command, "warnings": None, "model": None, "recommendation": "?"})._repr_html_()
    assert html.startswith("<table>")
