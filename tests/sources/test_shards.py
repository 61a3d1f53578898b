"""Corpora in several files: the same results as from one file, and one line about what is wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embgeo.api import analyze, compress
from embgeo.compression.search.store import load_store
from embgeo.errors import DataError
from embgeo.sources.vector_files import load_queries, load_vectors

RNG = np.random.default_rng(0)
X = RNG.standard_normal((23, 4)).astype(np.float32)
CUTS = (5, 5, 16)  # the second shard is empty


def write(folder: Path, names: list[str], matrix: np.ndarray = X) -> list[Path]:
    """Shards of a matrix under these names, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = CUTS if len(names) == len(CUTS) + 1 else [len(matrix) * at // len(names) for at in range(1, len(names))]
    for name, part in zip(names, np.split(matrix, cuts), strict=True):
        np.save(folder / name, part)
    return [folder / name for name in names]


def numbered(count: int, form: str = "emb_{}.npy") -> list[str]:
    return [form.format(number) for number in range(count)]


@pytest.mark.parametrize("place", ["", "emb_*.npy", "emb_?.npy", "../*/emb_*.npy"])
def test_shards_are_one_matrix(tmp_path: Path, place: str) -> None:
    write(tmp_path / "shards", numbered(4))
    (tmp_path / "shards" / "README.md").write_text("not vectors")
    (tmp_path / "shards" / "_SUCCESS").touch()
    (tmp_path / "shards" / ".emb_9.npy").write_bytes(b"hidden")
    (tmp_path / "shards" / "inner").mkdir()
    np.save(tmp_path / "one.npy", X)
    found, one = load_vectors(tmp_path / "shards" / place), load_vectors(tmp_path / "one.npy")
    np.testing.assert_array_equal(found.docs[:], X)
    assert found.fingerprint == one.fingerprint
    assert found.form == "23 × 4 float32 in 4 .npy files, ids: row numbers"
    np.testing.assert_array_equal(load_queries(tmp_path / "shards"), X)
    np.testing.assert_array_equal(load_vectors(tmp_path / "one.npy", tmp_path / "shards").queries, X)


def test_the_order_is_natural(tmp_path: Path) -> None:
    Y = np.arange(12, dtype=np.float32)[:, None] + 1
    write(tmp_path, numbered(12), Y)
    np.testing.assert_array_equal(load_vectors(tmp_path).docs[:], Y)


def test_results_are_those_of_one_file(tmp_path: Path) -> None:
    Y = RNG.standard_normal((700, 16)).astype(np.float32)
    np.save(tmp_path / "one.npy", Y)
    np.save(tmp_path / "queries.npy", Y[:60] + np.float32(0.1))
    write(tmp_path / "shards", [f"part-{number:05d}-of-00007.npy" for number in range(7)], Y)
    outcomes = []
    for name in ("one.npy", "shards"):
        asked = {"queries_vectors": tmp_path / "queries.npy", "out": tmp_path / f"runs-{name}"}
        sizes = compress(f"vectors:{tmp_path / name}", specs=["int8", "pca8,int4"], **asked)
        shape = analyze(f"vectors:{tmp_path / name}", quick=True, **asked)
        stores = [load_store(path) for path in sorted(sizes.folder.rglob("*.safetensors"))]
        assert len(stores) == (1 if name == "one.npy" else 7)
        store = np.concatenate([each.codes for each in stores]).tobytes()
        rows = [
            {key: row[key] for key in ("spec", "ndcg@10", "recall@10_exact", "store_bytes", "bytes_per_vector")}
            for row in sizes.result["tradeoffs"]
        ]
        measured = {name: one["value"] for name, one in shape.result["signature"].items()}
        outcomes.append((hashlib.sha256(store).hexdigest(), rows, measured, sizes.result["model"]["fingerprint"]))
    assert outcomes[0] == outcomes[1]
    assert shape.result["model"]["form"] == "700 × 16 float32 in 7 .npy files, ids: row numbers"


def bad_width(folder: Path) -> str:
    np.save(folder / "emb_2.npy", X[:, :3])
    return r"emb_2\.npy must have the dimension and dtype of emb_0\.npy, 4 and float32; it has 3 and float32"


def bad_dtype(folder: Path) -> str:
    np.save(folder / "emb_2.npy", X.astype(np.float16))
    return r"emb_2\.npy must have .* it has 4 and float16"


def truncated(folder: Path) -> str:
    path = folder / "emb_1.npy"
    path.write_bytes(path.read_bytes()[:-1])
    return r"emb_1\.npy is not a valid \.npy file"


def no_bytes(folder: Path) -> str:
    (folder / "emb_1.npy").write_bytes(b"")
    return r"emb_1\.npy is not a valid \.npy file"


def missing(folder: Path) -> str:
    (folder / "emb_2.npy").unlink()
    return r"emb_2\.npy is missing from the series emb_0\.npy … emb_3\.npy"


def unfinished(folder: Path) -> str:
    (folder / "emb_4.npy.part").touch()
    return r"emb_4\.npy\.part is unfinished"


def of_several(folder: Path) -> str:
    for path in folder.iterdir():
        number, total = int(path.stem[-1]) % 2, 2 + int(path.stem[-1]) // 2
        path.rename(folder / f"part-0000{number}-of-0000{total}.npy")
    return r"mixes shards of several corpora, -of-00002 and -of-00003; .*'\*-of-00002\*'"


def of_more(folder: Path) -> str:
    for path in folder.iterdir():
        path.rename(folder / f"part-0000{path.stem[-1]}-of-00006.npy")
    return r"part-00004-of-00006\.npy and 1 more is missing"


def of_one(folder: Path) -> str:
    for path in sorted(folder.iterdir()):
        path.unlink() if path.stem[-1] != "3" else path.rename(folder / "part-00003-of-00004.npy")
    return r"part-00000-of-00004\.npy and 2 more is missing"


def mixed(folder: Path) -> str:
    np.savez(folder / "other.npz", docs=X)
    return r"several kinds of vector files \(\.npy, \.npz\); name one, as '.*\*\.npy'"


def two_names(folder: Path) -> str:
    np.save(folder / "queries.npy", X)
    return r"several names \(emb_0\.npy, queries\.npy\); .* as in '.*emb_\*\.npy'"


def a_vector(folder: Path) -> str:
    np.save(folder / "emb_1.npy", X[0])
    return r"emb_1\.npy must hold a matrix \(rows, dimension\); got shape \(4,\)"


def all_empty(folder: Path) -> str:
    for path in folder.iterdir():
        np.save(path, X[:0])
    return r"the 4 files of .* hold no vectors"


def integers(folder: Path) -> str:
    for path in folder.iterdir():
        np.save(path, np.ones((2, 4), np.int32))
    return "must be float16"


def nested(folder: Path) -> str:
    (folder / "img_emb").mkdir()
    for path in folder.glob("*.npy"):
        path.rename(folder / "img_emb" / path.name)
    return r"holds no vector files .*; its folders are img_emb"


def ids_missing(folder: Path) -> str:
    (folder / "emb_0.txt").write_text("a\nb\nc\nd\ne\n")
    return r"emb_1\.txt is missing: others of these shards have ids"


def ids_too_few(folder: Path) -> str:
    (folder / "ids.txt").write_text("a\nb\n")
    return r"ids\.txt must hold one id for each of 23 vectors; it has 2"


def ids_not_text(folder: Path) -> str:
    (folder / "ids.txt").write_bytes(b"\xff\n" * 23)
    return r"the ids in .*ids\.txt must be UTF-8"


HOSTILE: list[Callable[[Path], str]] = [
    bad_width, bad_dtype, truncated, no_bytes, missing, unfinished, of_more, of_one, mixed, two_names, of_several,
    a_vector, all_empty, integers, nested, ids_missing, ids_too_few, ids_not_text,
]  # fmt: skip


@pytest.mark.parametrize("spoil", HOSTILE)
def test_a_spoilt_folder_is_one_line_that_names_the_file(tmp_path: Path, spoil: Callable[[Path], str]) -> None:
    write(tmp_path, numbered(4))
    says = spoil(tmp_path)
    with pytest.raises(DataError, match=says) as error:
        load_vectors(tmp_path)
    assert "\n" not in str(error.value)


def test_a_pattern_sees_the_unfinished_file_that_it_does_not_match(tmp_path: Path) -> None:
    write(tmp_path, numbered(4))
    (tmp_path / "other_4.npy.part").touch()
    load_vectors(tmp_path / "emb_*.npy")
    (tmp_path / "emb_4.npy.part").touch()
    with pytest.raises(DataError, match=r"emb_4\.npy\.part is unfinished"):
        load_vectors(tmp_path / "emb_*.npy")


def test_a_pattern_without_files_and_a_column_that_npy_has_not(tmp_path: Path) -> None:
    write(tmp_path, numbered(4))
    with pytest.raises(DataError, match=r"the pattern .* holds no vector files"):
        load_vectors(tmp_path / "img_*.npy")
    with pytest.raises(DataError, match=r"#vector names a column; \.npy files have none"):
        load_vectors(Path(f"{tmp_path}#vector"))


@pytest.mark.parametrize(
    "names",
    [
        ["emb_1.npy", "emb_2.npy", "emb_3.npy"],
        ["emb_7.npy", "emb_8.npy"],
        ["part-00001-of-00002.npy", "part-00002-of-00002.npy"],
        ["x-20230131.npy", "x-20230201.npy"],
        ["from_0_to_10.npy", "from_10_to_17.npy"],
        ["part-00000-0a1b2c3d-0000-4000-8000-0123456789ab.npy", "part-00001-0a1b2c3d-0000-4000-8000-0123456789ab.npy"],
    ],
)
def test_series_that_are_complete(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path, names)
    np.testing.assert_array_equal(load_vectors(tmp_path).docs[:], X)


def test_a_pattern_with_brackets_selects_on_purpose(tmp_path: Path) -> None:
    paths = write(tmp_path, numbered(4))
    found = load_vectors(tmp_path / "emb_[03].npy").docs[:]
    np.testing.assert_array_equal(found, np.concatenate([np.load(paths[0]), np.load(paths[3])]))


NAMES = [f"d{number:03d}é" for number in range(len(X))]


def beside_as_text(folder: Path, parts: list[list[str]]) -> str:
    for number, part in enumerate(parts):
        (folder / f"emb_{number}.txt").write_bytes("".join(f"{name}\r\n" for name in part).encode())
    return f"4 files such as {folder.name}/emb_0.txt"


def beside_as_parquet(folder: Path, parts: list[list[str]]) -> str:
    for number, part in enumerate(parts):
        pq.write_table(pa.table({"n": pa.array([1.0] * len(part)), "doc_id": part or pa.array([], pa.string())}),
                       folder / f"emb_{number}.parquet")  # fmt: skip
    return f"4 files such as {folder.name}/emb_0.parquet"


def laion(folder: Path, parts: list[list[str]]) -> str:
    (folder.parent / "metadata").mkdir()
    for number, part in enumerate(parts):
        table = pa.table({"caption": ["…"] * len(part), "key": pa.array(part, pa.string()).dictionary_encode()})
        pq.write_table(table, folder.parent / "metadata" / f"metadata_{number}.parquet")
    return "4 files such as metadata/metadata_0.parquet"


def one_text(folder: Path, parts: list[list[str]]) -> str:
    (folder / "ids.txt").write_text("\n".join(name for part in parts for name in part), encoding="utf-8")
    return "ids.txt"


def one_array(folder: Path, parts: list[list[str]]) -> str:
    np.save(folder / "ids.npy", np.array([name for part in parts for name in part]))
    return "ids.npy"


@pytest.mark.parametrize("put", [beside_as_text, beside_as_parquet, laion, one_text, one_array])
def test_ids_are_found_beside_the_shards(tmp_path: Path, put: Callable[[Path, list[list[str]]], str]) -> None:
    folder = tmp_path / "img_emb"
    write(folder, numbered(4))
    where = put(folder, [list(part) for part in np.split(np.array(NAMES), CUTS)])
    found = load_vectors(folder)
    assert found.doc_ids == NAMES
    assert re.search(f"ids: {re.escape(where)}$", found.form), found.form


def test_metadata_without_a_column_of_ids_are_said(tmp_path: Path) -> None:
    write(tmp_path, numbered(4))
    (tmp_path / "metadata").mkdir()
    for number in range(4):
        pq.write_table(pa.table({"caption": ["…"]}), tmp_path / "metadata" / f"metadata_{number}.parquet")
    found = load_vectors(tmp_path)
    assert found.doc_ids is None
    assert found.form.endswith("ids: row numbers: metadata/metadata_0.parquet has no column id, _id, doc_id or key")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_small_integers_are_values_with_a_warning(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "x.npy", (X * 10).clip(0).astype(dtype))
    found = load_vectors(tmp_path / "x.npy")
    assert found.docs.dtype == dtype
    assert [
        re.search("taken as the values of the vectors; .*decode", warning) is not None for warning in found.warnings
    ] == [True]
