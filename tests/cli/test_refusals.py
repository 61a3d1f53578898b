"""What cannot work is refused before a model is loaded or anything is encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.cli.failures import run
from embgeo.sources import subject


class Loaded(Exception):
    """The model was loaded, or asked to encode, before the refusal."""


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder").mkdir()


@pytest.fixture
def never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any) -> None:
        raise Loaded

    monkeypatch.setattr(subject, "resolve_encoder", load)


class Encoder:
    """Known to give 16 dimensions; it must not be asked for them."""

    name, similarity, dimension, max_length = "fake", "cosine", 16, None
    identity = {"model": "fake", "batch_size": 32}  # noqa: RUF012

    def encode_batches(self, batches: Iterable[Sequence[str]], role: str) -> Iterator[np.ndarray]:
        raise Loaded


@pytest.mark.usefixtures("never_loaded")
@pytest.mark.parametrize("command", ["analyze", "compress"])
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--json folder", "--json must name a writable file; folder: is a folder"),
        ("--json file/x.json", "--json must name a writable file; file/x.json:"),
        ("--html folder", "--html must name a writable file; folder: is a folder"),
        ("--html file/deep/x.html", "--html must name a writable file; file/deep/x.html:"),
        ("--out file", "--out must name a writable folder; file: is a file"),
        ("--out file/runs", "--out must name a writable folder; file/runs:"),
    ],
)
def test_targets_are_checked_before_the_model_is_loaded(
    command: str, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "minilm", "tiny", *option.split()]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("readonly", ["file", "folder"])
def test_missing_permission_is_found_before_the_work(
    readonly: str, never_loaded: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # root may write anywhere, so the answer of the system is given here
    from embgeo import writable

    monkeypatch.setattr(writable.os, "access", lambda path, mode: Path(path).name != readonly)
    words = ["--json", "file"] if readonly == "file" else ["--out", "folder/deep/runs"]
    assert run(["compress", "minilm", "tiny", *words]) == 2
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.usefixtures("never_loaded")
@pytest.mark.parametrize(
    "option",
    ["--budget 96", "--budget 0B", "--keep 120%", "--spec int9", "--vectors many", "--grid none", "--price-per-gb -1",
     "--spec int8 --exhaustive", "--spec binary+int8"],
)  # fmt: skip
def test_options_are_checked_before_the_model_is_loaded(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", "minilm", "tiny", *option.split()]) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--budget 0.1B", "no spec of this sweep fits 0.1B"),
        ("--budget 8B --spec int8", "the smallest is int8 with 16 bytes per vector"),
        ("--budget 900x", "no spec of this sweep fits 900x"),
        ("--spec pca99,int8", "pca99"),
        ("--spec ivf4096,int8", "ivf4096"),
    ],
)
def test_what_the_dimension_rules_out_is_refused_before_anything_is_encoded(
    option: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subject, "resolve_encoder", lambda *_: Encoder())
    assert run(["compress", "fake", "tiny", *option.split()]) == 2
    assert said in capsys.readouterr().err


def test_the_refusals_would_notice_an_encoder_that_was_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subject, "resolve_encoder", lambda *_: Encoder())
    assert run(["compress", "fake", "tiny", "--spec", "int8"]) == 1
    assert "Loaded" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--file", "b"], ["--to", "elsewhere"]], ids=lambda words: words[0])
def test_the_file_of_an_export_is_named_once(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "x", "--faiss", "a", *words]) == 2
    assert "--faiss FILE is short for --to faiss --file FILE" in capsys.readouterr().err


def test_an_unknown_target_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "x", "--to", "fais"]) == 2
    said = capsys.readouterr().err
    assert "unknown target 'fais'; the targets are faiss, lancedb, mteb" in said
    assert said.endswith("Did you mean faiss?\n")


@pytest.mark.parametrize("words", [["report", "x", "--html"], ["export", "x", "--faiss"]], ids=lambda words: words[0])
def test_other_targets_are_checked_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "folder"]) == 2
    assert f"{words[-1]} must name a writable file; folder: is a folder" in capsys.readouterr().err
