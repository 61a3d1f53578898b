"""`compress --target`: only what a store holds competes, as the store does it, at the bytes that it counts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import embgeo
from embgeo.cli.failures import run
from embgeo.cli.words import recommendation
from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.part import QUANTIZERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.errors import BudgetError, InputError, SpecError
from embgeo.reports import write_report
from embgeo.reports.commands import repeat_command
from embgeo.results import CompressResult
from embgeo.targets import planning_targets

load_parts()
D = 64


def vectors() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    scale = 1 / np.sqrt(1 + np.arange(D))
    docs, queries = ((rng.standard_normal((n, D)) * scale).astype(np.float32) for n in (600, 60))
    return {"docs": docs, "queries": queries}


def compressed(folder: Path, targets: list[str], **more: Any) -> embgeo.Run:
    return embgeo.compress(**vectors(), targets=targets, out=folder, threads=1, **more)


def by_spec(run_: embgeo.Run) -> dict[str, dict[str, Any]]:
    return {row["spec"]: row for row in [run_.result["baseline"], *run_.result["tradeoffs"]]}


@pytest.fixture(scope="module")
def pgvector(tmp_path_factory: pytest.TempPathFactory) -> embgeo.Run:
    return compressed(tmp_path_factory.mktemp("pgvector"), ["pgvector"], budget="130B")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> embgeo.Run:
    return compressed(tmp_path_factory.mktemp("several"), ["qdrant", "pgvector", "redis"], budget="120B")


def test_every_prediction_is_its_own() -> None:
    """What predicts a store's format is held as the same format: a row and its plan cannot drift apart."""
    for each in planning_targets():
        if each.name == "faiss":
            continue
        assert each.plan is not None
        for example in QUANTIZERS:
            for first in ("", "pca32,", "rot,", "hnsw16,", "pca32,rot,"):
                try:
                    spec = parse(f"{first}{example}")
                    found = each.plan(spec, 384, "cosine")
                except InputError:
                    continue
                if isinstance(found, Plan):
                    again = each.plan(parse(found.predicted), 384, "cosine")
                    assert isinstance(again, Plan), (each.name, str(spec))
                    assert (again.predicted, again.footprint) == (found.predicted, found.footprint), (
                        each.name,
                        str(spec),
                    )


def test_signs_in_pgvector_are_judged_by_hamming(pgvector: embgeo.Run) -> None:
    rows = by_spec(pgvector)
    assert "hamming" in rows
    assert not [spec for spec in rows if "binary" in spec.split("+")[0] or "int8" in spec or "adaptive" in spec]
    assert rows["hamming"]["query_side"].startswith("rounded")
    assert {one["target"] for row in rows.values() for one in row["targets"]} == {"pgvector"}


def test_a_budget_counts_the_header_of_a_row(pgvector: embgeo.Run) -> None:
    rows = by_spec(pgvector)
    assert rows["f16"]["bytes_per_vector"] > 128 + 24
    assert rows["f16"]["fits_budget"] is False, "its codes would need 128 bytes"
    assert rows["pca32,f16"]["bytes_per_vector"] > 64 + 24 + 4
    best = pgvector.result["recommendation"]
    assert best["bytes_per_vector"] <= 130
    assert best["targets"][0]["hot_bytes"] == best["bytes_per_vector"] < best["targets"][0]["disk_bytes"]
    # the most coordinates that the budget leaves are tried too
    assert any(row["bytes_per_vector"] in range(122, 131) for row in rows.values())


def test_the_configuration_is_there_to_copy(pgvector: embgeo.Run, tmp_path: Path, repository: Path) -> None:
    found = CompressResult.from_json(pgvector.result)
    assert pgvector.result["request"]["targets"] == ["pgvector"]
    assert found.deploy is not None
    assert found.deploy.targets[0].native is not None
    assert found.deploy.targets[0].native.startswith("create table documents")
    assert "Picked for pgvector" in " ".join(recommendation(found))
    page = write_report([pgvector], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Picked for pgvector" in page
    assert "create table documents" in page
    assert "headers" in page, "what the bytes rest on"
    schema = json.loads((repository / "embgeo" / "result.schema.json").read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(json.loads(json.dumps(pgvector.result)))) == []


def test_printed_commands_name_the_stores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "docs.npy", vectors()["docs"])
    options = "--target pgvector --target faiss --spec pca32,f16 --threads 1"
    assert run(shlex.split(f"compress vectors:{tmp_path}/docs.npy --out {tmp_path}/runs {options}")) == 0
    told = capsys.readouterr().out
    assert "embgeo deploy" in told
    assert "deploy faiss" not in told
    assert "; the client applies pca32" in " ".join(told.split())
    again = repeat_command(embgeo.load_run(next((tmp_path / "runs").iterdir())), ["f16"])
    assert again.endswith("--target pgvector --target faiss --spec f16")


