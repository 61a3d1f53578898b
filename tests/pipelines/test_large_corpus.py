"""compress on a corpus that is large by lowered sizes: raced on samples, unless specs are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from embgeo import api
from embgeo.cli.group import embgeo
from embgeo.compression.judging.sweep import Sweep
from embgeo.compression.racing.samples import Sizes
from embgeo.errors import InputError
from embgeo.pipelines import judged
from embgeo.reports import report_html
from embgeo.results import CompressResult


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Sizes(first=300, fit_rows=600)
    monkeypatch.setattr(judged, "SIZES", sizes)
    monkeypatch.setattr("embgeo.pipelines.compress.SIZES", sizes)


def asked(out: Path, n: int = 2600, m: int = 60, d: int = 16, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    spectrum = (1 + np.arange(d)) ** -0.5
    X, Q = ((rng.standard_normal((k, d)) * spectrum).astype(np.float32) for k in (n, m))
    return {"docs": X, "queries": Q, "out": out, "threads": 1, **more}


def test_the_default_list_is_raced_and_the_store_is_that_of_a_finalist(tmp_path: Path) -> None:
    seen: list[str] = []
    run = api.compress(**asked(tmp_path, budget="8B"), progress=lambda stage, *_: seen.append(stage))
    found = CompressResult.from_json(run.result)
    assert found.race is not None
    assert [row.spec for row in found.tradeoffs] == found.race.finalists
    assert 1 <= len(found.tradeoffs) <= 3
    assert found.recommendation.spec in found.race.finalists
    assert all(one.documents in [stage.documents for stage in found.race.stages] for one in found.race.dropped)
    assert not {one.spec for one in found.race.dropped} & set(found.race.finalists)
    assert found.recommendation.bytes_per_vector is not None
    assert found.recommendation.bytes_per_vector <= 8
    plans = [stage for stage in seen if stage.startswith("plan: ")]
    assert len(plans) == 1
    assert seen.index(plans[0]) < next(at for at, stage in enumerate(seen) if stage.startswith("exact search"))
    assert found.protocol.plan is not None
    assert found.protocol.plan.startswith(plans[0].removeprefix("plan: "))
    assert "It took" in found.protocol.plan
    [hit, *_] = api.search(run, vector=asked(tmp_path)["docs"][7], k=10)
    assert hit.id == "7"
    page = report_html([run])
    assert "Judged on samples first" in page
    assert "over the budget" in page


def test_the_same_request_gives_the_same_result(tmp_path: Path) -> None:
    one, two = (api.compress(**asked(tmp_path / name, budget="4B")).result for name in "ab")
    for result in (one, two):
        for stage in result["race"]["stages"]:
            stage.pop("seconds")
    assert one["race"] == two["race"]
    assert one["recommendation"]["spec"] == two["recommendation"]["spec"]


def test_named_specs_are_all_judged_on_everything(tmp_path: Path) -> None:
    specs = ["int8", "int4", "binary", "pca8,int8", "adaptive@4B"]
    result = api.compress(**asked(tmp_path, specs=specs)).result
    assert "race" not in result
    assert [row["spec"] for row in result["tradeoffs"]] == specs
    assert result["protocol"]["folds"] == 0, "out of sample without folds"


def test_named_specs_are_raced_if_the_time_does_not_suffice(tmp_path: Path) -> None:
    specs = ["int8", "int4", "binary", "pca8,int8", "adaptive@4B"]
    result = api.compress(**asked(tmp_path, specs=specs, time="0.001s")).result
    assert result["race"]["finalists"]
    assert result["protocol"]["time_limit_seconds"] == 0.001
    assert any(warning.startswith("--time did not suffice for") for warning in result["warnings"])


def test_a_long_time_changes_nothing_on_a_small_corpus(tmp_path: Path) -> None:
    given = asked(tmp_path, n=500, specs=["int8", "binary"])
    long, plain = (api.compress(**given, **more).result for more in ({"time": "2h"}, {}))
    for key in ("spec", "recall@10_exact", "retained"):
        assert [row[key] for row in long["tradeoffs"]] == [row[key] for row in plain["tradeoffs"]]
    assert "race" not in long


def test_a_short_time_judges_what_fits_the_budget_first(tmp_path: Path) -> None:
    result = api.compress(**asked(tmp_path, n=500, budget="4B", time="0.001s")).result
    assert result["recommendation"]["bytes_per_vector"] <= 4
    assert any(warning.startswith("--time did not suffice for") for warning in result["warnings"])


def test_each_named_store_gets_its_pick_among_the_finalists(tmp_path: Path) -> None:
    result = api.compress(**asked(tmp_path, targets=["pgvector", "usearch"])).result
    picks = result["deploy"]["picks"]
    assert len(picks) == 2
    assert all(pick["spec"] for pick in picks)


def test_the_terminal_says_what_was_raced(tmp_path: Path) -> None:
    given = asked(tmp_path)
    np.save(tmp_path / "docs.npy", given["docs"])
    np.save(tmp_path / "queries.npy", given["queries"])
    line = ["compress", f"vectors:{tmp_path / 'docs.npy'}", "--queries-vectors", str(tmp_path / "queries.npy")]
    done = CliRunner().invoke(embgeo, [*line, "--budget", "8B", "--time", "10m", "--out", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "specs were judged on samples of" in text
    assert "limited to 10 min. It took" in text
    wrong = CliRunner().invoke(embgeo, [*line, "--time", "10"])
    assert "Did you mean 10s?" in str(wrong.exception)


def test_a_time_that_is_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--time must be a positive time"):
        api.compress("vectors:none.npy", time="soon", out=tmp_path)


def test_a_race_of_what_a_small_corpus_has_is_the_whole_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Sweep] = []
    honest = judged.sweep
    monkeypatch.setattr(judged, "sweep", lambda *given, **more: made.append(honest(*given, **more)) or made[-1])
    result = api.compress(**asked(tmp_path, n=500, budget="8B")).result
    assert len(made) == 1
    assert "race" not in result
    assert len(result["tradeoffs"]) == len(made[0].outcomes)
