"""Traps of single stores, each over the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from targets.engines import N, documents, opened, place_of, plan_of

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
