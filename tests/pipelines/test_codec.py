"""`embgeo.fit_codec`: one codec in a notebook, its answers those of the store that compress would ship."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

import embgeo
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.compression.search.store import load_store
from embgeo.errors import InputError, RunFormatError, SpecError

D = 24
RNG = np.random.default_rng(0)
X = (RNG.standard_normal((600, D)) * 3).astype(np.float32)
Q = (X[:30] + 0.2 * RNG.standard_normal((30, D))).astype(np.float32)
SPECS = ["f32", "int8", "pca16,rot,int4", "pcac12,fp8", "adaptive@6B", "binary+int8@4", "trunc8,int8"]


def exact(codec: embgeo.VectorCodec, codes: np.ndarray) -> np.ndarray:
    """(m, n) scores by the two lines that the documentation gives."""
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codes)
    if codec.similarity == "euclidean":
        return -((Z[:, None] - decoded[None]) ** 2).sum(axis=2) + bias[:, None]
    return Z @ decoded.T + bias[:, None]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("spec", SPECS)
def test_search_returns_what_queries_and_decode_say(spec: str, similarity: str) -> None:
    codec = embgeo.fit_codec(spec, X, similarity=similarity)
    codes = codec.encode(X)
    assert codes.shape == (len(X), codec.code_bytes)
    assert codes.dtype == np.uint8
    scores, rows = codec.search(Q, codes, len(X))
    expected = exact(codec, codes)
    reached = rows >= 0
    np.testing.assert_allclose(
        scores[reached], np.take_along_axis(expected, np.maximum(rows, 0), 1)[reached], atol=5e-3
    )
    np.testing.assert_array_equal(rows[:, 0], expected.argmax(axis=1)) if "+" not in spec else None


@pytest.mark.parametrize("spec", SPECS)
def test_a_saved_codec_encodes_and_searches_alike(spec: str, tmp_path: Path) -> None:
    codec = embgeo.fit_codec(spec, X)
    codec.save(tmp_path / "codec.safetensors")
    again = embgeo.VectorCodec.load(tmp_path / "codec.safetensors")
    codes = codec.encode(X)
    np.testing.assert_array_equal(again.encode(X), codes)
    np.testing.assert_array_equal(again.decode(codes), codec.decode(codes))
    np.testing.assert_array_equal(again.search(Q, codes)[1], codec.search(Q, codes)[1])
    assert (again.spec, again.similarity, again.code_bytes) == (spec, "cosine", codec.code_bytes)


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
def test_an_index_is_built_at_the_first_search() -> None:
    codec = embgeo.fit_codec("hnsw8ef200,int8", X)
    codes = codec.encode(X)
    flat = embgeo.fit_codec("int8", X)
    np.testing.assert_array_equal(codec.search(Q, codes)[1], flat.search(Q, codes)[1])


def test_the_codec_is_the_one_that_compress_ships(tmp_path: Path) -> None:
    run = embgeo.compress(docs=X, queries=Q, specs=["pca16,rot,int4"], out=tmp_path)
    store = load_store(run.folder / "store.safetensors")
    codec = embgeo.fit_codec("pca16,rot,int4", X)
    np.testing.assert_array_equal(codec.encode(X), store.codes)
    loaded = embgeo.VectorCodec.load(run.folder / "store.safetensors")
    np.testing.assert_array_equal(loaded.encode(X), store.codes)


def test_a_codec_that_learns_from_queries_is_given_them() -> None:
    assert embgeo.fit_codec("lean8,int8", X, queries=Q).encode(X).shape == (len(X), 8)
    with pytest.raises(InputError, match="queries"):
        embgeo.fit_codec("lean8,int8", X)


def test_other_codes_of_one_codec_are_searched_anew() -> None:
    codec = embgeo.fit_codec("int8", X)
    one, two = codec.encode(X), codec.encode(X[::-1])
    first, second = codec.search(Q, one)[1], codec.search(Q, two)[1]
    np.testing.assert_array_equal(len(X) - 1 - second[:, 0], first[:, 0])


def test_codes_that_were_changed_in_place_are_searched_anew() -> None:
    codec = embgeo.fit_codec("int8", X)
    codes = codec.encode(X)
    codec.search(Q, codes)
    codes[:] = codes[::-1].copy()
    np.testing.assert_array_equal(codec.search(Q, codes)[1], embgeo.fit_codec("int8", X).search(Q, codes)[1])


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
def test_a_loaded_codec_says_that_its_index_cannot_be_built(tmp_path: Path) -> None:
    codec = embgeo.fit_codec("hnsw8,int8", X)
    codec.save(tmp_path / "codec.safetensors")
    again = embgeo.VectorCodec.load(tmp_path / "codec.safetensors")
    np.testing.assert_array_equal(again.encode(X), codec.encode(X))
    with pytest.raises(InputError, match="without the documents"):
        again.search(Q, again.encode(X))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda codec: codec.encode(X[:, :5]), "24 dimensions; got 5"),
        (lambda codec: codec.encode(X * np.nan), "finite"),
        (lambda codec: codec.decode(np.zeros((2, 3), np.uint8)), r"\(n, 24\) uint8"),
        (lambda codec: codec.search(Q, codec.encode(X), 0), "k must be at least 1"),
        (lambda codec: codec.search(Q, codec.encode(X)[:0]), "codes must hold at least one document"),
        (lambda codec: codec.search(Q[:, :3], codec.encode(X)), "24 dimensions; got 3"),
    ],
)
def test_what_does_not_fit_is_refused(call, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        call(embgeo.fit_codec("int8", X))


def test_a_spec_or_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="int9"):
        embgeo.fit_codec("int9", X)
    with pytest.raises(InputError, match="factor"):
        embgeo.fit_codec("int8", X * np.float32(1e30), similarity="dot")
    (tmp_path / "x").write_bytes(b"no store")
    with pytest.raises(RunFormatError):
        embgeo.VectorCodec.load(tmp_path / "x")


def test_the_example_of_the_documentation_holds() -> None:
    from embgeo.pipelines import codec

    found = doctest.DocTestFinder().find(codec.fit_codec, globs={})
    assert sum(len(test.examples) for test in found) > 0
    assert all(doctest.DocTestRunner().run(test).failed == 0 for test in found)
