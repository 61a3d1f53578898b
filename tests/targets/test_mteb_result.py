"""`export --to mteb`: mteb reads the file, with the quality out of sample, and writing it does not need mteb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mteb.cache import ResultCache
from mteb.models import ModelMeta
from mteb.results import TaskResult

import embgeo
from embgeo.cli.failures import run as command_line
from embgeo.errors import InputError, StorageError
from embgeo.results import CompressResult
from embgeo.run import Run
from embgeo.targets.mteb import export_mteb, task_result, write_results

RNG = np.random.default_rng(0)
DOCS = RNG.standard_normal((300, 16)).astype(np.float32)
QUERIES = (DOCS[:60] + 0.9 * RNG.standard_normal((60, 16))).astype(np.float32)
QRELS = {str(row): {str(row): 1} for row in range(60)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return embgeo.compress(docs=DOCS, queries=QUERIES, qrels=QRELS, specs=["pca6,rot,int4"], budget="4B", out=folder)


def read(path: Path) -> TaskResult:
    """The file as the current format; the older ones that mteb also tries must not be needed."""
    return TaskResult.from_disk(path, load_historic_data=False)


def test_mteb_reads_what_was_measured_out_of_sample(made: Run) -> None:
    wrote = embgeo.export(made, to="mteb")
    assert wrote.path == made.folder / "mteb-results.json"
    assert wrote.rows == 300
    assert wrote.written_bytes == wrote.predicted_bytes == wrote.path.stat().st_size
    told = read(wrote.path)
    row = made.result["recommendation"]
    assert row["in_sample_ndcg@10"] != row["ndcg@10"]
    assert told.get_score() == row["ndcg@10"]
    [scores] = told.scores["test"]
    assert scores["ndcg_at_10"] == scores["main_score"] == row["ndcg@10"]
    assert scores["ndcg_at_10_in_sample"] == row["in_sample_ndcg@10"]
    assert scores["ndcg_at_10_float32"] == made.result["baseline"]["ndcg@10"]
    assert (scores["spec"], scores["bytes_per_vector"]) == ("pca6,rot,int4", 3)
    assert scores["estimate"].startswith("out of sample: ")
    assert "out of sample" in wrote.notes[0]
    assert told.dataset_revision == made.result["dataset"]["fingerprint"]
    assert told.mteb_version == made.result["environment"]["versions"]["mteb"]
    assert TaskResult.from_disk(wrote.path).to_dict() == told.to_dict()


def test_mteb_keeps_all_of_it_when_it_writes_the_file_again(made: Run, tmp_path: Path) -> None:
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    embgeo.export(made, first, to="mteb")
    read(first).to_disk(again)
    [before], [after] = (json.loads(path.read_text())["scores"]["test"] for path in (first, again))
    assert set(before) <= set(after)
    assert after["main_score"] == pytest.approx(before["main_score"], abs=1e-6)


def with_dataset(made: Run, **facts: Any) -> dict[str, Any]:
    changed = {**made.result, "dataset": {**made.result["dataset"], **facts}}
    return task_result(CompressResult.from_json(changed))


def test_an_mteb_task_keeps_its_name_revision_subset_and_language(made: Run) -> None:
    facts = {"revision": "abc", "split": "dev", "subset": "ar", "languages": "ara-Arab"}
    told = TaskResult.from_dict(with_dataset(made, name="MIRACLRetrieval:ar", **facts))
    assert (told.task_name, told.dataset_revision) == ("MIRACLRetrieval", "abc")
    assert (told.eval_splits, told.hf_subsets, told.languages) == (["dev"], ["ar"], ["ara"])
    assert told.get_score(languages=["ara"]) == made.result["recommendation"]["ndcg@10"]
    assert told.task.metadata.name == "MIRACLRetrieval"


@pytest.mark.parametrize(("name", "task"), [("my/corpus/", "corpus"), ("pydocs:scientific", "pydocs:scientific")])
def test_other_datasets_have_their_own_name(name: str, task: str, made: Run) -> None:
    told = TaskResult.from_dict(with_dataset(made, name=name))
    assert told.task_name == task
    assert (told.hf_subsets, told.languages) == (["default"], ["und"])
    assert told.get_score() == made.result["recommendation"]["ndcg@10"]


def test_the_command_line_writes_it_without_mteb(made: Run, tmp_path: Path) -> None:
    code = (
        "import sys; from embgeo.cli.failures import run; code = run(sys.argv[1:]); "
        "print('MTEB' if 'mteb' in sys.modules else 'NONE'); sys.exit(code)"
    )
    words = ["export", str(made.folder), "--to", "mteb", "--file", str(tmp_path / "result.json")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("NONE\n")
    assert "mteb TaskResult of pca6,rot,int4, 300 documents searched" in done.stdout + done.stderr
    assert "is out of sample" in done.stdout + done.stderr
    assert read(tmp_path / "result.json").get_score() == made.result["recommendation"]["ndcg@10"]


def test_mteb_reads_the_results_in_the_run_folder(made: Run) -> None:
    found = ResultCache(made.folder / "mteb").load_results(include_remote=False)
    [model] = found.model_results
    assert (model.model_name, model.model_revision) == ("embgeo/arrays+pca6,rot,int4", "no_revision_available")
    [told] = model.task_results
    assert told.task_name == "qrels"
    assert told.get_score() == made.result["recommendation"]["ndcg@10"]
    assert found.to_dataframe()["embgeo/arrays+pca6,rot,int4"].tolist() == pytest.approx([told.get_score()])
    [meta] = (made.folder / "mteb").rglob("model_meta.json")
    described = ModelMeta.model_validate_json_resolved(meta.read_text())
    assert (described.embed_dim, described.similarity_fn_name, described.name) == (16, "cosine", model.model_name)
    [file] = (path for path in meta.parent.iterdir() if path != meta)
    cache = ResultCache(made.folder / "mteb")
    assert cache.get_task_result_path("qrels", described) == file
    again = cache.load_task_result("qrels", described)
    assert again is not None
    assert again.get_score() == told.get_score()


@pytest.mark.parametrize(
    ("model", "revision", "named", "folder"),
    [
        ("org/model", "abc", "org/model+pca6,rot,int4", "org__model+pca6,rot,int4/abc"),
        ("minilm", "", "embgeo/minilm+pca6,rot,int4", "embgeo__minilm+pca6,rot,int4/no_revision_available"),
        ("pgvector:postgresql://u@h/db/t.e", "a/b", "embgeo/t.e+pca6,rot,int4", "embgeo__t.e+pca6,rot,int4/a-b"),
    ],
)
def test_results_are_filed_by_model_spec_and_revision(
    model: str, revision: str, named: str, folder: str, made: Run, tmp_path: Path
) -> None:
    changed = {**made.result, "model": {**made.result["model"], "name": model, "revision": revision}}
    write_results(CompressResult.from_json(changed), tmp_path)
    assert (tmp_path / "mteb" / "results" / folder / "qrels.json").is_file()
    [found] = ResultCache(tmp_path / "mteb").load_results(include_remote=False).model_results
    assert found.model_name == named


def test_compress_writes_results_without_mteb(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", docs=DOCS, queries=QUERIES, doc_ids=np.arange(300), query_ids=np.arange(60))
    (tmp_path / "data" / "qrels").mkdir(parents=True)
    lines = "".join(f"{row}\t{row}\t1\n" for row in range(60))
    (tmp_path / "data" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    code = (
        "import sys; from embgeo.cli.failures import run; code = run(sys.argv[1:]); "
        "print('MTEB' if 'mteb' in sys.modules else 'NONE'); sys.exit(code)"
    )
    words = ["compress", f"vectors:{tmp_path / 'v.npz'}", str(tmp_path / "data"), "--spec", "int8", "--no-html"]
    command = [sys.executable, "-c", code, *words, "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("NONE\n")
    [file] = (tmp_path / "runs").glob("*/mteb/results/embgeo__v.npz+*/*/data.json")
    [run] = (tmp_path / "runs").iterdir()
    assert read(file).get_score() == embgeo.load_run(run).result["recommendation"]["ndcg@10"]


def test_a_run_without_judgements_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = embgeo.compress(docs=DOCS, specs=["int8"], out=tmp_path)
    with pytest.raises(InputError, match="this run has none"):
        embgeo.export(bare, to="mteb")
    assert command_line(["export", str(bare.folder), "--to", "mteb"]) == 2
    assert "relevance judgements" in capsys.readouterr().err
    assert not (bare.folder / "mteb-results.json").exists()
    assert not (bare.folder / "mteb").exists()


def test_a_folder_that_cannot_be_written_is_reported(made: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="the mteb result"):
        export_mteb(CompressResult.from_json(made.result), tmp_path / "file" / "x.json")
