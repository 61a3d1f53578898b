"""Traps of single stores, each over the real engine."""

from __future__ import annotations

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
