"""The examples of README's section on other tools run as they are written, on the bundled corpus."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from examples.tiny_task import TinyTask, minilm
from mteb.models import SentenceTransformerEncoderWrapper

import embgeo

SECTION = "## In other tools\n"


def examples(repository: Path) -> list[str]:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", readme.partition(SECTION)[2].partition("\n## ")[0], flags=re.DOTALL)


def told(code: str, names: dict[str, Any]) -> Any:
    """The value of the last line after all have run; `names` are what the text takes for granted."""
    *before, last = code.strip().split("\n")
    exec("\n".join(before), names)
    try:
        return eval(last, names)
    except SyntaxError:  # an assignment
        exec(last, names)
    return names


def test_the_examples_run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_mteb, results, with_sklearn, with_st = examples(repository)
    monkeypatch.chdir(tmp_path)
    encoder = minilm()
    documents = [str(row["text"]) for row in TinyTask().split()["corpus"]]
    X = encoder.encode(documents)
    with warnings.catch_warnings(action="ignore"):
        score = told(with_mteb, {"task": TinyTask(), "model": SentenceTransformerEncoderWrapper(encoder)})
    run = embgeo.compress("minilm", "tiny", specs=["pca48,rot,int4"], budget="24B", out=tmp_path)
    [score_of_store] = told(results, {"run": run})["embgeo/minilm+pca48,rot,int4"]
    assert score_of_store == pytest.approx(run.result["recommendation"]["ndcg@10"])
    assert 0.88 < score < 0.93  # float32 reaches 0.926
    names = told(with_sklearn, {"X": X})
    assert names["codes"].shape == (len(X), 96)
    assert names["approximate"].shape == X.shape
    embgeo.fit_codec("int8", X).save("codec.safetensors")
    names = {"embgeo": embgeo, "encoder": encoder, "documents": documents, "questions": documents[5:7]}
    first = told(with_st, names)
    assert first["corpus_id"] == 5
    assert first["score"] == pytest.approx(1, abs=0.01)
