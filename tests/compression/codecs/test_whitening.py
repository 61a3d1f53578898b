"""Partial whitening: the definition by hand, α = 0, what it refuses, what it folds into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles.codec_makers import cloud

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import load_store, write_store
from embgeo.embeddings import normalise
from embgeo.errors import InputError, SpecError
from embgeo.retrieval.exact import score


def steep(n: int = 500, d: int = 24) -> np.ndarray:
    """Unit rows of a decaying spectrum, the last two directions nearly empty."""
    scale = np.append(0.8 ** np.arange(d - 2), [1e-4, 1e-5])
    return normalise((cloud(n, d) * scale).astype(np.float32))


def fitted(text: str, X: np.ndarray, similarity: str = "cosine") -> Codec:
    return fit_codec(parse(text), Training(X, similarity))


def scores(codec: Codec, Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    Z, bias = codec.queries(Q)
    return score(Z, codec.decode(codec.encode(X)), "cosine") + bias[:, None]


@pytest.mark.parametrize("percent", [20, 30, 100])
def test_scores_are_cosines_of_the_published_formula(percent: int) -> None:
    X, Q = steep(), steep(20)[::-1]
    values, axes = np.linalg.eigh(X.astype(np.float64).T @ X / len(X))
    weights = np.maximum(values, 0.002 * values.max()) ** (-percent / 200)
    A, B = ((rows @ axes) * weights for rows in (Q.astype(np.float64), X.astype(np.float64)))
    cosines = (A / np.linalg.norm(A, axis=1, keepdims=True)) @ (B / np.linalg.norm(B, axis=1, keepdims=True)).T
    np.testing.assert_allclose(scores(fitted(f"white{percent},f32", X), Q, X), cosines, atol=2e-6)


def test_two_directions_by_hand() -> None:
    # mean squares 4/5 and 1/5 along the axes, so α = 1 weighs the second twice as much as the first
    X = np.array([[1, 0], [1, 0], [-1, 0], [1, 0], [0, 1]], np.float32)
    codec = fitted("white100,f32", X)
    # (1, 1)/√2 becomes (1, 2)/√5: cosines 1/√5 and 2/√5 with the axes
    found = scores(codec, normalise(np.ones((1, 2), np.float32)), X)
    np.testing.assert_allclose(found[0], np.array([1, 1, -1, 1, 2]) / np.sqrt(5), atol=1e-6)


@pytest.mark.parametrize("codec", ["f32", "adaptive@8B"])
def test_without_a_change_it_is_plain_pca(codec: str) -> None:
    X, Q = steep(), steep(20)[::-1]
    full = "pca24,f32" if codec == "f32" else codec
    np.testing.assert_allclose(scores(fitted(f"white0,{codec}", X), Q, X), scores(fitted(full, X), Q, X), atol=1e-6)
    assert np.abs(scores(fitted(f"white30,{codec}", X), Q, X) - scores(fitted(full, X), Q, X)).max() > 0.01


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_other_similarities_are_refused(similarity: str) -> None:
    with pytest.raises(InputError, match=f"white30 compares by cosine, .* got {similarity}"):
        fitted("white30,int8", steep(), similarity)


def test_more_than_whole_whitening_is_refused() -> None:
    with pytest.raises(SpecError, match="between white0 and white100"):
        fitted("white101,int8", steep())
    with pytest.raises(SpecError, match="unknown reducer"):
        parse("white030,int8")


def test_a_rotation_costs_nothing_and_a_cut_keeps_its_own_matrix() -> None:
    X = steep()
    square = 4 * 24 * 24
    assert [array.nbytes for array in fitted("white30,rot,f32", X).state.values()] == [square]
    assert [array.nbytes for array in fitted("white30,pca12,f32", X).state.values()] == [square, 4 * 24 * 12]
    # the length that it divides by is that of all coordinates, of which a cut keeps a part
    Z = fitted("white30,pca12,f32", X).tiers[0].reduce(X)
    assert np.linalg.norm(Z, axis=1).min() < 0.999


def test_a_store_is_written_and_searched(tmp_path: Path) -> None:
    X = steep()
    codec = fitted("white30,adaptive@8B", X)
    path = tmp_path / "store.safetensors"
    write_store(path, codec, [codec.encode(X)], [str(row) for row in range(len(X))])
    store = load_store(path)
    found = build_searcher(store.codec, store.codes).search(X[:20], 10)[1]
    expected = np.argsort(-scores(codec, X[:20], X), axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]) > 9.9


def test_a_spec_knows_what_it_is_compared_with() -> None:
    spec = parse("hnsw16,white30,pca12,int8")
    assert (str(spec.neutral), str(spec.plain)) == ("hnsw16,white0,pca12,int8", "hnsw16,pca12,int8")
    assert spec.own_metric
    assert spec.neutral.neutral == spec.neutral
    assert not parse("pcaw12,int8").own_metric  # its queries undo the scale
