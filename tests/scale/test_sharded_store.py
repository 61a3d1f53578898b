"""Stores in shards: what is in them, what interrupts their writing, and what is said of damage."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embgeo
from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.store import load_store, write_store
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.errors import InputError, RunFormatError, StorageError
from embgeo.files.digest import file_digest
from embgeo.files.rows import StackedRows
from embgeo.pipelines.in_shards import KEPT_DAYS
from embgeo.reports import write_report
from embgeo.run import Run
from embgeo.scale import store as sharded
from embgeo.scale.engine import Local
from embgeo.scale.store import ShardedSearcher, ShardedStore, adopt, load_sharded, write_sharded

SIZES = (300, 1, 250, 149)
X = np.random.default_rng(0).standard_normal((sum(SIZES), 12)).astype(np.float32)
Q = np.random.default_rng(1).standard_normal((20, 12)).astype(np.float32)
IDS = [f"döc-{row}" for row in range(len(X))]


def corpus() -> Embeddings:
    parts = np.split(X, np.cumsum(SIZES)[:-1])
    return check_embeddings(StackedRows(parts), Q, IDS, None, "cosine")


def codec(spec: str = "pca8,int8") -> Codec:
    return fit_codec(parse(spec), Training(corpus().matrix(), "cosine"))


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(folder.iterdir())}


def written(folder: Path, key: str = "k") -> ShardedStore:
    return write_sharded(folder, codec(), corpus(), Local(), key)


def flip(path: Path) -> None:
    """One bit of the last code, which no header shows."""
    store = load_store(path)
    at = store.codes.offset + store.codes.size - 1  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.unlink()  # the file may have another name
    path.write_bytes(data)


class Stopping(Local):
    """An engine that dies after some tasks."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def map(self, function: Callable[..., Any], items: Iterable[Any], *constants: Any) -> Iterator[Any]:
        for number, found in enumerate(super().map(function, items, *constants), start=1):
            yield found
            if number == self.tasks:
                raise KeyboardInterrupt


