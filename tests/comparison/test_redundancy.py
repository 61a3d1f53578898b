"""Which measures say the same about the runs that are compared."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from examples.comparison import analyzed

from embgeo import compare
from embgeo.comparison.redundancy import MIN_RUNS, redundant_measures
from embgeo.reports import report_html
from embgeo.results.compare import ComparedMeasure, ComparedSignatures, ComparedValue


def signatures(columns: dict[str, np.ndarray]) -> ComparedSignatures:
    measures = [
        ComparedMeasure(name=name, values=[ComparedValue(value=float(value)) for value in values])
        for name, values in columns.items()
    ]
    return ComparedSignatures(runs=[str(run) for run in range(len(measures[0].values))], measures=measures)


def test_measures_that_order_the_runs_alike_or_in_reverse_form_a_group() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 40))
    found = redundant_measures(signatures({"a": a, "b": b, "exp": np.exp(a), "minus": -a, "c": c, "flat": 0 * a + 3}))
    assert found is not None
    assert [group.measures for group in found.groups] == [["a", "exp", "minus"]]
    assert found.groups[0].least_correlation == pytest.approx(1)
    assert (found.measures, found.distinct) == (5, 3)


def test_a_chain_of_alike_measures_is_no_group_unless_its_ends_are_alike() -> None:
    rng = np.random.default_rng(1)
    steps = np.cumsum(rng.standard_normal((4, 200)) * np.array([[1], [0.55], [0.55], [0.55]]), axis=0)
    found = redundant_measures(signatures(dict(zip("abcd", steps, strict=True))))
    assert found is not None
    assert abs(np.corrcoef(steps)[0, 3]) < 0.75
    assert all(group.least_correlation is not None and group.least_correlation >= 0.8 for group in found.groups)
    assert found.distinct > 1


def test_chance_is_the_share_of_unrelated_pairs_that_pass() -> None:
    rng = np.random.default_rng(2)
    noise = {str(at): values for at, values in enumerate(rng.standard_normal((60, MIN_RUNS)))}
    found = redundant_measures(signatures(noise))
    assert found is not None
    rank = np.argsort(np.argsort(list(noise.values()), axis=1), axis=1)
    pairs = np.abs(np.corrcoef(rank)[np.triu_indices(60, 1)])
    assert found.chance == pytest.approx(0.022, abs=0.004)
    assert found.chance == pytest.approx((pairs >= 0.8 - 1e-9).mean(), abs=0.01)


def test_few_runs_and_no_signatures_form_no_groups() -> None:
    assert redundant_measures(None) is None
    assert redundant_measures(signatures({"a": np.arange(7.0), "b": np.arange(7.0)})) is None


def test_the_published_signatures_say_ten_things(shared_data: Path) -> None:
    rows = list(csv.DictReader((shared_data / "uts" / "uts_data.csv").open()))
    columns = [name for name in rows[0] if f"elapsed_time_{name}" in rows[0]]
    found = redundant_measures(signatures({name: np.array([float(row[name]) for row in rows]) for name in columns}))
    assert found is not None
    assert (found.measures, found.distinct) == (23, 10)


def test_a_comparison_stores_the_groups_and_shows_them(tmp_path: Path) -> None:
    runs = [
        analyzed(tmp_path, name, seed=at, request={"model": name, "seed": at})
        for at in range(3)
        for name in ("plain", "turned", "random")
    ]
    run = compare(runs, out=tmp_path)
    assert run.result["redundancy"]["groups"][0]["measures"] == ["twonn_dim", "iso_score"]
    page = report_html([run])
    assert "1 of the 2 measures tell these runs apart" in page
