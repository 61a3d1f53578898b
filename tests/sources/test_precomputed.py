"""Precomputed vectors: what is accepted, and one clear line for every hostile file."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import warnings
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from embgeo.embeddings import check_embeddings
from embgeo.errors import DataError
from embgeo.sources.vector_files import load_queries, load_vectors

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Q = np.ones((2, 3), np.float32)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_npy_is_mapped_as_stored(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "x.npy", X.astype(dtype))
    vectors = load_vectors(tmp_path / "x.npy")
    assert isinstance(vectors.docs, np.memmap)
    assert not vectors.docs.flags.writeable
    assert vectors.docs.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(vectors.docs, X)
    assert (vectors.queries, vectors.doc_ids, vectors.query_ids) == (None, None, None)


def test_npz_holds_all_four_keys(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", docs=X, queries=Q, doc_ids=["a", "b", "é", "d"], query_ids=[7, 8])
    vectors = load_vectors(tmp_path / "x.npz")
    np.testing.assert_array_equal(vectors.queries, Q)
    assert vectors.doc_ids == ["a", "b", "é", "d"]
    assert vectors.query_ids == ["7", "8"]
    assert check_embeddings(vectors.docs[1:], vectors.queries, vectors.doc_ids[1:]).dimension == 3


def test_queries_are_one_vector_a_matrix_or_a_key(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", Q[0])
    np.save(tmp_path / "many.npy", Q)
    np.savez(tmp_path / "queries.npz", queries=Q)
    np.savez(tmp_path / "both.npz", docs=X, queries=Q[0])
    np.savez(tmp_path / "docs.npz", docs=X)
    for name, expected in (
        ("one.npy", Q[:1]),
        ("many.npy", Q),
        ("queries.npz", Q),
        ("both.npz", Q[:1]),
        ("docs.npz", X),
    ):
        np.testing.assert_array_equal(load_queries(tmp_path / name), expected)
    np.save(tmp_path / "x.npy", X)
    np.testing.assert_array_equal(load_vectors(tmp_path / "x.npy", tmp_path / "one.npy").queries, Q[:1])
    np.testing.assert_array_equal(load_vectors(tmp_path / "both.npz").queries, Q[:1])
    np.savez(tmp_path / "ids.npz", query_ids=["a"])
    with pytest.raises(DataError, match="must hold one matrix or the key queries; it has query_ids"):
        load_queries(tmp_path / "ids.npz")


def test_lone_matrix_of_any_key_holds_documents(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X)
    save_file({"embeddings": X}, tmp_path / "x.safetensors")
    for name in ("x.npz", "x.safetensors"):
        np.testing.assert_array_equal(load_vectors(tmp_path / name).docs, X)


def test_safetensors_ids_come_from_metadata_or_a_json_tensor(tmp_path: Path) -> None:
    text = np.frombuffer(json.dumps(["q1", "ü"]).encode(), np.uint8)
    tensors = {"docs": X, "queries": Q, "query_ids": text}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"doc_ids": json.dumps(["a", "b", "c", 4])})
    vectors = load_vectors(tmp_path / "x.safetensors")
    assert isinstance(vectors.docs, np.memmap)
    np.testing.assert_array_equal(vectors.docs, X)
    assert vectors.doc_ids == ["a", "b", "c", "4"]
    assert vectors.query_ids == ["q1", "ü"]


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    save_file({"docs": X.astype(ml_dtypes.bfloat16)}, tmp_path / "x.safetensors")
    docs = load_vectors(tmp_path / "x.safetensors").docs
    assert docs.dtype == np.float32
    np.testing.assert_array_equal(docs, X)  # integers up to 256 are exact in bfloat16


def test_queries_may_be_in_a_separate_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "q.npy", Q)
    np.savez(tmp_path / "q.npz", queries=Q, query_ids=["a", "b"])
    assert load_vectors(tmp_path / "x.npy", tmp_path / "q.npy").queries.shape == (2, 3)
    assert load_vectors(tmp_path / "x.npy", tmp_path / "q.npz").query_ids == ["a", "b"]
    np.savez(tmp_path / "both.npz", docs=X, queries=Q)
    with pytest.raises(DataError, match="from one file"):
        load_vectors(tmp_path / "both.npz", tmp_path / "q.npy")


def test_fingerprint_is_that_of_the_contents(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", np.asfortranarray(X))
    np.save(tmp_path / "c.npy", X.reshape(3, 4))
    np.save(tmp_path / "d.npy", X.astype(np.float64))
    np.savez(tmp_path / "e.npz", docs=X, doc_ids=["a", "b", "c", "d"])
    prints = {name: load_vectors(tmp_path / name).fingerprint for name in ("a.npy", "b.npy", "c.npy", "d.npy", "e.npz")}
    assert prints["a.npy"] == prints["b.npy"]
    assert len(set(prints.values())) == 4
    assert load_vectors(tmp_path / "a.npy", tmp_path / "a.npy").fingerprint != prints["a.npy"]


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def npy_claiming(shape: str, dtype: str = "<f4") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(48)


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def tensors(header: object, data: bytes = bytes(48)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


PICKLED = npy(np.array([{"a": 1}], object), allow_pickle=True)
F32 = {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}
HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "empty npy": ("x.npy", b"", "not a valid .npy"),
    "text as npy": ("x.npy", b"hello world, not numbers", "not a valid .npy"),
    "truncated npy": ("x.npy", npy(X)[:-1], "bytes"),
    "npy with a tail": ("x.npy", npy(X) + b"\0", "bytes"),
    "pickled npy": ("x.npy", PICKLED, r"the array in .* must not be Python objects.*numpy\.array\(X\.tolist\(\), "),
    "npy that claims a petabyte": ("x.npy", npy_claiming("(1000000000000, 384)"), "bytes"),
    "npy of negative shape": ("x.npy", npy_claiming("(-4, -3)"), "not a valid .npy"),
    "npy whose header is code": ("x.npy", npy_claiming("__import__('os')"), "not a valid .npy"),
    "npy of an unknown dtype": ("x.npy", npy_claiming("(4, 3)", "<zz"), "not a valid .npy"),
    "integers": ("x.npy", npy(np.ones((4, 3), np.int64)), "must be float16"),
    "complex": ("x.npy", npy(np.ones((4, 3), np.complex64)), "must be float16"),
    "strings": ("x.npy", npy(np.array([["a"]])), "must be float16"),
    "records": ("x.npy", npy(np.zeros(3, [("a", "<f4")])), "must be float16"),
    "one row as a vector": ("x.npy", npy(X[0]), "must be a matrix"),
    "a cube": ("x.npy", npy(X[None]), "must be a matrix"),
    "no rows": ("x.npy", npy(X[:0]), "must be a matrix"),
    "no columns": ("x.npy", npy(X[:, :0]), "must be a matrix"),
    "not a zip": ("x.npz", npy(X), "not a valid .npz"),
    "truncated npz": ("x.npz", npz(docs=npy(X))[:-30], "not a valid .npz"),
    "empty npz": ("x.npz", npz(), "got nothing"),
    "npz with wrong keys": ("x.npz", npz(a=npy(X), b=npy(X)), "keys docs, queries, doc_ids, query_ids; got a, b"),
    "npz with one key too many": ("x.npz", npz(docs=npy(X), extra=npy(X)), "got extra"),
    "npz without documents": ("x.npz", npz(queries=npy(X)), "under the key docs"),
    "npz of objects": ("x.npz", npz(docs=PICKLED), "docs in .* must not be Python objects"),
    "npz of object ids": (
        "x.npz", npz(docs=npy(X), doc_ids=PICKLED),
        r"doc_ids in .* must not be Python objects .*; save doc_ids\.astype\(str\) instead",
    ),
    "npz that claims a petabyte": ("x.npz", npz(docs=npy_claiming("(1000000000000, 384)")), "bytes"),
    "npz of float ids": ("x.npz", npz(docs=npy(X), doc_ids=npy(X[0])), "must be a list of strings"),
    "npz of ids that are no text": ("x.npz", npz(docs=npy(X), doc_ids=npy(np.array([b"\xff"]))), "must be UTF-8"),
    "npz with another file in it": ("x.npz", npz(docs=b"GIF89a"), "not a valid .npz"),
    "empty safetensors": ("x.safetensors", b"", "not a valid .safetensors"),
    "safetensors header beyond the file": ("x.safetensors", struct.pack("<Q", 1 << 62), "not a valid .safetensors"),
    "truncated safetensors": ("x.safetensors", tensors({"docs": F32}, bytes(47)), "not a valid .safetensors"),
    "safetensors with a tail": ("x.safetensors", tensors({"docs": F32}, bytes(49)), "not a valid .safetensors"),
    "safetensors offsets backwards": (
        "x.safetensors", tensors({"docs": {**F32, "data_offsets": [48, 0]}}), "not a valid .safetensors",
    ),
    "safetensors that is a list": ("x.safetensors", tensors([1, 2]), "not a valid .safetensors"),
    "safetensors of integers": ("x.safetensors", tensors({"docs": {**F32, "dtype": "I32"}}), "must be one of"),
    "safetensors ids that are no JSON": (
        "x.safetensors", tensors({"docs": F32, "__metadata__": {"doc_ids": "a, b"}}), "not a valid .safetensors",
    ),
    "safetensors ids that are no list": (
        "x.safetensors", tensors({"docs": F32, "__metadata__": {"doc_ids": '{"a": 1}'}}), "must be a JSON list",
    ),
    "safetensors without tensors": ("x.safetensors", tensors({}, b""), "got nothing"),
    "another kind of file": ("x.csv", b"1,2,3", r"must be .*\.npy, \.npz, .*\.safetensors.* or"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    name, data, says = HOSTILE[case]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError, match=says) as error:
        load_vectors(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no vector file .*gone\.npy"):
        load_vectors(tmp_path / "gone.npy")
    with pytest.raises(DataError, match=r"the folder .* holds no vector files"):
        load_vectors(tmp_path)


VALID = {
    ".npy": npy(X),
    ".npz": npz(docs=npy(X), doc_ids=npy(np.array(["a", "b", "c", "d"]))),
    ".safetensors": tensors({"docs": F32}, X.tobytes()),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(VALID)), cut=st.integers(0, 400), flips=st.lists(st.integers(0, 400), max_size=4))
def test_any_damage_is_either_a_data_error_or_still_a_matrix(
    tmp_path: Path, kind: str, cut: int, flips: list[int]
) -> None:
    data = bytearray(VALID[kind])
    for flip in flips:
        data[flip % len(data)] ^= 1 << flip % 8
    path = tmp_path / f"damaged{kind}"
    path.write_bytes(data[: max(len(data) - cut, 0)] if cut % 2 else data)
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(DataError):
        vectors = load_vectors(path)
        assert vectors.docs.ndim == 2
        assert vectors.docs.dtype.kind == "f"
