"""Traps of single stores, each over the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from targets.engines import N, documents, opened, place_of, plan_of, redis_server

IDS, X = documents()


@pytest.mark.parametrize("column", ["id text primary key, e float[64]", "e float[64]"])
def test_a_table_of_sqlite_that_embgeo_did_not_make_has_no_marker(column: str, tmp_path: Path) -> None:
    place, config = place_of("sqlite-vec", tmp_path), plan_of("sqlite-vec", "f32").config
    with opened("sqlite-vec", place, "mine", config) as store:
        store.db.execute(f"create virtual table mine using vec0({column})")  # type: ignore[attr-defined]
        assert store.marker() == ""
    with opened("sqlite-vec", place, "other", config) as store:
        store.create("{}")
    with opened("sqlite-vec", place, "mine", config) as store:
        assert store.marker() == "", "the marker of another table says nothing of this one"


def test_a_block_of_sqlite_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    place, config = place_of("sqlite-vec", tmp_path), plan_of("sqlite-vec", "f32").config
    with opened("sqlite-vec", place, "blocks", config) as store:
        store.create("{}")
        store.load(IDS[:100], X[:100])
        with pytest.raises(Exception, match="UNIQUE"):
            store.load([*IDS[50:150], IDS[149]], X[50:151])
        assert store.count() == 100
        assert [name for name, _ in store.search(X[60], 1)] == [IDS[60]]


def test_a_name_with_quotes_is_a_name_in_sqlite(tmp_path: Path) -> None:
    place, config = place_of("sqlite-vec", tmp_path), plan_of("sqlite-vec", "binary+f32@4").config
    with opened("sqlite-vec", place, 'a "b" c', config) as store:
        store.create("it's")
        store.load(IDS, X)
        assert (store.marker(), store.count()) == ("it's", N)
        assert [name for name, _ in store.search(X[3], 1)] == [IDS[3]]
        assert store.read_back()["column"] == "bit"
        store.drop()
        assert store.marker() is None


def test_the_largest_search_of_sqlite_vec_is_not_exceeded(tmp_path: Path) -> None:
    place, config = place_of("sqlite-vec", tmp_path), dict(plan_of("sqlite-vec", "hamming+f32@1000").config)
    with opened("sqlite-vec", place, "large", config) as store:
        store.create("{}")
        store.load(IDS, X)
        assert len(store.search(X[0], 10)) == 10  # 10,000 candidates; sqlite-vec takes 4,096
        found = store.search(np.asarray(X[0]), 5000, "codes")
        assert len(found) == N


KILLED = """
import json, os, sys
import numpy as np
from embgeo.targets.engines.usearch import Store

place, config = sys.argv[1], json.loads(sys.argv[2])
with Store(place, "killed", config) as store:
    store.create("{}")
    X = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    for first in range(0, 4000, 400):
        store.load([str(i) for i in range(first, first + 400)], X[first : first + 400])
    os._exit(9)  # with blocks that were not saved
