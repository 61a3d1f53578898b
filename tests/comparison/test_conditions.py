"""`compare --fail-if`: strictly read, checked against the first run, exit 3 with the value and the limit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from examples.comparison import analyzed, compressed, few_changed
from hypothesis import given
from hypothesis import strategies as st

from embgeo.api import compare
from embgeo.cli.failures import run
from embgeo.comparison.conditions import OPERATORS, parse_condition
from embgeo.errors import InputError, UnknownNameError
from embgeo.run import load_run


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@given(
    metric=st.sampled_from(["ndcg@10", "recall@10_exact", "bytes_per_vector"]),
    sign=st.sampled_from(sorted(OPERATORS)),
    hundredths=st.integers(-10_000, 10_000),
    percent=st.booleans(),
    space=st.sampled_from(["", " ", "  "]),
)
def test_a_condition_reads_back(metric: str, sign: str, hundredths: int, percent: bool, space: str) -> None:
    value = f"{hundredths / 100:.2f}"
    found = parse_condition(f"{space}{metric}{space}{sign}{space}{value}{space}{'%' if percent else ''}{space}")
    assert (found.metric, found.operator, found.relative) == (metric, sign, percent)
    assert found.limit == float(value) / (100 if percent else 1)


@pytest.mark.parametrize(
    "text",
    ["", "ndcg@10", "ndcg@10 <", "< -1%", "ndcg@10 = -1%", "ndcg@10 == 0", "ndcg@10 < -1 percent", "ndcg@10 < 1e-2",
     "ndcg@10 < -1% or worse", "ndcg@10 << 1", "-1% > ndcg@10", "ndcg@10 < --1", "ndcg@10 < nan", "ndcg@10 < 1.2.3"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InputError, match=r"METRIC OPERATOR VALUE.* such as 'ndcg@10 < -1%'"):
        parse_condition(text)


def fired(tmp_path: Path, first: str, second: str, *conditions: str, kind=analyzed) -> list[bool]:
    runs = [kind(tmp_path, first), kind(tmp_path, second)]
    found = compare(runs, fail_if=conditions, out=tmp_path / "compared").result["conditions"]
    return [entry["fires"] for entry in found]


def test_differences_are_second_minus_first_absolute_or_relative(tmp_path: Path) -> None:
    runs = [analyzed(tmp_path, "plain"), analyzed(tmp_path, "random")]
    before, after = (item.result["retrieval"]["ndcg@10"]["value"] for item in runs)
    assert after < before
    [entry] = compare(runs, fail_if=["ndcg@10 < -1%"], out=tmp_path).result["conditions"]
    assert entry["difference"] == pytest.approx(after - before)
    assert entry["relative"] == pytest.approx((after - before) / before)
    assert entry["fires"] is True
    low, high = entry["difference_ci"]
    assert low < entry["difference"] < high
    assert entry["queries"] == 40
    assert fired(tmp_path, "random", "plain", "ndcg@10 < -1%", "ndcg@10 > 1%") == [False, True]


def test_a_condition_without_an_interval_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, fewer = analyzed(tmp_path, "plain"), few_changed(tmp_path, 3)
    [entry] = compare([plain, fewer], fail_if=["ndcg@10 < -5%"], out=tmp_path).result["conditions"]
    assert entry["difference_ci"] is None
    assert entry["note"].startswith("only 3 of 40 queries change, too few for an interval")
    assert run(["compare", str(plain.folder), str(fewer.folder), "--fail-if", "ndcg@10 < -5%", "--no-html"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "limit -5 %; only 3 of 40 queries change, too few for an interval" in printed


def test_a_condition_on_runs_without_shared_queries_says_so(tmp_path: Path) -> None:
    runs = [analyzed(tmp_path, "plain"), analyzed(tmp_path, "random", ids=False)]
    [entry] = compare(runs, fail_if=["ndcg@10 < -1%"], out=tmp_path).result["conditions"]
    assert entry["note"] == "no interval: the run stores no query ids"


def test_a_number_of_the_store_needs_no_reason(tmp_path: Path) -> None:
    runs = [compressed(tmp_path, "plain"), compressed(tmp_path, "random")]
    [entry] = compare(runs, fail_if=["bytes_per_vector > 0"], out=tmp_path).result["conditions"]
    assert entry["difference_ci"] is entry["note"] is None


def test_only_the_operators_with_equality_include_the_limit(tmp_path: Path) -> None:
    # "turned" has the per-query values of "plain": a difference of exactly 0
    conditions = ["ndcg@10 < 0", "ndcg@10 <= 0", "ndcg@10 > 0", "ndcg@10 >= 0", "ndcg@10 <= 0%", "ndcg@10 < 0.0%"]
    assert fired(tmp_path, "plain", "turned", *conditions) == [False, True, False, True, True, False]


def test_numbers_of_the_recommended_store_can_be_named(tmp_path: Path) -> None:
    conditions = ["bytes_per_vector > 0", "recall@10_exact < -1%", "ndcg@10 < -0.01"]
    assert fired(tmp_path, "plain", "random", *conditions, kind=compressed) == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "condition", "error", "said"),
    [
        (analyzed, "ndgc@10 < 0", UnknownNameError, "did you mean ndcg@10"),
        (compressed, "spec < 0", UnknownNameError, "unknown metric 'spec'"),
        (compressed, "constant_byte < 0", UnknownNameError, "did you mean constant_bytes"),
    ],
)
def test_a_metric_that_no_run_has_is_named_with_near_ones(
    kind, condition: str, error: type[Exception], said: str, tmp_path: Path
) -> None:  # fmt: skip
    with pytest.raises(error, match=said):
        fired(tmp_path, "plain", "random", condition, kind=kind)
    assert not (tmp_path / "compared").exists()


def test_a_value_that_one_run_lacks_or_a_share_of_nothing_is_refused(tmp_path: Path) -> None:
    judged, bare = compressed(tmp_path, "plain"), compressed(tmp_path, "random", judged=False)
    with pytest.raises(InputError, match=r"has no value of ndcg@10"):
        compare([judged, bare], fail_if=["ndcg@10 < 0"], out=tmp_path)
    zero = {**judged.result["recommendation"], "ndcg@10": 0.0}
    with pytest.raises(InputError, match="absolute limit without %"):
        compare([compressed(tmp_path, "turned", recommendation=zero), judged], fail_if=["ndcg@10 < -1%"], out=tmp_path)


def test_a_run_passes_against_its_own_stored_copy(tmp_path: Path) -> None:
    again = compressed(tmp_path, "plain")
    shutil.copytree(again.folder, tmp_path / "reference")
    assert run(["compare", "reference", str(again.folder), "--fail-if", "ndcg@10 < 0", "--no-html"]) == 0
    assert run(["compare", "reference", str(again.folder), "--no-html"]) == 2  # without a gate it is a slip
    assert run(["compare", "reference", "reference", "--fail-if", "ndcg@10 < 0", "--no-html"]) == 2


def test_the_command_writes_everything_and_exits_3_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(kind(tmp_path, name).folder) for kind in (analyzed,) for name in ("plain", "random")]
    words = ["compare", *folders, "--fail-if", "ndcg@10 < -50%", "--fail-if", "ndcg@10 < -1%", "--json", "out.json"]
    assert run([*words, "--out", "here"]) == 3
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert last.startswith("embgeo: --fail-if: 'ndcg@10 < -1%': 0.")
    for part in (Path(folders[0]).name, Path(folders[1]).name, "limit -1 %", "95 % interval -0.", "over 40 queries"):
        assert part in last
    assert "-50" not in last
    assert "passed: 'ndcg@10 < -50%'" in out
    assert "failed: 'ndcg@10 < -1%'" in out
    stored = json.loads(Path("out.json").read_text())
    assert [entry["fires"] for entry in stored["conditions"]] == [False, True]
    [folder] = Path("here").iterdir()
    assert load_run(folder).result["conditions"] == stored["conditions"]
    assert (folder / "report.html").is_file()
    assert run([*words[:5], "--out", "here"]) == 0
    assert run([*words[:3], "--fail-if", "ndcg < ", "--out", "here"]) == 2


def test_the_help_says_that_point_estimates_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "--help"]) == 0
    assert "Point estimates are compared" in " ".join(capsys.readouterr().out.split())
