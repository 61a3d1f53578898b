"""Every format of vectors: the same matrix as from .npy, and one line about what is wrong with a file."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import datasets
from embgeo.api import compress
from embgeo.errors import DataError, MissingExtraError
from embgeo.files.rows import Rows
from embgeo.sources import scratch
from embgeo.sources.columns import open_parquet
from embgeo.sources.vector_files import load_queries, load_vectors
from embgeo.sources.vectors.parquet import ParquetRows

RNG = np.random.default_rng(0)
X = (RNG.standard_normal((50, 4)) * 20).clip(-100, 100).astype(np.float32)
Q = X[:7] + np.float32(1)
NAMES = [f"d{row}é" for row in range(len(X))]


def lists(matrix: np.ndarray, fixed: bool = False) -> pa.Array:
    values = pa.array(matrix.ravel())
    if fixed:
        return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])
    return pa.ListArray.from_arrays(pa.array(np.arange(0, matrix.size + 1, matrix.shape[1], np.int32)), values)


def table(matrix: np.ndarray = X, fixed: bool = False, names: Any = NAMES, **more: Any) -> pa.Table:
    return pa.table({"n": pa.array(range(len(matrix))), "emb": lists(matrix, fixed), "_id": names, **more})


def parquet(folder: Path) -> Path:
    pq.write_table(table(), folder / "x.parquet", row_group_size=16)
    return folder / "x.parquet"


def parquet_of_fixed_lists(folder: Path) -> Path:
    pq.write_table(table(fixed=True), folder / "x.parquet", row_group_size=20, compression="zstd")
    return folder / "x.parquet"


def parquet_shards(folder: Path) -> Path:
    for number, start in enumerate((0, 20, 20, 45)):
        stop = (20, 20, 45, 50)[number]
        part = table(names=pa.array(NAMES, pa.large_string()))[start:stop]
        pq.write_table(part, folder / f"train-0000{number}-of-00004.parquet", row_group_size=7)
    return folder


def parquet_pattern_with_column(folder: Path) -> Path:
    for number in range(2):
        part = table(other=lists(X[:, :2]))[25 * number : 25 * number + 25]
        pq.write_table(part, folder / f"part.{number}.parquet")
    return Path(f"{folder}/part.*.parquet#emb")


def arrow_stream(folder: Path) -> Path:
    with pa.ipc.new_stream(folder / "x.arrow", table().schema) as out:
        out.write_table(table(), max_chunksize=13)
    return folder / "x.arrow"


def arrow_file(folder: Path) -> Path:
    with pa.ipc.new_file(folder / "x.arrow", table(fixed=True).schema) as out:
        out.write_table(table(fixed=True), max_chunksize=13)
    return folder / "x.arrow"


def saved_dataset(folder: Path) -> Path:
    saved = datasets.Dataset(table(text=["…"] * len(X)))
    saved.save_to_disk(folder / "saved", num_shards=3)
    return folder / "saved"


def saved_split(folder: Path) -> Path:
    datasets.DatasetDict({"train": datasets.Dataset(table())}).save_to_disk(folder / "saved")
    return Path(f"{folder}/saved#emb")


def fbin(folder: Path) -> Path:
    (folder / "x.fbin").write_bytes(struct.pack("<II", *X.shape) + X.tobytes())
    return folder / "x.fbin"


def fvecs(folder: Path) -> Path:
    (folder / "x.fvecs").write_bytes(b"".join(struct.pack("<i", 4) + row.tobytes() for row in X))
    return folder / "x.fvecs"


def hdf5(folder: Path, **how: Any) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.hdf5", "w") as file:
        file.create_dataset("train", data=X, **how)
        file.create_dataset("test", data=Q)
        file.create_dataset("neighbors", data=np.zeros((7, 10), np.int32))
        file.create_dataset("distances", data=np.zeros((7, 10), np.float32))
        file.attrs["distance"] = "angular"
    return folder / "x.hdf5"


def hdf5_in_chunks(folder: Path) -> Path:
    return hdf5(folder, chunks=(16, 4), compression="gzip")


def zarr_array(folder: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    zarr.create_array(folder / "x.zarr", data=X, chunks=(16, 4))
    return folder / "x.zarr"


def zarr_group(folder: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(folder / "x.zarr")
    group.create_array("emb", data=X, chunks=(16, 4))
    group.create_array("other", data=X, chunks=(16, 4))
    return Path(f"{folder}/x.zarr#emb")


def lance(folder: Path) -> Path:
    lancedb = pytest.importorskip("lancedb")
    lancedb.connect(folder).create_table("x", data=table(fixed=True).rename_columns(["n", "emb", "id"]))
    return folder / "x.lance"


NAMED = [parquet, parquet_of_fixed_lists, parquet_shards, parquet_pattern_with_column, arrow_stream, arrow_file,
         saved_dataset, saved_split, lance]  # fmt: skip
UNNAMED = [fbin, fvecs, hdf5, hdf5_in_chunks, zarr_array, zarr_group]


@pytest.mark.parametrize("make", [*NAMED, *UNNAMED])
def test_a_form_holds_the_matrix_and_its_ids(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    found = load_vectors(path)
    np.testing.assert_array_equal(found.docs[:], X)
    rows = RNG.permutation(50)
    np.testing.assert_array_equal(found.docs[rows], X[rows])
    assert found.docs.dtype == np.float32
    assert found.doc_ids == (NAMES if make in NAMED else None)
    assert found.form.startswith("50 × 4 float32")
    assert (
        "ids: column _id" if make in NAMED[:-1] else "ids: in the store" if make is lance else "row numbers"
    ) in found.form
    (tmp_path / "docs").mkdir()
    asked = load_vectors(fbin(tmp_path / "docs"), path) if make not in (fbin, hdf5, hdf5_in_chunks) else None
    if asked is not None:
        np.testing.assert_array_equal(asked.queries, X)
        assert asked.query_ids == (NAMES if make in NAMED else None)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".fbin", np.float32), (".f16bin", np.float16), (".i8bin", np.int8), (".u8bin", np.uint8)]
)
def test_big_ann_files_are_mapped_as_stored(tmp_path: Path, suffix: str, dtype: type) -> None:
    Y = np.abs(X).astype(dtype)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(struct.pack("<II", *Y.shape) + Y.tobytes())
    found = load_vectors(path)
    assert isinstance(found.docs, np.memmap)
    assert found.docs.dtype == dtype
    np.testing.assert_array_equal(found.docs, Y)
    assert len(found.warnings) == (Y.dtype.kind != "f")
    np.testing.assert_array_equal(load_queries(path), Y)


def test_bvecs_are_bytes(tmp_path: Path) -> None:
    Y = np.abs(X).astype(np.uint8)
    (tmp_path / "x.bvecs").write_bytes(b"".join(struct.pack("<i", 4) + row.tobytes() for row in Y))
    found = load_vectors(tmp_path / "x.bvecs")
    np.testing.assert_array_equal(found.docs[np.array([49, 3])], Y[[49, 3]])
    assert "taken as the values" in found.warnings[0]


@pytest.mark.parametrize("form", [np.float16, np.float64, np.int8, np.uint8])
def test_parquet_keeps_the_dtype(tmp_path: Path, form: type) -> None:
    Y = np.abs(X).astype(form)
    pq.write_table(pa.table({"v": lists(Y), "tokens": lists(X.astype(np.int64))}), tmp_path / "x.parquet")
    found = load_vectors(tmp_path / "x.parquet")
    assert found.docs.dtype == form
    np.testing.assert_array_equal(found.docs[:], Y)


def test_hdf5_has_documents_and_queries(tmp_path: Path) -> None:
    path = hdf5(tmp_path)
    found = load_vectors(path)
    assert isinstance(found.docs, np.memmap)
    np.testing.assert_array_equal(found.queries, Q)
    np.testing.assert_array_equal(load_queries(path), Q)
    np.testing.assert_array_equal(load_vectors(fbin(tmp_path), path).queries, Q)
    np.testing.assert_array_equal(load_vectors(Path(f"{path}#test")).docs, Q)
    with pytest.raises(DataError, match=r"no matrix 'emb'; name one as PATH#DATASET: distances \(7, 10\) float32"):
        load_vectors(Path(f"{path}#emb"))


@pytest.mark.parametrize("package", ["h5py", "zarr"])
def test_a_missing_package_is_named(tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / {"h5py": "x.h5", "zarr": "x.zarr"}[package]
    path.mkdir() if package == "zarr" else path.touch()
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[(hdf5|zarr)\]'"):
        load_vectors(path)


def test_parquet_is_read_batch_by_batch_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from embgeo.sources.vectors import parquet as module

    monkeypatch.setattr(module, "BATCH_ROWS", 6)
    path, opened = parquet(tmp_path), list[int]()
    P = ParquetRows(path, "emb", open_parquet(path))
    monkeypatch.setattr(P, "_open", lambda groups, rows, first=P._open: opened.append(groups[0]) or first(groups, rows))
    for start in range(0, 50, 10):
        np.testing.assert_array_equal(P[start : start + 10], X[start : start + 10])
    assert opened == [0], "one pass opens the file once"
    for _ in range(30):
        rows = RNG.integers(0, 50, RNG.integers(0, 9))
        np.testing.assert_array_equal(P[rows], X[rows])
        start, stop = sorted(RNG.integers(0, 51, 2).tolist())
        np.testing.assert_array_equal(P[start:stop], X[start:stop])
    opened.clear()
    np.testing.assert_array_equal(P[40:41], X[40:41])
    np.testing.assert_array_equal(P[2:3], X[2:3])
    assert opened in ([2, 0], [0]), "a far row is read from its row group on"


def test_without_room_for_a_copy_the_file_itself_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda folder: full)
    found = load_vectors(parquet_shards(tmp_path))
    assert isinstance(found.docs, Rows)
    np.testing.assert_array_equal(found.docs[:], X)
    assert "does not fit the cache folder" in found.warnings[0]


def test_results_from_parquet_are_those_from_npy(tmp_path: Path) -> None:
    Y = RNG.standard_normal((300, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", Y)
    pq.write_table(pa.table({"id": [str(row) for row in range(300)], "v": lists(Y)}), tmp_path / "x.parquet")
    stores = [
        next(compress(f"vectors:{tmp_path / name}", specs=["int8"], out=tmp_path / name[2:]).folder.glob("store*"))
        for name in ("x.npy", "x.parquet")
    ]
    assert stores[0].read_bytes() == stores[1].read_bytes()


def nulls(folder: Path) -> tuple[Path, str]:
    rows = [[1.0, 2.0]] * 9
    pq.write_table(pa.table({"v": [*rows, None, [3.0, 4.0]]}), folder / "x.parquet", row_group_size=4)
    return folder / "x.parquet", r"x\.parquet has no vector in row 9 \(null\)"


def first_null(folder: Path) -> tuple[Path, str]:
    pq.write_table(pa.table({"v": pa.array([None, [3.0, 4.0]])}), folder / "x.parquet")
    return folder / "x.parquet", r"x\.parquet has no vector in row 0 \(null\)"


def inner_null(folder: Path) -> tuple[Path, str]:
    pq.write_table(pa.table({"v": [[1.0, 2.0]] * 5 + [[1.0, None]]}), folder / "x.parquet", row_group_size=4)
    return folder / "x.parquet", r"x\.parquet has a null in the vector of row 5"


def ragged(folder: Path) -> tuple[Path, str]:
    pq.write_table(pa.table({"v": [[1.0, 2.0]] * 6 + [[1.0, 2.0, 3.0]]}), folder / "x.parquet", row_group_size=4)
    return folder / "x.parquet", r"every vector of .*x\.parquet must have 2 dimensions; row 6 has 3"


def no_lists(folder: Path) -> tuple[Path, str]:
    pq.write_table(pa.table({"a": [1.0], "b": ["x"]}), folder / "x.parquet")
    return folder / "x.parquet", r"must have a column of lists of floats; it has a \(double\), b \(string\)"


def two_columns(folder: Path) -> tuple[Path, str]:
    pq.write_table(table(other=lists(X)), folder / "x.parquet")
    return folder / "x.parquet", r"several columns of vectors; name one as PATH#COLUMN: emb, other"


def unknown_column(folder: Path) -> tuple[Path, str]:
    return Path(f"{parquet(folder)}#vector"), r"has no column 'vector'; it has n \(int64\), emb \(list"


def column_of_text(folder: Path) -> tuple[Path, str]:
    return Path(f"{parquet(folder)}#_id"), r"column _id of .* must be lists of floats or 8-bit integers; it is string"


def truncated_parquet(folder: Path) -> tuple[Path, str]:
    path = parquet(folder)
    path.write_bytes(path.read_bytes()[:-9])
    return path, r"x\.parquet is not a valid parquet file"


def damaged_pages(folder: Path) -> tuple[Path, str]:
    path = parquet(folder)
    data = bytearray(path.read_bytes())
    data[4:900] = bytes(896)
    path.write_bytes(data)
    return path, r"x\.parquet"


def null_id(folder: Path) -> tuple[Path, str]:
    pq.write_table(table(names=[*NAMES[:-1], None]), folder / "x.parquet")
    return folder / "x.parquet", r"column _id of .* has no id in row 49"


def float_id(folder: Path) -> tuple[Path, str]:
    pq.write_table(table(names=[1.0] * 50), folder / "x.parquet")
    return folder / "x.parquet", "column _id of .* must be strings or integers; they are double"


def bytes_id(folder: Path) -> tuple[Path, str]:
    pq.write_table(table(names=[b"\xff\xfe"] * 50), folder / "x.parquet")
    return folder / "x.parquet", "column _id of .* must be UTF-8"


def another_width(folder: Path) -> tuple[Path, str]:
    parquet_shards(folder)
    pq.write_table(table(X[:, :3]), folder / "train-00003-of-00004.parquet")
    return folder, r"train-00003-of-00004\.parquet must have .* 4 and float32; it has 3 and float32"


def some_without_ids(folder: Path) -> tuple[Path, str]:
    parquet_shards(folder)
    pq.write_table(pa.table({"emb": lists(X)}), folder / "train-00003-of-00004.parquet")
    return folder, r"all shards must have ids, or none; .*train-00003-of-00004\.parquet has none"


def no_rows(folder: Path) -> tuple[Path, str]:
    pq.write_table(table()[:0], folder / "x.parquet")
    return folder / "x.parquet", r"at least one row and column; got shape \(0, 0\)"


def splits(folder: Path) -> tuple[Path, str]:
    split = datasets.Dataset(table())
    datasets.DatasetDict({"train": split, "test": split}).save_to_disk(folder / "saved")
    return folder / "saved", r"holds the splits train, test; name the folder of one, as .*saved/train"


def missing_arrow(folder: Path) -> tuple[Path, str]:
    next(saved_dataset(folder).glob("data-00001*")).unlink()
    return folder / "saved", r"data-00001-of-00003\.arrow"


def unfinished_arrow(folder: Path) -> tuple[Path, str]:
    path = arrow_stream(folder)
    path.write_bytes(path.read_bytes()[:-8])
    return path, r"x\.arrow is unfinished"


def truncated_arrow_file(folder: Path) -> tuple[Path, str]:
    path = arrow_file(folder)
    path.write_bytes(path.read_bytes()[:-8])
    return path, r"x\.arrow is not a valid \.arrow file"


def compressed_arrow(folder: Path) -> tuple[Path, str]:
    big = table(np.ones((5000, 4), np.float32), names=["x"] * 5000)
    with pa.ipc.new_file(folder / "x.arrow", big.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
        out.write_table(big)
    return folder / "x.arrow", "is compressed, so it cannot be mapped"


def ragged_arrow(folder: Path) -> tuple[Path, str]:
    rows = pa.table({"v": [[1.0, 2.0]] * 6 + [[1.0]]})
    with pa.ipc.new_stream(folder / "x.arrow", rows.schema) as out:
        out.write_table(rows, max_chunksize=2)
    return folder / "x.arrow", r"x\.arrow must have 2 dimensions; row 6 has 1"


def mapped_indices(folder: Path) -> tuple[Path, str]:
    path = saved_dataset(folder)
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**state, "_indices_data_files": [{"filename": "i.arrow"}]}))
    return path, r"has an index mapping; save it again with flatten_indices\(\)"


def short_fbin(folder: Path) -> tuple[Path, str]:
    path = fbin(folder)
    path.write_bytes(path.read_bytes()[:-1])
    return path, r"x\.fbin is not a valid \.fbin file: 50 × 4 rows of float32 take 808 bytes, the file has 807"


def no_fbin(folder: Path) -> tuple[Path, str]:
    (folder / "x.fbin").write_bytes(b"abc")
    return folder / "x.fbin", r"x\.fbin is not a valid \.fbin file"


def empty_fbin(folder: Path) -> tuple[Path, str]:
    (folder / "x.fbin").write_bytes(struct.pack("<II", 0, 4))
    return folder / "x.fbin", "at least one row and column"


def short_fvecs(folder: Path) -> tuple[Path, str]:
    path = fvecs(folder)
    path.write_bytes(path.read_bytes()[:-4])
    return path, r"x\.fvecs is not a valid \.fvecs file: rows of 4 float32 take 20 bytes each"


def other_fvecs(folder: Path) -> tuple[Path, str]:
    path = fvecs(folder)
    data = bytearray(path.read_bytes())
    data[20 * 33 : 20 * 33 + 4] = struct.pack("<i", 3)
    path.write_bytes(data)
    return path, r"x\.fvecs must have 4 dimensions; row 33 has 3"


def negative_fvecs(folder: Path) -> tuple[Path, str]:
    (folder / "x.fvecs").write_bytes(struct.pack("<i", -1))
    return folder / "x.fvecs", r"x\.fvecs is not a valid"


def no_hdf5(folder: Path) -> tuple[Path, str]:
    pytest.importorskip("h5py")
    (folder / "x.h5").write_bytes(b"not hdf5")
    return folder / "x.h5", r"x\.h5 is not a valid \.h5 file"


def no_zarr(folder: Path) -> tuple[Path, str]:
    pytest.importorskip("zarr")
    (folder / "x.zarr").mkdir()
    return folder / "x.zarr", r"x\.zarr is not a valid \.zarr file"


HOSTILE = [
    nulls, first_null, inner_null, ragged, no_lists, two_columns, unknown_column, column_of_text, truncated_parquet,
    damaged_pages, null_id, float_id, bytes_id, another_width, some_without_ids, no_rows, splits, missing_arrow,
    unfinished_arrow, truncated_arrow_file, compressed_arrow, ragged_arrow, mapped_indices, short_fbin, no_fbin,
    empty_fbin, short_fvecs, other_fvecs, negative_fvecs, no_hdf5, no_zarr,
]  # fmt: skip


@pytest.mark.parametrize("spoil", HOSTILE)
def test_a_spoilt_file_is_one_line_that_names_it(tmp_path: Path, spoil: Callable[[Path], tuple[Path, str]]) -> None:
    path, says = spoil(tmp_path)
    with pytest.raises(DataError, match=says) as error:
        load_vectors(path).docs[:]
    assert "\n" not in str(error.value)
    assert path.name.partition("#")[0] in str(error.value)
