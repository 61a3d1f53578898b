"""What a compress run says about stores: stored, in the terminal and on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import embgeo
from embgeo.cli.words import recommendation
from embgeo.reports import write_report
from embgeo.results import CompressResult

D = 32


def compressed(folder: Path, *specs: str, **more: Any) -> embgeo.Run:
    rng = np.random.default_rng(0)
    docs, queries = (rng.standard_normal((n, D)).astype(np.float32) for n in (600, 60))
    return embgeo.compress(docs=docs, queries=queries, specs=list(specs), out=folder, threads=1, **more)


@pytest.fixture(scope="module")
def unheld(tmp_path_factory: pytest.TempPathFactory) -> embgeo.Run:
    """A run whose winner no store holds: more bits win, and the rows that are held have few."""
    specs = ("adaptive@24B", "pca8,int8", "binary", "rot,int4")
    return compressed(tmp_path_factory.mktemp("unheld"), *specs, budget="24B")


def test_the_best_row_that_a_store_holds_stands_beside_an_undeployable_winner(unheld: embgeo.Run) -> None:
    found = unheld.result["deploy"]
    assert unheld.result["recommendation"]["spec"] == found["spec"] == "adaptive@24B"
    assert all(one["fidelity"] is None for one in found["targets"] if one["target"] != "faiss")
    other = found["other"]
    # Turbo4 in Qdrant; the signs of most stores are not what the row of binary measured
    assert other["spec"] == "rot,int4"
    assert [one["target"] for one in other["targets"]] == ["qdrant"]
    rows = {row["spec"]: row for row in unheld.result["tradeoffs"]}
    quality = unheld.result["quality"]
    assert other["difference"] == pytest.approx(rows["rot,int4"][quality] - rows["adaptive@24B"][quality], abs=1e-6)
    low, high = other["difference_ci"]
    assert low <= other["difference"] <= high


def test_a_held_winner_needs_no_other_row(tmp_path: Path) -> None:
    found = compressed(tmp_path, "f16", "adaptive@8B").result["deploy"]
    assert found["spec"] == "f16"
    assert {one["target"]: one["fidelity"] for one in found["targets"]}["pgvector"] == "same"
    assert "other" not in found


def test_signs_compared_with_signs_do_not_stand_in(tmp_path: Path) -> None:
    found = compressed(tmp_path, "adaptive@8B", "binary", budget="8B").result["deploy"]
    assert found["spec"] == "adaptive@8B"
    assert [one["target"] for one in found["other"]["targets"]] == ["qdrant"]
    chosen = compressed(tmp_path, "binary").result["deploy"]["targets"]
    assert {one["target"]: one.get("predicted") for one in chosen}["pgvector"] == "hamming"


def test_terminal_page_and_schema_agree(unheld: embgeo.Run, repository: Path, tmp_path: Path) -> None:
    sentences = " ".join(recommendation(CompressResult.from_json(unheld.result)))
    assert "qdrant –" in sentences
    assert "rot,int4, at 16 B per vector, can be held (qdrant ≈ 20 B, predicted by rot,eden4)" in sentences
    page = write_report([unheld], tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("The decision") < page.index("Where it can be deployed") < page.index("All codecs")
    assert "has no format for adaptive@24B" in page
    schema = json.loads((repository / "embgeo" / "result.schema.json").read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(json.loads(json.dumps(unheld.result)))) == []


def test_a_run_that_stored_nothing_about_stores_has_no_such_section(unheld: embgeo.Run, tmp_path: Path) -> None:
    older = CompressResult.from_json({key: value for key, value in unheld.result.items() if key != "deploy"})
    assert older.deploy is None
    assert "Stores for" not in " ".join(recommendation(older))
