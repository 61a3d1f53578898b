"""`embgeo grid FILE`: the file, the cells, what is made again, what fails, and what is compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.cli.failures import run
from embgeo.cli.grid_file import Study
from embgeo.cli.group import load_command
from embgeo.errors import EngineError
from embgeo.pipelines import grid as grid_module
from embgeo.pipelines.grid import Place
from embgeo.run import load_run

PATIENCE = 120.0
COMPRESS = """
command = "compress"
models = ["vectors:a.npz", "vectors:b.npz"]
seeds = [0, 1]
[compress]
spec = ["int8", "binary"]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two vector files of one corpus."""
    monkeypatch.chdir(tmp_path)
    for name in ("EMBGEO_OUT", "EMBGEO_THREADS", "EMBGEO_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    rng = np.random.default_rng(0)
    for name in "ab":
        docs = rng.standard_normal((80, 8)).astype(np.float32)
        np.savez(f"{name}.npz", docs=docs, queries=docs[:20] + rng.standard_normal((20, 8)).astype(np.float32))
    return tmp_path


def study(text: str, name: str = "study.toml") -> str:
    Path(name).write_text(text)
    return name


def runs(out: str = "embgeo-runs") -> dict[str, int]:
    """When each run but the comparisons was written."""
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in Path(out).glob("*/run.json")
        if not path.parent.name.startswith("compare-")
    }


def made(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The JSON of `embgeo grid study.toml …`."""
    capsys.readouterr()
    assert run(["grid", "study.toml", "--no-html", "--json", "-", *words]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def states(found: dict[str, Any]) -> list[str]:
    return [cell["state"] for cell in found["cells"]]


def test_every_cell_is_an_ordinary_run_and_they_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    study(COMPRESS)
    assert states(made(capsys, "--dry-run")) == ["to do"] * 4
    assert not Path("embgeo-runs").exists()
    found = made(capsys)
    assert states(found) == ["made"] * 4
    assert found["command"] == "grid"
    for cell, model, seed in zip(found["cells"], "abab", (0, 0, 1, 1), strict=True):
        stored = load_run(cell["run"])
        assert (cell["model"], cell["seed"]) == (f"vectors:{model}.npz", seed)
        assert cell["identity"] == stored.result["identity"]
        assert stored.result["request"]["seed"] == seed
        assert cell["spec"] == stored.result["recommendation"]["spec"]
        assert (Path(cell["run"]) / "store.safetensors").exists()
        assert stored.result["config"]["content"]["seeds"] == [0, 1]
    compared = load_run(found["comparison"])
    assert {one["identity"] for one in compared.result["runs"]} == {cell["identity"] for cell in found["cells"]}
    assert run(["report", *(cell["run"] for cell in found["cells"])]) == 0


def test_a_finished_cell_is_not_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    study(COMPRESS)
    made(capsys)
    before = runs()
    assert states(made(capsys)) == ["finished"] * 4
    assert runs() == before
    # one run is lost, one is damaged, one has other options, and one is new
    first, second, *rest = before
    shutil.rmtree(Path("embgeo-runs") / first)
    (Path("embgeo-runs") / second / "run.json").write_text("{")
    study(COMPRESS.replace("[0, 1]", "[0, 1, 2]"))
    assert sorted(states(made(capsys))) == ["finished"] * 2 + ["made"] * 4
    after = runs()
    assert {name: after[name] for name in rest} == {name: before[name] for name in rest}
    assert {first, second} < set(after)


def test_newer_data_and_another_version_make_cells_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study(COMPRESS)
    made(capsys)
    later = time.time() + 5
    os.utime("b.npz", (later, later))
    planned = made(capsys, "--dry-run")
    assert [(cell["model"], cell["state"]) for cell in planned["cells"]] == [
        ("vectors:a.npz", "finished"), ("vectors:b.npz", "to do")] * 2  # fmt: skip
    os.utime("b.npz", (0, 0))
    assert states(made(capsys, "--dry-run")) == ["finished"] * 4
    monkeypatch.setattr(grid_module, "__version__", "0.0.9")
    assert states(made(capsys, "--dry-run")) == ["to do"] * 4


def test_a_corpus_may_lie_where_the_command_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    """Its runs and its own file are no newer data."""
    for name, rows in (("corpus", 80), ("queries", 20)):
        lines = (json.dumps({"_id": f"{name}{row}", "text": f"text {row}"}) for row in range(rows))
        Path(f"{name}.jsonl").write_text("\n".join(lines))
    Path("qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"queries{n}\tcorpus{n}\t1\n" for n in range(20))
    )
    study('command = "analyze"\nmodels = ["vectors:a.npz"]\ndatasets = ["."]\nmeasures = "uniformity"\n')
    assert run(["grid", "study.toml", "--json", "made.json", "--html", "made.html"]) == 0
    assert states(made(capsys, "--dry-run")) == ["finished"]
    later = time.time() + 5
    os.utime("qrels.tsv", (later, later))
    assert states(made(capsys, "--dry-run")) == ["to do"]


def test_no_message_holds_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    name = "pgvector:postgresql://me:hidden@127.0.0.1:1/search/docs.embedding"
    for text in (
        f'models = ["{name}", "{name}"]',
        f'models = "{name}"',
        f'[models."{name}"]\nbatch-size = "x"',
        f'[models."{name}"]\nbatch = 3',
        f'[models]\n"{name}" = 3',
        f'models = ["{name}"]',
    ):
        study(f'command = "analyze"\n{text}\n')
        assert run(["grid", "study.toml"]) == 2
        told = capsys.readouterr()
        assert "postgresql://" in told.err + told.out
        assert "hidden" not in told.err + told.out


def test_a_run_of_the_command_line_is_a_finished_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """So the options of the file mean what the flags mean."""
    flags = "--spec int8 --spec binary --budget 8B --similarity dot --seed 3 --keep 50% --price-per-gb 0.5"
    assert run(["compress", "vectors:a.npz", *flags.split(), "--no-html", "--quiet"]) == 0
    assert run(["analyze", "vectors:a.npz", "--measures", "uniformity,twonn_dim", "--seed", "3", "--quiet"]) == 0
    text = """
        command = ["analyze", "compress"]
        models = ["vectors:a.npz"]
        seeds = [3]
        [compress]
        similarity = "dot"
        spec = ["int8", "binary"]
        budget = "8B"
        keep = "50%"
        price_per_gb = 0.5
        [analyze]
        measures = ["uniformity", "twonn_dim"]
    """
    study(text)
    assert states(made(capsys, "--dry-run")) == ["finished"] * 2
    study(text.replace("8B", "7B"))
    assert states(made(capsys, "--dry-run")) == ["finished", "to do"]


def test_options_of_a_model_win_over_a_dataset_the_command_and_the_rest(here: Path) -> None:
    inside = here / "inside"
    (inside / "corpus").mkdir(parents=True)
    (inside / "study.toml").write_text("""
        command = ["analyze", "compress"]
        split = "common"
        similarity = "dot"
        query-prompt = "common:"
        [models.minilm]
        similarity = "cosine"
        [models."vectors:docs.npy"]
        queries-vectors = "queries.npy"
        [datasets.corpus]
        similarity = "euclidean"
        split = "dataset"
        [datasets.tiny]
        [compress]
        split = "command"
        budget = 8
    """)
    cells = Study.read(Path("inside/study.toml")).cells(Path("there"), 3)
    got = {(one.command, str(one.model), one.dataset): one for one in cells}
    assert len(got) == 8
    text, vectors = ("minilm", "inside/corpus"), ("vectors:inside/docs.npy", "inside/corpus")
    assert [got["compress", *text].similarity, got["compress", *vectors].similarity] == ["cosine", "euclidean"]
    assert got["compress", "minilm", "tiny"].split == "command"
    assert got["analyze", "minilm", "tiny"].split == "common"
    assert got["compress", *text].split == "dataset"
    assert got["compress", *vectors].queries_vectors == "inside/queries.npy"
    assert got["compress", *text].queries_vectors is None
    assert got["analyze", *text].encoder_options.query_prompt == "common:"
    assert {(one.seed, one.out, one.threads) for one in cells} == {(0, Path("there"), 3)}
    assert vars(got["compress", *text])["budget"] == "8"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command = 3", ["command in", "got 3"]),
        ('command = "search"\nmodels = ["minilm"]', ["command in", "'search'", "analyze, compress"]),
        ('models = ["minilm"]', ["must name the command"]),
        ('command = "analyze"', ["must name models"]),
        ('command = "analyze"\nmodels = "minilm"', ["models in", "list of names", "'minilm'"]),
        ('command = "analyze"\nmodels = ["minilm", 3]', ["models in", "list of names"]),
        ('command = "analyze"\nmodels = ["minilm", "minilm"]\ndatasets = ["tiny"]', ["models in", "twice"]),
        ('command = "analyze"\nmodels = ["minilm"]\nseeds = [-1]', ["seeds in", "whole numbers"]),
        ('command = "analyze"\nmodels = ["minilm"]\nseeds = 3', ["seeds in", "got 3"]),
        ('command = "analyze"\nmodels = ["minilm"]\nseed = 3', ["'seed'", "seeds"]),
        ('command = "analyze"\nmodels = ["minilm"]\nout = "there"', ["'out'", "--out"]),
        ('command = "analyze"\nmodels = ["minilm"]\n[compres]\nspec = ["int8"]', ["'compres'", "compress"]),
        ('command = "analyze"\nmodels = ["minilm"]\n[compress]\nspecs = ["int8"]', ["[compress]", "'specs'", "spec"]),
        ('command = "analyze"\nmodels = ["minilm"]\n[compress]\nmeasures = "x"', ["[compress]", "'measures'"]),
        (
            'command = "analyze"\nmodels = ["minilm"]\n[compress]\nexhaustive = "yes"',
            ["compress.exhaustive", "true or"],
        ),
        ('command = "analyze"\nmodels = ["minilm"]\nbatch-size = "many"', ["batch-size", "many"]),
        ('command = "analyze"\n[models]\nminilm = 3', ["models.minilm", "table", "got 3"]),
        ('command = "analyze"\nmodels = ["minilmm"]\ndatasets = ["tiny"]', ["models in", "'minilmm'"]),
        ('command = "analyze"\nmodels = ["vectors:c.npz"]', ["models in", "no vector file c.npz"]),
        ('command = "analyze"\nmodels = ["minilm"]\ndatasets = ["tinny"]', ["datasets in", "did you mean tiny"]),
        ('command = "analyze"\nmodels = ["minilm"]', ["needs a dataset"]),
        (
            'command = "compress"\nmodels = ["vectors:a.npz"]\n[compress]\nspec = ["int9"]',
            ["compress vectors:a", "int9"],
        ),
        ('command = "analyze"\nmodels = ["vectors:a.npz"]\nmeasures = "nothing"', ["analyze vectors:a", "'nothing'"]),
        ("command = ", ["must be TOML"]),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_runs(
    text: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # a study is refused whole, also for its last model
    text = text.replace('models = ["minilmm"]', 'models = ["vectors:a.npz", "minilmm"]')
    study(text)
    assert run(["grid", "study.toml"]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1, told.err
    assert not told.out
    for part in ["study.toml", *said]:
        assert part in told.err, told.err
    assert not Path("embgeo-runs").exists()


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["grid", "nothing.toml"]) == 2
    assert "nothing.toml" in capsys.readouterr().err


def test_a_cell_that_fails_stops_no_other_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("broken.npy", np.full((40, 8), np.nan, np.float32))
    study(COMPRESS.replace('["vectors:a.npz"', '["vectors:broken.npy", "vectors:a.npz"'))
    found = made(capsys, code=2)
    assert states(found) == ["failed", "made", "made"] * 2
    assert "finite" in found["cells"][0]["error"]
    assert len(runs()) == 4
    before = runs()
    assert run(["grid", "study.toml", "--no-html"]) == 2
    told = capsys.readouterr()
    [line] = [line for line in told.out.splitlines() if line.startswith("failed")]
    assert line.startswith("failed  compress vectors:broken.npy, seed 0; compress vectors:broken.npy, seed 1: ")
    assert told.err.endswith(
        "2 of 6 cells failed, each for the reason above. The same command makes only these again\n"
    )
    assert runs() == before
    # it is made once its data is good
    np.save("broken.npy", np.random.default_rng(1).standard_normal((40, 8)).astype(np.float32))
    assert states(made(capsys)) == ["made", "finished", "finished"] * 2


def test_a_bug_in_a_cell_is_said_to_be_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(grid_module, "MAKERS", {"compress": broken})
    study(COMPRESS)
    found = made(capsys, code=1)
    assert states(found) == ["failed"] * 4
    assert found["cells"][0]["error"] == "internal error: KeyError: 'oops'. This is a bug in embgeo"
    assert "fewer than two runs" in found["note"]


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    study(COMPRESS.replace('"compress"', '["analyze", "compress"]') + '[analyze]\nmeasures = "uniformity"\n')
    assert run(["grid", "study.toml", "--html", "there.html"]) == 0
    told = capsys.readouterr()
    assert len(re.findall(r"^[ab]\.npz +[01] .*\d\.\d{3,4} .*[0-9a-f]{8}$", told.out, re.MULTILINE)) == 8, told.out
    assert "8 cells: 8 made." in told.out
    assert told.err.count("cell: ") == 8
    assert "cell: 8 of 8, compress vectors:b.npz, seed 1, made in" in told.err
    assert "<h1" in Path("there.html").read_text()
    [compared] = Path("embgeo-runs").glob("compare-*")
    assert (compared / "report.html").read_bytes() == Path("there.html").read_bytes()
    assert "compress vectors:b.npz, seed 1" in (compared / "progress.log").read_text()
    assert all((path.parent / "report.html").exists() for path in Path("embgeo-runs").glob("*/run.json"))
    assert {path.name for path in Path("embgeo-runs").iterdir()} == {*runs(), compared.name}
    assert run(["grid", "study.toml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_example_of_the_help_is_a_study(here: Path) -> None:
    told = load_command("grid").help or ""
    lines = told.partition("\b\n")[2].partition("\n\n")[0]
    assert 'models = ["minilm"' in lines
    (here / "my-corpus").mkdir()
    study(lines)
    read = Study.read(Path("study.toml"))
    cells = read.cells(Path("out"), None)
    assert len(cells) == 8
    assert vars(cells[0])["specs"] == ["int8", "pca192,rot,int4"]
    read.check_names()


@pytest.mark.parametrize("options", [["--engine", "ray", "--address", "nowhere"], ["--address", "127.0.0.1:1"]])
def test_an_engine_that_cannot_be_is_refused_first(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    study(COMPRESS)
    assert run(["grid", "study.toml", *options]) == 2
    assert not Path("embgeo-runs").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_texts_are_encoded_by_the_first_cell_that_needs_them() -> None:
    study("""
        command = ["analyze", "compress"]
        models = ["minilm", "vectors:a.npz"]
        datasets = ["tiny", "pydocs"]
        seeds = [0, 1]
    """)
    cells = list(enumerate(Study.read(Path("study.toml")).cells(Path("out"), None)))
    assert grid_module._after(cells) == {4: 0, 6: 2, 8: 0, 10: 2, 12: 0, 14: 2}


def test_a_node_without_the_folder_says_so() -> None:
    with pytest.raises(EngineError, match="must have the folder /nowhere"), Place("/nowhere", {}).entered():
        pass


def test_the_command_dies_and_the_same_again_makes_the_rest(here: Path) -> None:
    for rows in (60, 61, 62):
        np.save(f"{rows}.npy", np.random.default_rng(rows).standard_normal((rows, 8)).astype(np.float32))
    study('command = "analyze"\nmodels = ["vectors:60.npy", "vectors:61.npy", "vectors:62.npy"]\nmeasures = "slow"')
    Path("wait-61").touch()
    environment = {
        **os.environ, "EMBGEO_PLUGINS": "slow_measure", "PYTHONPATH": str(Path(__file__).parents[1] / "examples")
    }  # fmt: skip
    words = [sys.executable, "-m", "embgeo.cli", "grid", "study.toml", "--no-html"]

    def began() -> list[int]:
        path = Path("tasks")
        return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []

    with (here / "said").open("wb") as said:
        running = subprocess.Popen(words, env=environment, stdout=said, stderr=said)
        end = time.monotonic() + PATIENCE
        while began() != [60, 61]:
            assert running.poll() is None, (here / "said").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        running.kill()
        running.wait()
    before = runs()
    assert len(before) == 1
    Path("wait-61").unlink()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert "3 cells: 1 finished before, 2 made." in done.stdout
    assert began() == [60, 61, 61, 62], "only what was unfinished"
    assert {name: when for name, when in runs().items() if name in before} == before
    left = {path.name for path in Path("embgeo-runs").iterdir()} - set(runs())
    assert all(name.startswith("compare-") or name == "grid-study.log" for name in left), left
