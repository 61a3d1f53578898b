"""`CompressedIndex` in mteb: the quality that compress measures in sample, and mteb's own FAISS backend for float32."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
import torch
from examples.tiny_task import StoredVectors, TinyTask, minilm
from mteb import similarity_functions
from mteb.models import SearchEncoderWrapper, SentenceTransformerEncoderWrapper
from mteb.models.model_meta import ScoringFunction
from mteb.models.search_encoder_index import FaissSearchIndex

import embgeo
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.datasets.registry import resolve_dataset
from embgeo.encoders.resolve import packaged_minilm
from embgeo.errors import InputError, SpecError
from embgeo.integrations.mteb import CompressedIndex, similarity_of

RNG = np.random.default_rng(0)
N, D = 400, 24
X = (RNG.standard_normal((N, D)) + 0.2).astype(np.float32)
Q = (X[:15] + 0.4 * RNG.standard_normal((15, D))).astype(np.float32)
IDS = [f"d{row}" for row in range(N)]
FUNCTIONS = {
    "cosine": similarity_functions.cos_sim,
    "dot": similarity_functions.dot_score,
    "euclidean": similarity_functions.euclidean_sim,
}


SPECS = ["pca48,rot,int4", "int8", "pca32,binary", "binary+int8@4"]


@pytest.fixture(scope="module")
def model() -> Any:
    return SentenceTransformerEncoderWrapper(minilm())


@pytest.fixture(scope="module")
def in_sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """`in_sample_ndcg@10` by spec."""
    if packaged_minilm() is None:
        pytest.skip("needs the packaged MiniLM")
    run = embgeo.compress("minilm", "tiny", specs=list(SPECS), out=tmp_path_factory.mktemp("runs"))
    found = {row["spec"]: row["in_sample_ndcg@10"] for row in run.result["tradeoffs"]}
    assert len(set(found.values())) > 2  # the specs are told apart
    return found


@pytest.mark.parametrize("spec", SPECS)
def test_mteb_finds_the_quality_in_sample(spec: str, model: Any, in_sample: dict[str, float]) -> None:
    search = SearchEncoderWrapper(model, index_backend=CompressedIndex(spec))
    with warnings.catch_warnings(action="ignore"):
        result = mteb.evaluate(search, TinyTask(), cache=None, show_progress_bar=False, co2_tracker=False)
    [task] = result.task_results
    assert task.scores["test"][0]["ndcg_at_10"] == pytest.approx(in_sample[spec], abs=5e-6)  # mteb rounds to 5 digits


@pytest.mark.parametrize("spec", [pytest.param("f32", marks=pytest.mark.slow), "pca192,rot,int4"])
def test_scifact_gives_the_published_quality_and_that_in_sample(spec: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "scifact"
    data = resolve_dataset(str(folder))
    vectors = {which: np.load(folder / f"minilm-{which}.npy") for which in ("docs", "queries")}
    known = dict(zip(data.doc_texts or (), vectors["docs"], strict=True))
    known |= dict(zip(data.query_texts or (), vectors["queries"], strict=True))
    task = TinyTask()
    task.corpus_data = data
    # 300 queries of 1,000 results each: mteb looks each id up in the corpus by itself, which takes most of the time
    search = SearchEncoderWrapper(StoredVectors(known), index_backend=CompressedIndex(spec))
    with warnings.catch_warnings(action="ignore"):
        result = mteb.evaluate(search, task, cache=None, show_progress_bar=False, co2_tracker=False)
    if spec == "pca192,rot,int4":
        asked = f"vectors:{folder / 'minilm-docs.npy'}", str(folder)
        queries = folder / "minilm-queries.npy"
        found = embgeo.compress(*asked, queries_vectors=queries, specs=[spec], out=tmp_path)
        expected = found.result["tradeoffs"][-1]["in_sample_ndcg@10"]
    else:
        expected = 0.64508  # mteb's published value for all-MiniLM-L6-v2
    assert result.task_results[0].scores["test"][0]["ndcg_at_10"] == pytest.approx(expected, abs=6e-6)


def search(index: CompressedIndex, similarity: str = "cosine", k: int = 10, **more: Any) -> Any:
    return index.search(torch.from_numpy(Q), k, FUNCTIONS[similarity], **more)


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
@pytest.mark.parametrize("similarity", FUNCTIONS)
@pytest.mark.parametrize("reranking", [False, True])
def test_float32_gives_what_the_faiss_backend_of_mteb_gives(similarity: str, reranking: bool) -> None:
    class Meta:
        similarity_fn_name = ScoringFunction(similarity)

    class Model:
        mteb_model_meta = Meta

    more: dict[str, Any] = {}
    if reranking:
        names = {at: f"q{at}" for at in range(len(Q))}
        more = {"top_ranked": {name: IDS[at : at + 60 : 2] for at, name in names.items()}, "query_idx_to_id": names}
    answers = []
    for index in (FaissSearchIndex(Model), CompressedIndex("f32")):
        index.add_documents(X[:250].copy(), IDS[:250])
        index.add_documents(torch.from_numpy(X[250:].copy()), IDS[250:])
        answers.append(search(index, similarity, **more))
    assert answers[0][1] == answers[1][1]
    np.testing.assert_allclose(answers[0][0], answers[1][0], rtol=1e-3, atol=1e-4)


def test_documents_in_several_parts_are_fitted_and_searched_as_one() -> None:
    whole, parts = CompressedIndex("pca8,rot,int4"), CompressedIndex("pca8,rot,int4")
    whole.add_documents(X, IDS)
    for start in range(0, N, 150):
        parts.add_documents(X[start : start + 150], IDS[start : start + 150])
    assert search(whole) == search(parts)


def test_documents_added_after_a_search_are_encoded_by_the_same_codec() -> None:
    index = CompressedIndex("int8")
    index.add_documents(X[:300], IDS[:300])
    search(index)
    codec = index.codec
    index.add_documents(X[300:], IDS[300:])
    scores, rows = search(index, k=N)
    assert index.codec is codec
    assert codec is not None
    expected = codec.search(Q, codec.encode(X), N)
    assert rows == expected[1].tolist()
    assert scores == expected[0].tolist()


def test_a_cleared_index_knows_nothing_of_what_it_held() -> None:
    used, new = CompressedIndex("pca8,rot,int4"), CompressedIndex("pca8,rot,int4")
    used.add_documents(X[:200], IDS[:200])
    search(used)
    used.clear()
    with pytest.raises(InputError, match="documents must be added"):
        search(used)
    for index in (used, new):
        index.add_documents(X[200:], IDS[200:])
    assert search(used) == search(new)


def test_a_given_codec_is_not_fitted_again() -> None:
    codec = embgeo.fit_codec("int8", X[:100])
    index = CompressedIndex(codec)
    index.add_documents(X, IDS)
    assert search(index)[1] == codec.search(Q, codec.encode(X))[1].tolist()
    index.clear()
    assert index.codec is codec


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
def test_an_index_in_the_spec_finds_documents() -> None:
    index = CompressedIndex("hnsw8ef200,int8")
    index.add_documents(X, IDS)
    flat = CompressedIndex("int8")
    flat.add_documents(X, IDS)
    assert search(index)[1] == search(flat)[1]
    few = CompressedIndex("ivf20np1,int8")
    few.add_documents(X, IDS)
    scores, rows = search(few, k=N)
    assert all(len(s) == len(r) < N for s, r in zip(scores, rows, strict=True))
    assert all(row >= 0 for each in rows for row in each)


@pytest.mark.parametrize("spec", ["int8", "ternary", "binary+int8@4"])
def test_a_query_without_candidates_finds_nothing(spec: str) -> None:
    index = CompressedIndex(spec)
    index.add_documents(X, IDS)
    names = {at: f"q{at}" for at in range(len(Q))}
    scores, rows = search(index, top_ranked={"q0": ["d9", "d0"], "q1": []}, query_idx_to_id=names)
    assert rows == [[1, 0]] + [[]] * (len(Q) - 1)
    assert [len(each) for each in scores] == [2] + [0] * (len(Q) - 1)


def test_the_similarity_is_that_of_the_model() -> None:
    for name, function in FUNCTIONS.items():
        assert similarity_of(function) == name
    with pytest.raises(InputError, match="must compare by cosine"):
        similarity_of(lambda one, two: (one - two).abs().sum())
    index = CompressedIndex(embgeo.fit_codec("int8", X, similarity="cosine"))
    index.add_documents(X, IDS)
    with pytest.raises(InputError, match="the model compares by dot"):
        search(index, "dot")


def test_what_cannot_be_searched_is_refused() -> None:
    index = CompressedIndex("int9")
    with pytest.raises(InputError, match="got 3 ids and 400 vectors"):
        index.add_documents(X, IDS[:3])
    index.add_documents(X, IDS)
    with pytest.raises(SpecError, match="int9"):
        search(index)
    index = CompressedIndex("int8")
    index.add_documents(X, IDS)
    with pytest.raises(InputError, match="query_idx_to_id"):
        search(index, top_ranked={"q0": IDS[:3]})
