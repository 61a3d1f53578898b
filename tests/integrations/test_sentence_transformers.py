"""`semantic_search` over codes: the shape and, for float32, the results of the function of that name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers as st
import torch

import embgeo
from embgeo.encoders.resolve import packaged_minilm
from embgeo.errors import InputError
from embgeo.integrations.sentence_transformers import semantic_search

RNG = np.random.default_rng(0)
X = (RNG.standard_normal((500, 32)) + 0.2).astype(np.float32)
Q = (X[:20] + 0.4 * RNG.standard_normal((20, 32))).astype(np.float32)
SCORES = {"cosine": st.util.cos_sim, "dot": st.util.dot_score, "euclidean": st.util.euclidean_sim}


def same(found: list[list[dict[str, Any]]], theirs: list[list[dict[str, Any]]]) -> None:
    for ours, other in zip(found, theirs, strict=True):
        assert [set(hit) for hit in ours] == [{"corpus_id", "score"}] * len(ours)
        # further down, scores that differ by rounding alone may change places
        assert [hit["corpus_id"] for hit in ours[:10]] == [hit["corpus_id"] for hit in other[:10]]
        scores, expected = ({hit["corpus_id"]: hit["score"] for hit in hits} for hits in (ours, other))
        assert scores == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("similarity", SCORES)
@pytest.mark.parametrize("top_k", [1, 10, 600])
def test_float32_gives_what_sentence_transformers_gives(similarity: str, top_k: int) -> None:
    codec = embgeo.fit_codec("f32", X, similarity=similarity)
    found = semantic_search(Q, codec.encode(X), codec, top_k=top_k)
    theirs = st.util.semantic_search(
        torch.from_numpy(Q), torch.from_numpy(X), top_k=top_k, score_function=SCORES[similarity]
    )
    same(found, theirs)


@pytest.mark.parametrize("spec", ["int8", "pca16,rot,int4", "binary+int8@4"])
def test_codes_find_what_the_codec_finds(spec: str) -> None:
    codec = embgeo.fit_codec(spec, X)
    codes = codec.encode(X)
    scores, rows = codec.search(Q, codes, 5)
    found = semantic_search(Q, codes, codec, top_k=5)
    assert [[hit["corpus_id"] for hit in hits] for hits in found] == rows.tolist()
    assert [[hit["score"] for hit in hits] for hits in found] == scores.tolist()


def test_a_single_vector_is_one_query() -> None:
    codec = embgeo.fit_codec("f32", X)
    codes = codec.encode(X)
    [hits] = semantic_search(torch.from_numpy(X[7]), codes, codec, top_k=3)
    assert hits[0]["corpus_id"] == 7
    assert [hits] == semantic_search(X[7], codes, codec, top_k=3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_tensor_is_encoded_as_its_values(dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(X).to(dtype).requires_grad_()
    values = tensor.detach().float().numpy()
    codec = embgeo.fit_codec("int8", tensor)
    np.testing.assert_array_equal(codec.encode(tensor), embgeo.fit_codec("int8", values).encode(values))


def test_vectors_that_are_not_stacked_are_refused() -> None:
    codec = embgeo.fit_codec("int8", X)
    with pytest.raises(InputError, match="must be an array or a tensor; got list"):
        semantic_search(list(torch.from_numpy(Q)), codec.encode(X), codec)


@pytest.mark.skipif(packaged_minilm() is None, reason="needs the packaged MiniLM")
def test_a_saved_codec_takes_what_a_model_returns(tmp_path: Path) -> None:
    found = packaged_minilm()
    assert found is not None
    model = st.SentenceTransformer(str(found[0].parent), device="cpu")
    texts = ["bake bread", "a loaf from the oven", "the tax office", "rain tomorrow", "a weather forecast"]
    array = model.encode(texts)
    tensor = model.encode(texts, convert_to_tensor=True)
    embgeo.fit_codec("int8", array).save(tmp_path / "codec.safetensors")
    codec = embgeo.VectorCodec.load(tmp_path / "codec.safetensors")
    codes = codec.encode(tensor)
    np.testing.assert_array_equal(codes, codec.encode(array))
    hits = semantic_search(model.encode("fresh bread", convert_to_tensor=True), codes, codec, top_k=2)
    assert {hit["corpus_id"] for hit in hits[0]} == {0, 1}