def test_every_shard_is_a_store_of_its_documents(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    held = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert [one["rows"] for one in held["shards"]] == list(SIZES)
    assert held["rows"] == len(X)
    assert held["bytes"] == sum(path.stat().st_size for path in tmp_path.glob("store/*.safetensors"))
    assert {one["file"]: one["sha256"] for one in held["shards"]} == {
        name: found for name, found in hashes(tmp_path / "store").items() if name != "manifest.json"
    }
    whole, again = codec().encode(corpus().matrix()), load_sharded(tmp_path / "store")
    assert again == store
    parts = [again.open(number) for number in range(len(SIZES))]
    np.testing.assert_array_equal(np.concatenate([part.codes for part in parts]), whole)
    assert [name for part in parts for name in part.doc_ids] == IDS


def test_search_is_that_of_one_store(tmp_path: Path) -> None:
    e = corpus()
    for spec in ("f32", "pca8,int8", "binary+int8@8", "adaptive@6B"):
        folder = tmp_path / spec
        store = write_sharded(folder, codec(spec), e, Local(), "k")
        write_store(tmp_path / "one", codec(spec), [codec(spec).encode(e.matrix())], IDS)
        one = load_store(tmp_path / "one")
        scores, rows = ShardedSearcher(store, Local()).search(e.query_matrix(), 7)
        expected = embgeo.VectorCodec.load(tmp_path / "one").search(Q, one.codes, 7)
        if "@8" not in spec:  # rescoring has more candidates: some of every shard
            np.testing.assert_allclose(scores, expected[0], rtol=1e-5, atol=1e-5)
            assert (rows == expected[1]).mean() > 0.99
        assert (np.diff(scores, axis=1) <= 0).all()
        assert store.ids(rows[0]) == [IDS[row] for row in rows[0]]
        np.testing.assert_array_equal(store.whole().codes, one.codes)
        assert list(store.whole().doc_ids) == IDS


def test_more_is_asked_for_than_a_shard_has(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    scores, rows = ShardedSearcher(store, Local()).search(corpus().query_matrix(), len(X) + 5)
    assert (np.sort(rows[:, :-5], axis=1) == np.arange(len(X))).all()
    assert (rows[:, -5:] == -1).all()
    assert np.isneginf(scores[:, -5:]).all()


def test_an_interrupted_write_goes_on(tmp_path: Path) -> None:
    written(tmp_path / "whole")
    folder = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        write_sharded(folder, codec(), corpus(), Stopping(2), "k")
    with pytest.raises(StorageError):
        load_sharded(folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert len(before) == 2
    (folder / ".~elsewhere~1~00000000.tmp").write_bytes(b"partial, of a machine that died")
    written(folder)
    assert hashes(folder) == hashes(tmp_path / "whole")
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert {name: after[name] for name in before} == before, "finished shards are not made again"


@pytest.mark.parametrize("other", ["key", "codec"])
def test_shards_of_something_else_are_made_again(tmp_path: Path, other: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_sharded(tmp_path, codec("pca8,int8" if other == "key" else "pca6,int8"), corpus(), Stopping(2), other)
    written(tmp_path)
    assert load_sharded(tmp_path).open(0).codes.shape == (300, 8)
    whole = written(tmp_path / "whole")
    assert hashes(whole.folder) == {path.name: file_digest(path) for path in tmp_path.glob("*.*")}


def test_a_flipped_byte_is_found_and_only_its_shard_made_again(tmp_path: Path) -> None:
    written(tmp_path / "whole")
    folder = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        write_sharded(folder, codec(), corpus(), Stopping(3), "k")
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    flip(folder / "shard-00002.safetensors")
    written(folder)
    assert hashes(folder) == hashes(tmp_path / "whole")
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert [name for name in before if before[name] != after[name]] == ["shard-00002.safetensors"]


def test_what_an_earlier_store_has_is_kept(tmp_path: Path) -> None:
    before, folder = tmp_path / "before", tmp_path / "store"
    written(before)
    whole = hashes(before)
    flip(before / "shard-00000.safetensors")
    adopt(folder, before, "k", codec())
    written(folder)
    assert hashes(folder) == whole
    shared = [name for name in whole if name != "manifest.json" and (folder / name).samefile(before / name)]
    assert shared == [f"shard-0000{number}.safetensors" for number in (1, 2, 3)]
    adopt(tmp_path / "other", before, "another", codec())
    adopt(tmp_path / "other", tmp_path / "none", "k", codec())
    assert not (tmp_path / "other").exists()


def test_a_full_disk_leaves_the_finished_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from embgeo.scale import passes

    def full(path: Path, *rest: Any) -> int:
        if path.name == "shard-00002.safetensors":
            raise StorageError("the store must be written; No space left on device")
        return write_store(path, *rest)

    monkeypatch.setattr(passes, "write_store", full)
    with pytest.raises(StorageError, match="No space left"):
        written(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "shard-00000.safetensors",
        "shard-00001.safetensors",
    ]


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: (f / "shard-00001.safetensors").unlink(), "shard-00001.safetensors is missing"),
    "short": (lambda f: (f / "shard-00001.safetensors").write_bytes(b"x"), "shard-00001.safetensors must have"),
    "no JSON": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is not the manifest"),
    "no shards": (lambda f: change(f, shards=[]), "its shards and its rows disagree"),
    "rows": (lambda f: change(f, rows=5), "its shards and its rows disagree"),
    "newer": (lambda f: change(f, embgeo_shards=9), "has format 9"),
    "elsewhere": (lambda f: change(f, file="../x"), "its shards and its rows disagree"),
}


def change(folder: Path, **facts: Any) -> None:
    held = json.loads((folder / "manifest.json").read_text())
    if "file" in facts:
        held["shards"][0]["file"] = facts.pop("file")
    (folder / "manifest.json").write_text(json.dumps(held | facts))


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    written(tmp_path)
    break_it, said = DAMAGE[damage]
    break_it(tmp_path)
    with pytest.raises(RunFormatError, match=said):
        load_sharded(tmp_path)


def test_a_shard_of_another_store_is_named(tmp_path: Path) -> None:
    store = written(tmp_path / "a")
    write_sharded(tmp_path / "b", codec("pca8,fp8"), corpus(), Local(), "k")
    (tmp_path / "b" / "shard-00003.safetensors").replace(tmp_path / "a" / "shard-00003.safetensors")
    with pytest.raises(RunFormatError, match=r"shard-00003\.safetensors belongs to another store"):
        store.open(3)
    (tmp_path / "a" / "shard-00002.safetensors").write_bytes(b"x" * store.containers[2].bytes)
    with pytest.raises(RunFormatError, match=r"shard-00002\.safetensors is not an embgeo store"):
        store.open(2)


def test_what_exceeds_the_memory_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "environment", lambda: {"memory_bytes": 2 * 8 * len(X) - 1})
    with pytest.raises(InputError, match="needs their codes twice in memory"):
        written(tmp_path).whole()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("vectors")
    (place / "shards").mkdir()
    for number, part in enumerate(np.split(X, np.cumsum(SIZES)[:-1])):
        np.save(place / "shards" / f"emb_{number}.npy", part)
        (place / "shards" / f"emb_{number}.txt").write_text(
            "".join(f"{name}\n" for name in IDS[sum(SIZES[:number]) :][: len(part)])
        )
    np.savez(place / "one.npz", docs=X, doc_ids=IDS)
    np.save(place / "queries.npy", Q)
    return place


def compressed(folder: Path, name: str, out: Path) -> Run:
    options: dict[str, Any] = {"queries_vectors": folder / "queries.npy", "specs": ["int8"], "threads": 1}
    return embgeo.compress(f"vectors:{folder / name}", out=out, **options)


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    out = tmp_path_factory.mktemp("runs")
    return compressed(folder, "shards", out), compressed(folder, "one.npz", out)


def test_a_run_with_a_store_in_shards_is_a_run(runs: tuple[Run, Run], tmp_path: Path) -> None:
    run, one = runs
    assert sorted(path.name for path in run.folder.glob("store/*")) == [
        "manifest.json", *(f"shard-0000{number}.safetensors" for number in range(4)),
    ]  # fmt: skip
    assert not list(run.folder.parent.glob(".store-*"))
    for number in (0, 7):
        mine, theirs = (embgeo.search(each, vector=Q[number], k=12) for each in (run, one))
        assert [hit.id for hit in mine] == [hit.id for hit in theirs]
    write_report([run], tmp_path / "report.html")
    found = embgeo.compare([run, one], out=tmp_path)
    assert len(found.result["runs"]) == 2
    deployed = embgeo.deploy(run, "faiss")
    assert deployed.rows == len(X)
    # recall and rows do not depend on where the store lies
    rows = [(row["spec"], row["recall@10_exact"], row["bytes_per_vector"]) for row in run.result["tradeoffs"]]
    assert rows == [(row["spec"], row["recall@10_exact"], row["bytes_per_vector"]) for row in one.result["tradeoffs"]]


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs FAISS")
def test_faiss_gets_one_index(runs: tuple[Run, Run], tmp_path: Path) -> None:
    import faiss

    run, one = runs
    made = [embgeo.export(each, tmp_path / each.name) for each in (run, one)]
    assert made[0].rows == len(X)
    asked = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    found = [faiss.read_index(str(each.path)).search(asked, 10) for each in made]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)


