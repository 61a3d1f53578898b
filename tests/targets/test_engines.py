"""Laws of every engine, over the real stores; each would have caught something that a store was seen to do."""

from __future__ import annotations

import ast
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from targets.engines import CASES, TRIED, D, K, N, begin, documents, opened, place_of, plan_of, redis_server

from embgeo.targets import Engine, find_target, planning_targets

IDS, X = documents()
Q = documents(40, seed=1)[1]


def configured(name: str, spec: str, Z: np.ndarray) -> dict[str, Any]:
    config = dict(plan_of(name, spec).config)
    if "scale" in config:
        config["scale"] = 127 / float(np.abs(Z).max())
    return config


def width_of(name: str, spec: str) -> int:
    return int(plan_of(name, spec).config["width"])


@pytest.fixture(scope="module")
def folders() -> Iterator[dict[str, Path]]:
    """A folder for each target, with a short path (sockets), shared by the tests of this module."""
    made = {name: Path(tempfile.mkdtemp(prefix="e")) for name in TRIED}
    with redis_server(made["redis"]):
        yield made
    for folder in made.values():
        shutil.rmtree(folder, ignore_errors=True)


def filled(name: str, spec: str, store: Engine, Z: np.ndarray, ids: list[str] = IDS) -> None:
    if store.marker() is not None:
        store.drop()
    begin(name, spec, store, '{"made_by": "it\'s a test"}', ids, Z)
    store.finish()


def names(store: Engine, queries: np.ndarray, mode: str, k: int = K) -> list[list[str]]:
    return [[name for name, _ in store.search(query, k, mode)] for query in queries]


def exact_names(queries: np.ndarray, Z: np.ndarray, k: int = K) -> list[list[str]]:
    return [[IDS[row] for row in rows] for rows in np.argsort(-(queries @ Z.T), axis=1, kind="stable")[:, :k]]


def recall(found: list[list[str]], wanted: list[list[str]]) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


@pytest.mark.parametrize(("name", "spec"), CASES)
def test_a_collection_holds_what_was_planned(folders: dict[str, Path], name: str, spec: str) -> None:
    place, plan, w = place_of(name, folders[name]), plan_of(name, spec), width_of(name, spec)
    Z = np.ascontiguousarray(X[:, :w])
    queries = np.ascontiguousarray(Q[:, :w])
    config = configured(name, spec, Z)
    with opened(name, place, "laws", config) as store:
        filled(name, spec, store, Z)
    with opened(name, place, "laws", config) as store:  # as another process finds it
        assert store.marker() == '{"made_by": "it\'s a test"}'
        back = store.read_back()
        assert back["rows"] == store.count() == N
        assert back["version"]
        assert {key: back[key] for key in config if key in back} == {key: config[key] for key in config if key in back}
        assert len(set(config) & set(back)) >= 1, "nothing of the configuration is read back"
        sizes = store.sizes()
        assert all(size >= 0 for size in sizes.values())
        if "codes" in sizes:
            assert sizes["codes"] == pytest.approx(plan.code_bytes * N, rel=0.05)
        wanted = exact_names(queries, Z)
        for mode in ("codes", "configured", "defaults"):
            found = names(store, queries, mode)
            assert all(len(one) == len(set(one)) == K for one in found), f"LIMIT {K} returns {K} in mode {mode}"
        assert all(len(one) == 50 for one in names(store, queries[:5], "configured", 50)), "LIMIT 50 returns 50"
        share = recall(names(store, queries, "codes"), wanted)
        if spec in TRIED[name].exact:
            assert share == 1.0
        else:
            assert share >= 0.1, "codes rank at random"
        if plan.code_bytes <= w:
            assert share < 1.0, "a lossy format ranks like float: nothing was compressed"
        if plan.original_bytes and "@" in spec:
            assert recall(names(store, queries, "configured"), wanted) > share, "rescoring changed nothing"
        scores = [score for _, score in store.search(queries[0], K, "configured")]
        assert scores == sorted(scores, reverse=True)
        store.drop()
        assert store.marker() is None


@pytest.mark.parametrize("name", TRIED)
def test_documents_loaded_twice_stay_once(folders: dict[str, Path], name: str) -> None:
    spec = TRIED[name].specs[0]
    config = configured(name, spec, X)
    place = place_of(name, folders[name])
    with opened(name, place, "twice", config) as store:
        filled(name, spec, store, X)
        before = names(store, Q, "configured")
        store.load(IDS[:300], X[:300])
        store.finish()
        assert store.count() == N
        assert names(store, Q, "configured") == before
        moved = X[::-1][:300]  # an id that is there gets the new vector
        store.load(IDS[:300], moved)
        store.finish()
        assert store.count() == N
        found = names(store, moved[:20], "configured", 3)
        assert all(IDS[row] in found[row] for row in range(20))
        store.drop()


@pytest.mark.parametrize("name", TRIED)
def test_what_was_loaded_before_a_kill_is_there_and_can_be_gone_on_with(folders: dict[str, Path], name: str) -> None:
    spec = TRIED[name].specs[0]
    config = configured(name, spec, X)
    place = place_of(name, folders[name])
    with opened(name, place, "killed", config) as store:
        begin(name, spec, store, "{}", IDS[:250], X[:250])
    with opened(name, place, "killed", config) as store:
        assert store.marker() == "{}"
        assert store.count() == 250
        for first in range(200, N, 200):
            store.load(IDS[first : first + 200], X[first : first + 200])
        store.finish()
        assert store.count() == N
        assert names(store, X[::60], "configured", 1) == [[name] for name in IDS[::60]]
        store.drop()


@pytest.mark.parametrize("name", TRIED)
def test_another_collection_is_left_alone(folders: dict[str, Path], name: str) -> None:
    if name in ONE_A_FILE:
        pytest.skip("a file holds one collection")
    spec = TRIED[name].specs[0]
    config = configured(name, spec, X)
    place = place_of(name, folders[name])
    with opened(name, place, "first", config) as store:
        filled(name, spec, store, X)
    with opened(name, place, "second", config) as store:
        assert store.marker() is None
        filled(name, spec, store, X[:250], IDS[:250])
        store.drop()
    with opened(name, place, "first", config) as store:
        assert store.count() == N
        store.drop()


ONE_A_FILE = ("usearch", "faiss")


@pytest.mark.parametrize("name", TRIED)
def test_an_engine_needs_only_numpy_and_its_client(name: str) -> None:
    tree = ast.parse(Path(import_module(find_target(name).engine).__file__ or "").read_text())
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert modules <= {*sys.stdlib_module_names, "numpy", *TRIED[name].needs, *TRIED[name].may_need}


def test_every_target_that_has_an_engine_is_tried() -> None:
    assert {each.name for each in planning_targets() if each.engine} == set(TRIED)


@pytest.mark.parametrize("name", TRIED)
def test_the_configuration_is_printed_in_the_stores_own_words(name: str) -> None:
    engine = import_module(find_target(name).engine)
    for spec in TRIED[name].specs:
        plan = plan_of(name, spec)
        assert engine.native(plan.config, "documents") == plan.native
        assert "mine" in engine.native(plan.config, "mine")
        assert str(D if "pca" not in spec else 32) in plan.native or plan.config["width"] not in (D, 32)
