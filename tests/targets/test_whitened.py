"""Whitened stores elsewhere: a FAISS file holds the matrix and the division by lengths, a client applies both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles.codec_makers import cloud

from embgeo.compression.choosing.native import Plan, Refusal
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import Store
from embgeo.pipelines.stores.prepared import client_of
from embgeo.targets import find_target
from embgeo.targets.kit.vectors import project

D = 24


@pytest.mark.parametrize("spec", ["white30,f32", "white30,int8", "white30,rot,int4", "white30,pca12,int8"])
def test_faiss_finds_what_the_store_finds(spec: str, tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    X, Q = cloud(), 7 * cloud(40, seed=4)  # queries of any length
    codec = fit_codec(parse(spec), Training(X, "cosine"))
    store = Store(codec, codec.encode(X), [str(row) for row in range(len(X))], None)
    find_target("faiss").write(store, tmp_path / "store.faiss", D)
    scores, rows = faiss.read_index(str(tmp_path / "store.faiss")).search(Q, 5)
    ours, expected = build_searcher(codec, store.codes).search(Q, 5)
    np.testing.assert_allclose(scores, ours, atol=1e-5)
    assert (rows == expected).mean() > 0.99


@pytest.mark.parametrize("reducers", [["white30"], ["white30", "rot"]])
def test_a_client_maps_vectors_as_the_codec_does(reducers: list[str]) -> None:
    X = cloud()
    client = client_of(reducers, Training(X, "cosine"))
    tier = fit_codec(parse(",".join([*reducers, "f32"])), Training(X, "cosine")).tiers[0]
    np.testing.assert_allclose(project(3 * X, client), tier.reduce(X), atol=1e-6)


def test_stores_hold_it_where_one_matrix_is_enough() -> None:
    plan = find_target("pgvector").plan
    assert plan is not None
    held, refused = plan(parse("white30,f16"), 384, "cosine"), plan(parse("white30,pca192,f16"), 384, "cosine")
    assert isinstance(held, Plan)
    assert held.client == ("white30",)
    assert isinstance(refused, Refusal)
    assert "white30 and pca192 are two, one of which divides" in refused.reason