def test_the_same_command_mends_a_damaged_store(folder: Path, tmp_path: Path) -> None:
    run = compressed(folder, "shards", tmp_path)
    whole = hashes(run.folder / "store")
    before = {path.name: path.stat().st_mtime_ns for path in run.folder.glob("store/*.safetensors")}
    flip(run.folder / "store" / "shard-00002.safetensors")
    with pytest.raises(RunFormatError, match=r"shard-00002\.safetensors is damaged"):
        embgeo.export(run, tmp_path / "x.faiss")
    again = compressed(folder, "shards", tmp_path)
    assert again.folder == run.folder
    assert hashes(run.folder / "store") == whole
    after = {path.name: path.stat().st_mtime_ns for path in run.folder.glob("store/*.safetensors")}
    assert [name for name in before if before[name] != after[name]] == ["shard-00002.safetensors"]


def test_an_unfinished_store_is_named_and_not_kept_for_ever(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("embgeo.scale.store.write_text", stop)  # the manifest
        with pytest.raises(KeyboardInterrupt):
            compressed(folder, "shards", tmp_path)
    [left] = tmp_path.glob(".store-*")
    assert len(list(left.glob("*.safetensors"))) == 4
    assert f"finished shards are kept in {left} for the same command" in caplog.text

    old = time.time() - 86_400 * (KEPT_DAYS - 0.1)
    for path in left.iterdir():
        os.utime(path, (old, old))
    compressed(folder, "one.npz", tmp_path)
    assert left.is_dir(), "another command leaves it"
    for path in left.iterdir():
        os.utime(path, (old - 86_400, old - 86_400))
    caplog.clear()
    compressed(folder, "one.npz", tmp_path)
    assert not left.exists()
    assert f"removed {left}, an unfinished store of" in caplog.text


def test_an_index_is_built_over_all_shards(folder: Path, tmp_path: Path) -> None:
    run = embgeo.compress(
        f"vectors:{folder / 'shards'}", queries_vectors=folder / "queries.npy", specs=["hnsw8,int8"], out=tmp_path
    )
    assert [path.name for path in run.folder.glob("store*")] == ["store.safetensors"]
