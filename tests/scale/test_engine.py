"""Shards, engines, and exact search by shards."""

from __future__ import annotations

import pickle
import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embgeo
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.held_out import rank_blocks
from embgeo.embeddings import check_embeddings
from embgeo.errors import DataError, EngineError, InputError, MissingExtraError
from embgeo.files.rows import StackedRows
from embgeo.progress import silent
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.top_k import TopK, tie_order
from embgeo.scale import engine, shards
from embgeo.scale.engine import Local, check_engine
from embgeo.scale.reader import ShardedReader, reader_of
from embgeo.scale.shards import is_sharded, shards_of
from embgeo.sources.scratch import copied
from embgeo.sources.vector_files import load_vectors

RNG = np.random.default_rng(0)
X = RNG.standard_normal((500, 8)).astype(np.float32)


def test_an_item_that_fails_stops_no_other() -> None:
    def halved(number: int, half: int) -> int:
        if number % half:
            raise DataError(f"{number} is odd")
        return number // half

    found = dict(Local().as_ended(halved, [4, 5, 6], 2, after={2: 0}))
    assert (found[0], str(found[1]), found[2]) == (2, "5 is odd", 3)


@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_joined_parts_are_the_whole(seed: int, k: int, by_place: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (3, 40)).astype(np.float32)  # many ties
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    places = rng.permutation(40) if by_place else None
    whole, joined = TopK.empty(3, k, places), TopK.empty(3, k, places)
    whole.merge(scores, np.arange(40))
    cuts = [0, *np.sort(rng.integers(0, 41, 3)).tolist(), 40]
    for a, b in pairwise(cuts):
        part = TopK.empty(3, k, places)
        part.merge(scores[:, a:b], np.arange(a, b))
        joined.join(part.scores, part.rows)
    np.testing.assert_array_equal(joined.scores, whole.scores)
    np.testing.assert_array_equal(joined.rows[np.isfinite(whole.scores)], whole.rows[np.isfinite(whole.scores)])


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("k", [3, 100])
def test_exact_search_by_shards_is_exact_search(similarity: str, k: int) -> None:
    docs = X.copy()
    docs[[5, 120, 300, 301, 499]] = docs[7]  # copies in several shards, one before the first cut
    ids = [f"d{row}" for row in RNG.permutation(500)]
    parts = np.split(docs, [30, 31, 300])
    e = check_embeddings(StackedRows(parts), docs[:40], ids, ids[:40], similarity)
    one = check_embeddings(docs, docs[:40], ids, ids[:40], similarity)
    for drop in (False, True):
        found = exact_search(e, k, drop_own_document=drop, scan=ShardedReader(Local()).scan)
        expected = exact_search(one, k, drop_own_document=drop)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])


def test_a_corpus_in_one_piece_is_not_spread() -> None:
    e = check_embeddings(X, X[:3])
    assert not is_sharded(e)
    assert reader_of(e, Local()) is None


def test_ranking_by_shards_is_ranking() -> None:
    docs = X.copy()
    docs[[5, 120, 300, 301, 499]] = docs[7]
    parts = np.split(docs, [30, 31, 300])
    ids = [f"d{row}" for row in RNG.permutation(500)]
    e, one = (check_embeddings(rows, docs[:40], ids, ids[:40]) for rows in (StackedRows(parts), docs))
    training = Training(one.matrix(), one.similarity)
    depths = {"int8": 7, "pca4,binary": 400}
    tiers = {spec: (fit_codec(parse(spec), training).tiers[0], k) for spec, k in depths.items()}
    found = ShardedReader(Local()).rank(e, e.query_matrix(), tiers)
    expected = rank_blocks(one, one.query_matrix(), tiers, tie_order(one.doc_ids))
    for name in tiers:  # products of blocks of another shape may differ in their last bit
        np.testing.assert_allclose(found[name].scores, expected[name].scores, atol=1e-6)
        assert (found[name].rows == expected[name].rows).mean() > 0.95


def test_large_pieces_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    e = check_embeddings(StackedRows([X[:0], X[:100], X[100:107], X[107:]]))
    assert [(one.first, one.rows) for one in shards_of(e)] == [(0, 100), (100, 7), (107, 393)]
    monkeypatch.setattr(shards, "SHARD_BYTES", 32 * 200)
    monkeypatch.setattr(shards, "ONE_PIECE_BYTES", 32 * 499)
    assert [(one.first, one.rows) for one in shards_of(e)] == [(0, 100), (100, 7), (107, 196), (303, 197)]
    assert is_sharded(check_embeddings(X))
    assert not is_sharded(check_embeddings(X[:499]))
    whole = shards_of(check_embeddings(X, similarity="dot"))
    np.testing.assert_array_equal(np.concatenate([block for one in whole for block in one.blocks()]), X)


