"""The command line on the real library: analyze, compress, search, report; and its answers to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embgeo.cli.failures import run


def write_vectors(folder: Path) -> list[str]:
    """Vectors for `tiny` in which a query lies near its first relevant document; returns the arguments for them."""
    from embgeo.datasets.registry import resolve_dataset

    tiny = resolve_dataset("tiny")
    rng = np.random.default_rng(0)
    docs = rng.standard_normal((len(tiny.doc_ids), 32)).astype(np.float32)
    row = {name: i for i, name in enumerate(tiny.doc_ids)}
    answers = [next(iter(tiny.judgements.qrels[query])) for query in tiny.query_ids]
    queries = docs[[row[name] for name in answers]] + 0.6 * rng.standard_normal((len(answers), 32)).astype(np.float32)
    np.save(folder / "docs.npy", docs)
    np.save(folder / "queries.npy", queries)
    return ["vectors:docs.npy", "tiny", "--queries-vectors", "queries.npy"]


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return write_vectors(tmp_path)


def test_from_vectors_to_an_answer(vectors: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", *vectors, "--measures", "uniformity,twonn_dim", "--json", "shape.json"]) == 0
    shape = json.loads(Path("shape.json").read_text())
    assert set(shape["signature"]) == {"uniformity", "twonn_dim"}
    [page] = Path("embgeo-runs").glob("analyze-*/report.html")
    said = capsys.readouterr().out
    assert run(["analyze", *vectors, "--measures", "uniformity,twonn_dim", "--no-html", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["identity"] == shape["identity"]
    assert page.exists(), "--no-html writes no report and removes none"
    assert shape["retrieval"]["ndcg@10"]["value"] > 0.5
    assert f"ndcg@10     {shape['retrieval']['ndcg@10']['value']:.4f}" in said

    asked = ["compress", *vectors, "--spec", "int8", "--spec", "binary", "--budget", "40B", "--json", "sizes.json"]
    assert run(asked) == 0
    sizes = json.loads(Path("sizes.json").read_text())
    assert [entry["spec"] for entry in sizes["tradeoffs"]] == ["int8", "binary"]
    # by hand: 32 dimensions are 128 bytes as float32, 32 as int8, 4 as sign bits
    assert sizes["baseline"]["bytes_per_vector"] == 128
    assert [entry["bytes_per_vector"] for entry in sizes["tradeoffs"]] == [32, 4]
    folder = next(Path("embgeo-runs").glob("compress-*"))
    said = capsys.readouterr().out
    assert f"run     {folder}" in said
    assert "\nRecommended: int8 leaves nDCG@10 unchanged on every query" in said
    assert said.rstrip().splitlines()[-1].startswith("Stores for int8: faiss ✔ · lancedb ≈")

    np.save("one.npy", np.load("docs.npy")[7:8])
    assert run(["search", str(folder), "--vector", "one.npy", "-k", "3", "--json", "-"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert len(hits) == 3
    assert hits[0]["rank"] == 1
    assert hits[0]["text"]

    assert run(["report", *sorted(map(str, Path("embgeo-runs").iterdir())), "--html", "both.html"]) == 0
    assert Path("both.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--spec", "pca16,nt8"], "nt8"),
        (["--budget", "nonsense"], "nonsense"),
        (["--budget", "0.01B", "--spec", "int8"], "32"),
        (["--keep", "elephants"], "elephants"),
        (["--vectors", "many"], "many"),
        (["--spec", "pca99,int8"], "pca99,int8"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(
    more: list[str], said: str, vectors: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compress", *vectors, *more]) == 2
    err = capsys.readouterr().err
    assert err.startswith("embgeo: ")
    assert said in err
    assert err.count("\n") == 1
    assert not Path("embgeo-runs").exists()


def spoil(kind: str) -> None:
    docs = np.load("docs.npy")
    if kind == "not finite":
        docs[5] = np.nan
    elif kind == "zero":
        docs[5] = 0
    elif kind == "other dimension":
        docs = docs[:, :16]
    elif kind == "too few":
        docs = docs[:60]
    elif kind == "empty":
        docs = docs[:0]
    np.save("docs.npy", docs)
    if kind == "no array":
        Path("docs.npy").write_bytes(b"not numpy")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("not finite", "the first is row 5"),
        ("zero", "the first is row 5"),
        ("other dimension", "16 and 32"),
        ("too few", "60"),
        ("empty", "docs.npy"),
        ("no array", "docs.npy"),
    ],
)
def test_bad_vectors_are_one_line_and_leave_nothing(
    kind: str, said: str, vectors: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(kind)
    assert run(["analyze", *vectors, "--quick"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("embgeo: ")
    assert said in err
    assert err.count("\n") == 1
    assert not Path("embgeo-runs").exists()


def test_a_run_of_a_newer_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text('{"format_version": 99, "embgeo": "9.0", "command": "compress"}')
    for words in (["report", str(tmp_path)], ["search", str(tmp_path), "text"]):
        assert run(words) == 2
        assert "format 99" in capsys.readouterr().err
