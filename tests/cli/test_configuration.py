"""`--config FILE`: equivalent to flags, overridden by them, and written into the run."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from examples.faked_pipelines import fake_pipelines

import embgeo
from embgeo.cli.configuration import COMMANDS, parameters
from embgeo.cli.failures import run
from embgeo.cli.group import load_command
from embgeo.errors import InputError
from embgeo.reports.commands import repeat_command
from embgeo.run import load_run

Asked = Callable[..., dict[str, Any]]


class Stop(InputError):
    """Ends a command once its options are known."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """`asked("compress", …)`: what would be passed to the library."""
    monkeypatch.chdir(tmp_path)
    for name in ("EMBGEO_DEVICE", "EMBGEO_THREADS", "EMBGEO_OUT"):
        monkeypatch.delenv(name, raising=False)
    seen: dict[str, Any] = {}

    def record(*places: Any, **options: Any) -> None:
        seen.update(options, places=places)
        raise Stop

    api = types.ModuleType("embgeo.api")
    vars(api).update(analyze=record, compress=record, search=record, export=record)
    monkeypatch.setitem(sys.modules, "embgeo.api", api)
    monkeypatch.setattr(embgeo, "api", api, raising=False)
    fake_pipelines(monkeypatch, vars(api))
    for module, name in (("compare", "compare"), ("built_store", "search")):
        pipeline = types.ModuleType(f"embgeo.pipelines.{module}")
        setattr(pipeline, name, lambda request, *_: record(**vars(request)))
        monkeypatch.setitem(sys.modules, pipeline.__name__, pipeline)

    def ask(*words: str) -> dict[str, Any]:
        seen.clear()
        run(list(words))
        return dict(seen)

    return ask


def without_output(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in ("progress", "config")}


FILE = """
seed = 7
device = "cpu"
threads = 1
out = "there"
quiet = true

[analyze]
measures = ["dimension", "uniformity"]
quick = true

[compress]
model = "minilm"
dataset = "tiny"
budget = "25%"
keep = 0.99
spec = ["int8", "pca192,rot,int4"]
vectors = 100_000_000
drop_own_document = true
query-prompt = "q:"
no_html = true

[compare]
price-per-gb = 0.25
documents = 500