"""


def test_a_killed_load_of_usearch_loses_the_last_blocks_and_nothing_else(tmp_path: Path) -> None:
    place, config = place_of("usearch", tmp_path), dict(plan_of("usearch", "f32").config)
    assert subprocess.run([sys.executable, "-c", KILLED, place, json.dumps(config)]).returncode == 9
    X = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    with opened("usearch", place, "killed", config) as store:
        there = store.count()
        assert 0 < there < 4000
        assert there % 400 == 0
        for first in range(there, 4000, 400):
            store.load([str(i) for i in range(first, first + 400)], X[first : first + 400])
        store.finish()
        assert store.read_back()["rows"] == 4000
        wanted = [str(row) for row in np.argsort(-(X @ X[7]), kind="stable")[:10]]
        assert [name for name, _ in store.search(X[7], 10)] == wanted


def test_a_file_of_usearch_holds_one_collection_and_never_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, config = place_of("usearch", tmp_path), dict(plan_of("usearch", "f32").config)
    with opened("usearch", place, "mine", config) as store:
        store.create("{}")
        store.load(IDS[:200], X[:200])
    with pytest.raises(RuntimeError, match="holds the collection mine"), opened("usearch", place, "other", config):
        pass
    replace = os.replace

    def fails(new: str, path: str) -> None:
        if not path.endswith(".json"):
            raise OSError("no space")
        replace(new, path)

    with opened("usearch", place, "mine", config) as store, monkeypatch.context() as patched:
        patched.setattr(os, "replace", fails)
        store.load(IDS, X)
        with pytest.raises(OSError, match="no space"):
            store.finish()  # the ids are written, the index is not
        store.unsaved = 0  # type: ignore[attr-defined]
    with opened("usearch", place, "mine", config) as store:
        assert (store.marker(), store.count()) == ("{}", 200)
        assert len(store.search(X[0], 300)) == 200
        store.load(IDS, X)
        assert store.count() == N
        assert [name for name, _ in store.search(X[500], 1)] == [IDS[500]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.usearch", "documents.usearch.json"]


def test_a_file_of_usearch_without_ids_is_not_embgeos(tmp_path: Path) -> None:
    place, config = place_of("usearch", tmp_path), dict(plan_of("usearch", "f32").config)
    Path(place).write_bytes(b"of another")
    with opened("usearch", place, "mine", config) as store:
        assert store.marker() == ""
        with pytest.raises(RuntimeError, match="exists"):
            store.create("{}")
    assert Path(place).read_bytes() == b"of another"


@pytest.mark.parametrize("spec", ["int8", "pq16", "rot,rabitq4", "rot,rabitq1", "hnsw16,int8", "ivf8np2,f32"])
def test_an_index_of_lancedb_is_as_large_as_its_codes_and_not_larger(spec: str, tmp_path: Path) -> None:
    plan = plan_of("lancedb", spec)
    ids, Z = documents(4000)
    with opened("lancedb", place_of("lancedb", tmp_path), "sized", plan.config) as store:
        store.create("{}")
        store.load(ids, Z)
        store.finish()
        sizes = store.sizes()
    # a number for each row, centroids, a rotation and codebooks of float32, and headers
    most = (plan.code_bytes + 16 + 20 * plan.config["build"].get("m", 0)) * len(Z) + 256 * 64 * 4 + 40_000
    assert plan.code_bytes * len(Z) <= sizes["index"] <= most
    assert sizes["original"] == 4 * 64 * len(Z)


def test_rows_that_came_after_the_index_of_lancedb_are_in_it_when_loading_ends(tmp_path: Path) -> None:
    config = plan_of("lancedb", "int8").config
    place = place_of("lancedb", tmp_path)
    with opened("lancedb", place, "later", config) as store:
        store.create("{}")
        store.load(IDS[:400], X[:400])
        store.finish()
        assert store.read_back()["indexed"] == 400
    with opened("lancedb", place, "later", config) as store:
        store.load(IDS[300:], -X[300:])  # some are there already, with other vectors
        assert store.read_back()["indexed"] < N
        store.finish()
        back = store.read_back()
        assert (back["rows"], back["indexed"], back["index"]) == (N, N, "IVF_SQ")
        assert [store.search(-X[row], 1)[0][0] for row in (300, 350, 599)] == [IDS[300], IDS[350], IDS[599]]
        assert len({name for name, _ in store.search(X[0], N)}) == N


def test_a_table_of_lancedb_that_embgeo_did_not_make_has_no_marker(tmp_path: Path) -> None:
    place = place_of("lancedb", tmp_path)
    with opened("lancedb", place, "other", plan_of("lancedb", "f32").config) as store:
        store.db.create_table("mine", [{"id": "a", "e": [0.5] * 64}])  # type: ignore[attr-defined]
    with opened("lancedb", place, "mine", plan_of("lancedb", "f32").config) as store:
        assert store.marker() == ""
        assert store.count() == 1


@pytest.mark.parametrize("spec", ["ivf8np2,f32", "ivf8np2,int8", "ivf8np2,pq16"])
def test_the_lists_of_lancedb_are_as_many_as_planned(spec: str, tmp_path: Path) -> None:
    config = plan_of("lancedb", spec).config
    with opened("lancedb", place_of("lancedb", tmp_path), "lists", config) as store:
        store.create("{}")
        for first in range(0, N, 300):
            store.load(IDS[first : first + 300], X[first : first + 300])
            store.finish()
            back = store.read_back()
            assert (back["lists"], back["partitions"]) == (8, (first + 300) // 256 if "pq" in spec else 8)
        anywhere = np.random.default_rng(2).standard_normal((30, 64)).astype(np.float32)
        few, all_lists = ([store.search(row, 10, mode) for row in anywhere] for mode in ("configured", "codes"))
        assert (few != all_lists) == ("pq" not in spec), "two lists of eight hold all neighbours, or two of two do not"
        store.table.optimize()  # type: ignore[attr-defined]
        assert store.read_back()["lists"] == 1, "LanceDB keeps the lists now: optimize after the index, too"


def test_too_few_rows_for_product_codes_of_lancedb_are_an_error(tmp_path: Path) -> None:
    with opened("lancedb", place_of("lancedb", tmp_path), "few", plan_of("lancedb", "pq16").config) as store:
        store.create("{}")
        store.load(IDS[:200], X[:200])
        with pytest.raises(TimeoutError, match=r"200 of 200 rows of few .* at least 256"):
            store.finish()


def test_another_index_of_lancedb_is_seen(tmp_path: Path) -> None:
    place, four_bits = place_of("lancedb", tmp_path), plan_of("lancedb", "rot,rabitq4").config
    with opened("lancedb", place, "mine", {**four_bits, "build": {"num_bits": 1}}) as store:
        store.create("{}")
        store.load(IDS, X)
        store.finish()
    with opened("lancedb", place, "mine", four_bits) as store:
        back = store.read_back()
        assert (back["index"], back["build"], back["metric"]) == ("IVF_RQ", {"num_bits": 1}, "cosine")


def test_a_key_of_redis_that_embgeo_did_not_make_has_no_marker() -> None:
    with tempfile.TemporaryDirectory(prefix="r") as folder, redis_server(Path(folder)):
        place, config = place_of("redis", Path(folder)), plan_of("redis", "int8").config
        with opened("redis", place, "text", config) as store:
            store.db.set("text", "of another")  # type: ignore[attr-defined]
            assert store.marker() == ""
            store.db.delete("text")  # type: ignore[attr-defined]
            assert store.marker() is None
        with opened("redis", place, "empty", config) as store:
            store.create("{}")
            assert (store.marker(), store.count(), store.search(X[0], 10)) == ("{}", 0, [])
            with pytest.raises(RuntimeError, match="another process"):
                store.create("{}")
            store.load(IDS[:20], X[:20])
        with opened("redis", place, "empty", {**config, "option": "BIN"}) as store:
            assert store.read_back()["option"] == "Q8"
            with pytest.raises(Exception, match="quantization mismatch"):
                store.load(IDS[20:40], X[20:40])
            store.drop()
            assert store.marker() is None
