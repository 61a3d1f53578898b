"""Vectors read from the stores where users keep them: each on a real engine in a temporary folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.api import analyze, compress
from embgeo.errors import DataError, UnknownNameError
from embgeo.files.addresses import without_secrets
from embgeo.sources.vector_files import Vectors, load_named

N, D = 300, 8


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("embgeo.sources.vector_stores.BLOCK_ROWS", 64)


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def assert_equal(found: Vectors, X: np.ndarray, ids: list[str] | None) -> None:
    assert isinstance(found.docs, np.memmap)
    assert found.docs.dtype == np.float32
    np.testing.assert_array_equal(found.docs, X)
    assert found.doc_ids == ids


# FAISS


def faiss_file(place: Path, factory: str, X: np.ndarray, ids: np.ndarray | None = None) -> Path:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    index = faiss.index_factory(X.shape[1], factory)
    index.train(X)
    index.add(X) if ids is None else index.add_with_ids(X, ids)
    faiss.write_index(index, str(place))
    return place


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "HNSW8", "PQ4x4,RFlat", "IDMap,Flat", "IDMap,IVF4,Flat"])
def test_a_faiss_file_gives_its_vectors_back_in_order(tmp_path: Path, X: np.ndarray, factory: str) -> None:
    ids = np.random.default_rng(1).permutation(N) * 3 + 5 if "IDMap" in factory else None
    path = faiss_file(tmp_path / "store.faiss", factory, X, ids)
    found = load_named(f"vectors:{path}")
    assert_equal(found, X, None if ids is None else [str(one) for one in ids])
    assert found.warnings == ()
    assert load_named(f"faiss:{path}").fingerprint == found.fingerprint


def test_ids_of_lists_are_those_given_in_ascending_order(tmp_path: Path, X: np.ndarray) -> None:
    ids = np.random.default_rng(1).permutation(N) * 3 + 5
    path = faiss_file(tmp_path / "store.index", "IVF4,Flat", X, ids)
    order = np.argsort(ids)
    assert_equal(load_named(f"vectors:{path}"), X[order], [str(one) for one in ids[order]])


@pytest.mark.parametrize("factory", ["SQ8", "PQ4x4", "PCA4,Flat", "IVF4,SQ8", "HNSW8,SQ8", "IDMap,PQ4x4"])
def test_a_lossy_faiss_file_warns_and_gives_what_it_decodes(tmp_path: Path, X: np.ndarray, factory: str) -> None:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    path = faiss_file(tmp_path / "store.faiss", factory, X, np.arange(N) + 7 if "IDMap" in factory else None)
    found = load_named(f"vectors:{path}")
    assert len(found.warnings) == 1
    assert "is lossy" in found.warnings[0]
    assert "bytes a vector instead of 32" in found.warnings[0]
    whole = faiss.read_index(str(path))  # owns the index inside
    index = faiss.downcast_index(whole.index) if "IDMap" in factory else whole
    if not factory.startswith("IVF"):
        np.testing.assert_array_equal(found.docs[17], index.reconstruct(17))
    assert 0 < np.abs(found.docs - X).max() < 4


def test_a_faiss_file_that_cannot_give_vectors_back_is_refused(tmp_path: Path, X: np.ndarray) -> None:
    path = faiss_file(tmp_path / "store.faiss", "IVF4,PQ4x4fs", X)
    with pytest.raises(DataError, match=r"IndexIVFPQFastScan cannot give its vectors back .*use the vectors"):
        load_named(f"vectors:{path}")


def test_damaged_binary_and_missing_faiss_files_are_one_line(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    binary = faiss.IndexBinaryFlat(16)
    faiss.write_index_binary(binary, str(tmp_path / "bits.index"))
    (tmp_path / "damaged.faiss").write_bytes(b"IxF2 not an index")
    for name in ("bits.index", "damaged.faiss", "missing.faiss"):
        with pytest.raises(DataError, match=name) as caught:
            load_named(f"faiss:{tmp_path / name}")
        assert "\n" not in str(caught.value)
    faiss.write_index(faiss.IndexFlatIP(4), str(tmp_path / "empty.faiss"))
    with pytest.raises(DataError, match="holds no vectors"):
        load_named(f"vectors:{tmp_path / 'empty.faiss'}")


def test_analyze_and_compress_run_on_a_store(tmp_path: Path, X: np.ndarray) -> None:
    path = faiss_file(tmp_path / "store.faiss", "IDMap,SQ8", X, np.arange(N) + 7)
    asked: dict[str, Any] = {"out": tmp_path / "runs"}
    run = analyze(f"faiss:{path}", measures=["iso_score"], **asked)
    assert run.result["model"]["name"] == f"faiss:{path}"
    assert any("is lossy" in one for one in run.result["warnings"])
    again = analyze(f"faiss:{path}", measures=["iso_score"], **asked)
    assert again.folder == run.folder
    built = compress(f"vectors:{path}", specs=["int8"], **asked)
    assert built.result["dataset"]["documents"] == N
    other = faiss_file(tmp_path / "store.faiss", "IDMap,SQ8", X[::-1].copy(), np.arange(N) + 7)
    assert analyze(f"faiss:{other}", measures=["iso_score"], **asked).folder != run.folder
    left = [file for file in (tmp_path / "cache").iterdir() if file.is_file()]
    assert left == []  # the copy that a run works on has no name


def test_a_store_is_a_model_for_compare(tmp_path: Path, X: np.ndarray) -> None:
    from embgeo.comparison.runs import gather
    from embgeo.comparison.vectors import RunVectors, vectors_of

    path = faiss_file(tmp_path / "store.faiss", "Flat", X)
    run = analyze(f"faiss:{path}", measures=["iso_score"], out=tmp_path / "runs")
    other = analyze(f"faiss:{path}", measures=["hubness"], out=tmp_path / "runs")
    found = vectors_of(gather([run, other])[0])
    assert isinstance(found, RunVectors)
    np.testing.assert_array_equal(found.embeddings.docs, X)


# schemes and secrets


def test_an_unknown_scheme_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown source 'fais:'; did you mean faiss:\?") as caught:
        load_named("fais:store.faiss")
    assert "faiss:PATH" in str(caught.value)
    with pytest.raises(UnknownNameError, match="did you mean vectors:"):
        load_named("vector:docs.npy")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("pgvector:postgresql://u:secret@host:5432/db/t.e", "pgvector:postgresql://u@host:5432/db/t.e"),
        ("pgvector:postgresql://u:se/cr@et@host/db/t.e", "pgvector:postgresql://u@host/db/t.e"),
        ("pgvector:postgresql://h/db?password=secret/t.e", "pgvector:postgresql://h/db/t.e"),
        ("pgvector:postgresql://h/db?host=/run&password=secret/t.e", "pgvector:postgresql://h/db?host=/run/t.e"),
        ("pgvector:postgresql://h/db?password=secret&host=/run/t.e", "pgvector:postgresql://h/db?host=/run/t.e"),
        ("qdrant:https://h:6333/docs?api_key=secret", "qdrant:https://h:6333/docs"),
        ("vectors:docs.npy", "vectors:docs.npy"),
        ("org/model@v1:2", "org/model@v1:2"),
    ],
)
def test_secrets_leave_an_address(given: str, shown: str) -> None:
    assert without_secrets(given) == shown


def assert_nowhere(folder: Path, secret: str) -> None:
    for file in folder.rglob("*"):
        assert secret not in file.name
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