[search]
k = 3
"""
EQUAL = {
    "analyze": (
        ["minilm", "tiny"],
        "--seed 7 --device cpu --threads 1 --out there --quiet --measures dimension,uniformity --quick",
    ),
    "compress": (
        [],
        "minilm tiny --seed 7 --device cpu --threads 1 --out there --quiet --budget 25% --keep 0.99 --spec int8 --spec "
        "pca192,rot,int4 --vectors 100000000 --drop-own-document --query-prompt q: --no-html",
    ),
    "compare": (
        ["a", "b"],
        "--seed 7 --threads 1 --out there --quiet --price-per-gb 0.25 --documents 500",
    ),
    "search": (["a", "text"], "--device cpu --threads 1 --out there --quiet -k 3"),
    "export": (["a"], "--out there --quiet"),
}  # fmt: skip


@pytest.mark.parametrize("command", EQUAL)
def test_a_file_is_equivalent_to_flags(command: str, asked: Asked) -> None:
    Path("run.toml").write_text(FILE)
    places, flags = EQUAL[command]
    by_flags = asked(command, *places, *flags.split())
    by_file = asked(command, *places, "--config", "run.toml")
    assert without_output(by_file) == without_output(by_flags)
    assert by_flags
    assert by_flags.get("config") is None


def test_flags_win_over_the_environment_and_that_over_the_file(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.toml").write_text('device = "cpu"\nthreads = 3\nseed = 5\n[analyze]\nseed = 6')
    words = ["analyze", "minilm", "tiny", "--config", "run.toml"]
    assert [asked(*words)[key] for key in ("device", "threads", "seed")] == ["cpu", 3, 6]
    monkeypatch.setenv("EMBGEO_DEVICE", "auto")
    monkeypatch.setenv("EMBGEO_THREADS", "2")
    assert [asked(*words)[key] for key in ("device", "threads")] == ["auto", 2]
    more = ["--device", "cuda", "--threads", "1", "--seed", "0"]
    assert [asked(*words, *more)[key] for key in ("device", "threads", "seed")] == ["cuda", 1, 0]


def test_a_flag_overrides_what_it_excludes_in_the_file(asked: Asked) -> None:
    Path("run.toml").write_text('quiet = true\n[compress]\nexhaustive = true\nhtml = "a.html"\n')
    words = ["compress", "minilm", "tiny", "--config", "run.toml"]
    assert asked(*words)["exhaustive"] is True
    given = asked(*words, "--spec", "int8", "--verbose", "--no-html")
    assert given["specs"] == ["int8"]
    assert given["exhaustive"] is False


def test_paths_are_relative_to_the_file(asked: Asked) -> None:
    folder = Path("settings")
    (folder / "corpus").mkdir(parents=True)
    (folder / "run.toml").write_text(
        'out = "runs"\n[compress]\nmodel = "vectors:docs.npy"\ndataset = "corpus"\nqueries-vectors = "q.npy"\n'
        '[analyze]\nmodel = "minilm"\ndataset = "pydocs"\n[search]\nvector = "/abs/q.npy"'
    )
    given = asked("compress", "--config", "settings/run.toml")
    assert given["places"] == ("vectors:settings/docs.npy", "settings/corpus")
    assert (given["out"], given["queries_vectors"]) == (folder / "runs", "settings/q.npy")
    for written, meant in {
        "vectors:q.npy": "vectors:settings/q.npy",
        "sqlite-vec:docs.db/q.e": "sqlite-vec:settings/docs.db/q.e",
        "qdrant:http://h:6333/q": "qdrant:http://h:6333/q",
        "pgvector:db/q.e": "pgvector:db/q.e",
    }.items():
        (folder / "q.toml").write_text(f'[compress]\nmodel = "vectors:docs.npy"\nqueries-vectors = "{written}"\n')
        assert asked("compress", "--config", "settings/q.toml")["queries_vectors"] == meant
    # names that are no folder there stay names
    assert asked("analyze", "--config", "settings/run.toml")["places"] == ("minilm", "pydocs")
    assert asked("search", "a", "--config", "settings/run.toml")["vector"] == Path("/abs/q.npy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bugdet = '96B'", "unknown key in bad.toml 'bugdet'; did you mean budget"),
        ("[compress]\nexaustive = true", "unknown key in [compress] of bad.toml 'exaustive'; did you mean exhaustive?"),
        ("[compare]\nbudget = '96B'", "unknown key in [compare] of bad.toml 'budget'"),
        ("[comprss]\nseed = 1", "unknown table in bad.toml 'comprss'; did you mean compress"),
        ("config = 'other.toml'", "unknown key in bad.toml 'config'"),
        ("seed = 1.5", "seed in bad.toml: '1.5' is not a valid integer"),
        ("seed = -1", "seed in bad.toml: -1 is not in the range"),
        ("seed = true", "seed in bad.toml must be a value, not true or false; got True"),
        ("quiet = 'yes'", "quiet in bad.toml must be true or false; got 'yes'"),
        ("device = 'tpu'", "device in bad.toml: 'tpu' is not one of"),
        ("seed = [1, 2]", "seed in bad.toml must be one value; got a list of 2"),
        ("[compress]\nspec = [['int8']]", "compress.spec in bad.toml must be text or a number"),
        ("seed = 2026-01-01", "seed in bad.toml must be text or a number"),
        ("seed = ", "bad.toml must be TOML in UTF-8"),
    ],
)
def test_invalid_entries_of_a_file_are_refused(
    text: str, said: str, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.toml").write_text(text)
    assert run(["compress", "minilm", "tiny", "--config", "bad.toml"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("embgeo: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("make", [None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe")])
def test_a_file_that_cannot_be_read(
    make: Callable[[Path], Any] | None, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    if make is not None:
        make(Path("bad.toml"))
    assert run(["compress", "minilm", "tiny", "--config", "bad.toml"]) == 2
    err = capsys.readouterr().err
    assert "bad.toml" in err
    assert err.count("\n") == 1


def test_every_long_flag_of_every_command_is_a_key() -> None:
    for name in COMMANDS:
        command = load_command(name)
        flags = [flag for p in command.params for flag in p.opts if isinstance(p, click.Option)]
        shown = {flag.lstrip("-") for flag in flags if flag.startswith("--") or flag == "-k"}
        keys = {key for key, parameter in parameters(command).items() if isinstance(parameter, click.Option)}
        assert keys == shown - {"config"}, name
        assert "config" in shown, name


def test_the_file_is_written_into_the_run_and_the_repeat_command_does_not_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("v.npz", docs=rng.standard_normal((80, 8)).astype("f4"), queries=rng.standard_normal((12, 8)).astype("f4"))
    Path("run.toml").write_text(
        'seed = 3\nno-html = true\n[compress]\nmodel = "vectors:v.npz"\nspec = ["int8", "binary"]\nbudget = "8B"\n'
    )
    assert run(["compress", "--config", "run.toml", "--quiet", "--json", "out.json"]) == 0
    [folder] = Path("embgeo-runs").iterdir()
    stored = load_run(folder)
    content = stored.result["config"]
    assert content["path"] == "run.toml"
    assert content["content"]["compress"]["spec"] == ["int8", "binary"]
    assert json.loads(Path("out.json").read_text())["config"] == content
    words = repeat_command(stored)
    assert words == "embgeo compress vectors:v.npz --budget 8B --seed 3 --spec int8 --spec binary"
    # the repeated command is the same run: its folder, named by what was asked, is replaced
    assert run([*words.split()[1:], "--no-html", "--quiet"]) == 0
    assert list(Path("embgeo-runs").iterdir()) == [folder]
    assert "config" not in load_run(folder).result


@pytest.mark.parametrize("command", ["analyze", "compress", "compare"])
def test_help_names_the_environment_variables(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    names = ["EMBGEO_THREADS", "EMBGEO_OUT", *(["EMBGEO_DEVICE"] if command != "compare" else [])]
    for name in names:
        assert f"env var: {name}" in said
    assert "--config FILE" in said


def test_search_and_report_find_runs_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBGEO_OUT", "there")
    rng = np.random.default_rng(0)
    np.savez("v.npz", docs=rng.standard_normal((40, 8)).astype("f4"), queries=rng.standard_normal((12, 8)).astype("f4"))
    assert run(["analyze", "vectors:v.npz", "--measures", "uniformity", "--no-html", "--quiet"]) == 0
    [folder] = Path("there").iterdir()
    assert run(["report", folder.name[:12]]) == 0
    assert (folder / "report.html").exists()
    assert f"report  there/{folder.name}/report.html" in capsys.readouterr().out