def test_each_store_gets_a_pick_and_one_without_any_says_so(several: embgeo.Run) -> None:
    picks = {pick["targets"][0]["target"]: pick for pick in several.result["deploy"]["picks"]}
    assert list(picks) == ["qdrant", "pgvector", "redis"]
    assert picks["redis"]["spec"] == ""
    assert "nothing fits 120B; the smallest is" in picks["redis"]["targets"][0]["reason"]
    rows = by_spec(several)
    for name in ("qdrant", "pgvector"):
        assert picks[name]["bytes_per_vector"] <= 120
        quality = several.result["quality"]
        expected = rows[picks[name]["spec"]][quality] - several.result["recommendation"][quality]
        assert picks[name]["difference"] == pytest.approx(expected, abs=1e-6)
    held = several.result["deploy"]["targets"]
    assert held
    assert all(one["hot_bytes"] <= 120 for one in held)
    words = " ".join(recommendation(CompressResult.from_json(several.result)))
    assert "For redis: nothing fits 120B" in words


def test_qdrants_int8_has_its_own_range_and_the_original_on_disk(several: embgeo.Run) -> None:
    row = by_spec(several)["int7"]
    one = next(one for one in row["targets"] if one["target"] == "qdrant")
    assert row["bytes_per_vector"] == one["hot_bytes"] == D + 4
    assert one["disk_bytes"] - one["original_bytes"] - one["hot_bytes"] in range(15, 60), "the id of a point"
    assert one["original_bytes"] == 4 * D


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
def test_the_byte_for_lengths_in_faiss_counts(tmp_path: Path) -> None:
    specs = ["adaptive@12B", "adaptive@11B", "binary"]
    rows = by_spec(compressed(tmp_path, ["faiss"], specs=specs, budget="12B"))
    assert [rows[spec]["bytes_per_vector"] for spec in specs] == [13, 12, 8]
    assert [rows[spec]["fits_budget"] for spec in specs] == [False, True, True]


def test_float32_may_be_recommended_where_the_store_holds_it(tmp_path: Path) -> None:
    found = compressed(tmp_path, ["pgvector"], specs=["f32", "hamming"], keep="100%")
    assert found.result["recommendation"]["spec"] == "f32"
    assert found.result["recommendation"]["targets"][0]["target"] == "pgvector"


def test_a_named_spec_is_evaluated_as_the_store_would(tmp_path: Path) -> None:
    found = compressed(tmp_path, ["sqlite-vec"], specs=["binary", "int8"])
    assert {row["spec"] for row in found.result["tradeoffs"]} == {"hamming", "int8sym"}
    assert any("binary is evaluated as hamming" in warning for warning in found.result["warnings"])


def test_a_whole_store_is_limited_on_disk(tmp_path: Path) -> None:
    rows = by_spec(compressed(tmp_path, ["qdrant"], specs=["int8", "f16"], budget="1.5x"))
    assert rows["int7"]["fits_budget"] is False, "the original beside it"
    assert rows["f16"]["fits_budget"] is True
    with pytest.raises(BudgetError, match="137,000,000 of them without any vectors"):
        compressed(tmp_path, ["qdrant"], budget="1MB")


def test_rows_are_few(several: embgeo.Run) -> None:
    assert len(several.result["tradeoffs"]) <= 60


def test_without_targets_rows_say_where_they_can_live(tmp_path: Path) -> None:
    found = embgeo.compress(**vectors(), specs=["f16", "binary", "adaptive@8B"], out=tmp_path, threads=1)
    rows = by_spec(found)
    assert rows["f16"]["stores"]["pgvector"] == "same"
    assert list(rows["binary"]["stores"]) == ["qdrant"], "elsewhere it is compared by Hamming distance"
    assert rows["adaptive@8B"]["stores"] == {}
    assert "targets" not in rows["f16"]
    page = write_report([found], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "pgvector ✔" in page


REFUSED = {
    "--target pgvectr": "Did you mean pgvector",
    "--target mteb": "holds no vectors",
    "--target pgvector --spec trellis@8B": "pgvector cannot hold trellis@8B",
    "--target redis --similarity dot": "Redis compares by cosine; dot cannot be asked of it",
    "--target pgvector --grid storage-paper": "drop --target",
    "--target pgvector --budget 10B": "the smallest is",
    "--target redis --budget 500B": "bytes per vector (2 of codes)",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_be_is_one_line(options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "docs.npy", vectors()["docs"])
    command = f"compress vectors:{tmp_path}/docs.npy --out {tmp_path}/runs {options}"
    assert run(shlex.split(command)) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert REFUSED[options] in told[-1]
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_a_refused_spec_names_the_nearest_that_is_held(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the nearest that it holds is"):
        compressed(tmp_path, ["pgvector", "redis"], specs=["trellis@8B"])
    with pytest.raises(InputError, match="unknown target"):
        compressed(tmp_path, ["nowhere"])
