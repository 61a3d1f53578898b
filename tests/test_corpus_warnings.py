"""Warnings about the corpus, the budget and names, which need no number to be computed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from embgeo.compression.choosing.budget import parse_budget
from embgeo.datasets.registry import resolve_dataset
from embgeo.embeddings import check_embeddings
from embgeo.errors import DataError, UnknownNameError
from embgeo.judgements import Judgements
from embgeo.run_warnings import budget_warnings, copy_warnings, corpus_warnings, rank_warnings
from embgeo.sources.vector_files import load_vectors


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_equal_documents_are_warned_of(similarity: str) -> None:
    row = np.random.default_rng(0).standard_normal(16).astype(np.float32)
    X = np.tile(row, (50, 1))
    [said] = corpus_warnings(check_embeddings(X, similarity=similarity))
    assert said.startswith("all 50 document vectors are equal")
    other = X.copy()
    other[31, 3] += 0.01
    assert corpus_warnings(check_embeddings(other, similarity=similarity)) == []
    assert corpus_warnings(check_embeddings(X[:1], similarity=similarity)) == []


def test_multiples_of_one_vector_are_equal_under_cosine_only() -> None:
    X = np.outer(np.arange(1, 40), np.random.default_rng(0).standard_normal(8)).astype(np.float32)
    assert len(corpus_warnings(check_embeddings(X, similarity="cosine"))) == 1
    assert corpus_warnings(check_embeddings(X, similarity="dot")) == []


def test_documents_used_as_queries_are_noticed_without_equal_ids() -> None:
    X = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    [said] = copy_warnings(check_embeddings(X, 2 * X[:5], query_ids=[f"q{i}" for i in range(5)]), None)
    assert said.startswith("5 of 5 queries have the same vector as a document")
    assert copy_warnings(check_embeddings(X, X[:5] + np.float32(0.01)), None) == []
    assert copy_warnings(check_embeddings(X), None) == []


def test_copies_of_which_one_is_judged_are_noticed() -> None:
    X = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    e = check_embeddings(np.r_[X, X[:3]], X[:4] + np.float32(0.1))
    one = Judgements({"0": {"0": 1}, "1": {"1": 1, "31": 1}, "3": {"3": 1}})
    [said] = copy_warnings(e, one)
    assert said.startswith("1 judged document has copies that are judged differently")
    assert copy_warnings(e, Judgements({"1": {"1": 1, "31": 1}, "3": {"3": 1}})) == []


def test_copies_that_differ_by_rounding_are_noticed() -> None:
    X = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    noisy = (X + 1e-7 * np.random.default_rng(1).standard_normal(X.shape)).astype(np.float32)
    e = check_embeddings(np.r_[X, noisy[:3]], np.r_[noisy[4:6], X[7:9] + np.float32(0.1)])
    asked, unlike = copy_warnings(e, Judgements({"2": {"0": 1}, "3": {"3": 1}}))
    assert asked.startswith("2 of 4 queries have the same vector as a document")
    assert unlike.startswith("1 judged document has copies that are judged differently")
    assert len(corpus_warnings(check_embeddings(np.r_[X[:1], noisy[:1]]))) == 1


def test_fewer_documents_than_dimensions_bound_the_ranks() -> None:
    X = np.random.default_rng(0).standard_normal((33, 32)).astype(np.float32)
    assert rank_warnings(check_embeddings(X)) == []
    [said] = rank_warnings(check_embeddings(X[:32]))
    assert said.startswith("only 32 documents in 32 dimensions: dimensions and ranks cannot exceed 31")


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("96KB", True), ("96kB", True), ("96KiB", True), ("0.5MB", True), ("1MB", False), ("4MB", False),
        ("96B", False), ("8x", False), ("12%", False), ("0.001GB", False),
    ],
)  # fmt: skip
def test_a_small_store_budget_may_have_been_meant_per_vector(text: str, warned: bool) -> None:
    """5,000 × 384: a store of 96,000 bytes leaves 19.2 a vector; 4 MB leaves 800, half of float32, and is meant so."""
    said = budget_warnings(parse_budget(text, 384, 5000), 384)
    assert bool(said) == warned
    if text == "96KB":
        assert said == [
            "--budget 96KB limits the whole store to 19.2 bytes per vector for 5,000 vectors; a limit per vector is "
            "written 96B"
        ]
    assert budget_warnings(None, 384) == []


def test_both_commands_warn_of_equal_vectors(tmp_path: Path) -> None:
    from embgeo.api import analyze, compress

    X = np.tile(np.random.default_rng(0).standard_normal(8).astype(np.float32), (40, 1))
    np.savez(tmp_path / "same.npz", docs=X, queries=X[:12])
    model = f"vectors:{tmp_path / 'same.npz'}"
    shape = analyze(model, measures=["uniformity"], out=tmp_path / "runs").result
    sizes = compress(model, specs=["int8"], out=tmp_path / "runs").result
    for result in (shape, sizes):
        assert sum("document vectors are equal" in warning for warning in result["warnings"]) == 1


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.bool_])
def test_integer_vectors_are_refused_with_how_to_convert(dtype: type, tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", np.ones((4, 4), dtype))
    with pytest.raises(DataError, match=r"decode them with their scale and offset.*astype\(numpy.float32\)"):
        load_vectors(tmp_path / "codes.npy")


@pytest.mark.parametrize(
    ("name", "meant"), [("pydoc", "pydocs"), ("PyDocs", "pydocs"), ("tinny", "tiny"), ("pydocs:science", "pydocs:sci")]
)
def test_a_misspelt_built_in_dataset_is_answered_without_mteb(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mteb", None)  # an import would fail
    with pytest.raises(UnknownNameError, match=f"unknown dataset '{name}'; did you mean {meant}"):
        resolve_dataset(name)


def test_no_mteb_task_is_taken_for_a_misspelt_built_in() -> None:
    from embgeo.datasets.mteb_task import mteb_task_names
    from embgeo.datasets.registry import _built_in_meant

    assert [name for name in mteb_task_names() if _built_in_meant(name.partition(":")[0])] == []