def test_a_mapped_shard_is_sent_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    e = check_embeddings(StackedRows([mapped, X[:50]]), similarity="euclidean")
    by_name, by_value = shards_of(e)
    sent = pickle.dumps(by_name)
    assert len(sent) < 1000
    assert len(pickle.dumps(by_value)) > X[:50].nbytes
    for one in (by_name, by_value):
        again = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(np.concatenate(list(again.blocks())), np.concatenate(list(one.blocks())))
    (tmp_path / "a.npy").unlink()
    with pytest.raises(DataError, match=r"a\.npy must be readable where a task runs"):
        pickle.loads(sent)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_files_of_columns_are_shards_that_are_sent_by_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / "shards").mkdir()
    for number, part in enumerate((X[:120], X[120:])):
        path = str(tmp_path / "shards" / f"emb_{number}.{kind}")
        column = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), X.shape[1])
        table = pa.table({"id": [f"d{row}" for row in range(len(part))], "v": column})
        if kind == "parquet":
            pq.write_table(table, path, row_group_size=50)
        else:
            with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
                stream.write_table(table, 50)
    found = load_vectors(tmp_path / "shards")
    e = check_embeddings(found.docs, similarity="dot")
    made = shards_of(e)
    assert [(one.first, one.rows) for one in made] == [(0, 120), (120, 380)], "a shard for each file, not each batch"
    for one, part in zip(made, (X[:120], X[120:]), strict=True):
        sent = pickle.dumps(one)
        assert len(sent) < 1000
        for each in (one, pickle.loads(sent)):
            np.testing.assert_array_equal(np.concatenate(list(each.blocks())), part)
    cut = replace(made[1], start=70, rows=90)  # it begins within a row group
    again = pickle.loads(pickle.dumps(cut)).embeddings()
    np.testing.assert_array_equal(np.concatenate([block for _, block in again.blocks()]), X[190:280])
    np.testing.assert_array_equal(again.rows(np.array([80, 3, 41])), X[190:280][[80, 3, 41]])
    assert not is_sharded(check_embeddings(load_vectors(tmp_path / "shards" / f"emb_1.{kind}").docs))
    (tmp_path / "shards" / f"emb_1.{kind}").unlink()
    with pytest.raises(DataError, match=rf"emb_1\.{kind} must be readable where a task runs"):
        pickle.loads(pickle.dumps(made[1]))


def test_a_copy_of_some_files_is_that_of_all() -> None:
    """As of HDF5 files of which one is compressed: that is read in order, the other is a map."""

    class InOrder(StackedRows):
        pieces = property(lambda self: (self,))

    slow = InOrder([X[:100]])
    slow.in_order = True
    docs, warnings = copied(StackedRows([slow, X[100:]]), "x")
    assert not warnings
    assert not docs.in_order
    made = shards_of(check_embeddings(docs, similarity="dot"))
    assert [(one.first, one.rows) for one in made] == [(0, 100), (100, 400)]
    again = [block for one in made for block in pickle.loads(pickle.dumps(one)).blocks()]
    np.testing.assert_array_equal(np.concatenate(again), X)


def test_a_view_of_a_map_keeps_its_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.hstack([X, X]))
    views = [np.load(tmp_path / "a.npy", mmap_mode="r")[:, 8:], np.load(tmp_path / "a.npy", mmap_mode="r")[100:, :8]]
    for one, expected in zip(
        shards_of(check_embeddings(StackedRows(views), similarity="dot")), (X, X[100:]), strict=True
    ):
        np.testing.assert_array_equal(np.concatenate(list(pickle.loads(pickle.dumps(one)).blocks())), expected)


def test_progress_is_told_by_shard() -> None:
    told: list[int] = []
    e = check_embeddings(StackedRows([X[:100], X[100:]]), X[:2])
    exact_search(e, 3, scan=ShardedReader(Local()).scan, progress=lambda stage, done, total: told.append(done))
    assert told == [100, 500]
    assert silent("", 0, 1) is None


def test_engines_that_cannot_run_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="engine must be one of local, ray; got 'spark'"):
        check_engine("spark", None)
    with pytest.raises(InputError, match="--address names a running Ray cluster"):
        check_engine("local", "127.0.0.1:6379")
    monkeypatch.setattr(engine, "find_spec", lambda name: object())
    with pytest.raises(InputError, match="--address must be HOST:PORT of the head of a Ray cluster; got 'auto'"):
        check_engine("ray", "auto")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        check_engine("ray", address)
    with pytest.raises(EngineError, match=f"^no Ray cluster answers at {address}: .*refused"):
        embgeo.compress(X, engine="ray", address=address)
    with pytest.raises(EngineError, match=f"^no Ray cluster answers at {address}: .*refused"):
        embgeo.analyze(X, engine="ray", address=address)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"^--engine ray needs Ray: pip install 'embgeo\[ray\]'$"):
        embgeo.compress(X, engine="ray")


def test_the_engine_is_no_part_of_the_request() -> None:
    from embgeo.requests import CompressRequest

    stored = CompressRequest("vectors:x", engine="ray", address="127.0.0.1:6379").stored("vectors:x")
    assert {"engine", "address"}.isdisjoint(stored)
