"""Laws that every search obeys, exact or over codes, through whichever path; and wrong searches that they must reject.

Far from the origin distances stay distances; a query may have any length; the order of the rows decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
from oracles.codec_makers import D, alike, cloud, written
from threadpoolctl import threadpool_limits

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.part import QUANTIZERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.compression.search.on_torch import TorchSearcher
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import QUALITY_MEASURES, Evaluator, neighbour_recall, tie_band
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.top_k import TopK

load_parts()
K = 10
# with parts of 24 coordinates, FAISS makes its tables of distances another way than with parts below 16
SPECS = [*(alike(written(entry, D)) for entry in QUANTIZERS.values()), "pq1"]
Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@cache
def stored(text: str, similarity: str, offset: float) -> tuple[Codec, np.ndarray, Training]:
    training = Training(corpus(similarity, offset), similarity).learning_from(queries(similarity, offset))
    codec = fit_codec(parse(text), training)
    return codec, codec.encode(training.X), training


def corpus(similarity: str, offset: float = 0) -> np.ndarray:
    return cloud(400, similarity=similarity) + np.float32(offset)


def queries(similarity: str, offset: float = 0) -> np.ndarray:
    return cloud(24, seed=5, similarity=similarity) + np.float32(offset)


def flat(text: str, similarity: str, offset: float) -> Search:
    codec, codes, _ = stored(text, similarity, offset)
    return build_searcher(codec, codes).search


def without_faiss(text: str, similarity: str, offset: float) -> Search:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBGEO_NO_FAISS", "1")
        return flat(text, similarity, offset)


def on_torch(text: str, similarity: str, offset: float) -> Search:
    codec, codes, _ = stored(text, similarity, offset)
    return TorchSearcher(codec.tiers[0], codes, "cpu").search


def through(front: str, effort: int) -> Callable[[str, str, float], Search]:
    def search(text: str, similarity: str, offset: float) -> Search:
        codec, codes, training = stored(text, similarity, offset)
        index = parse(f"{front},{text}").index
        assert index is not None
        structure = build_structure(index, codec, codes, training)
        return build_searcher(codec, codes, structure=structure).with_effort(effort).search  # type: ignore[attr-defined]

    return search


WAYS = {
    "flat": flat,
    "without FAISS": without_faiss,
    "torch": on_torch,
    "lists": through("ivf8", 8),
    **({"links": through("hnsw8", 400)} if faiss_available() else {}),
}


def law_translation(search: Search, codec: Codec, codes: np.ndarray, Q: np.ndarray) -> None:
    """A thousand standard deviations from the origin, scores are those of float64 on what the codes decode to."""
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codes).astype(np.float64)
    truth = -((Z[:, None].astype(np.float64) - decoded) ** 2).sum(axis=2) + bias[:, None]
    tolerance = 1e-4 * np.ptp(truth, axis=1).max() + 1e-5 * np.abs(truth).max()
    for part in (slice(None), slice(0, 1)):
        scores, rows = search(Q[part], K)
        assert (scores <= 0).all(), "a squared distance is not negative"
        np.testing.assert_allclose(scores, np.take_along_axis(truth[part], rows, 1), atol=tolerance, rtol=0)
        np.testing.assert_allclose(scores, -np.sort(-truth[part], axis=1)[:, :K], atol=tolerance, rtol=0)


def law_query_length(search: Search, Q: np.ndarray) -> None:
    """A power of two on the query changes no ranking, and a query of 1e-36 finds what the query itself finds."""
    for part in (slice(None), slice(0, 1)):
        scores, rows = search(Q[part], K)
        for exponent in (63, -83, -100):
            again, found = search(np.ldexp(Q[part], exponent), K)
            np.testing.assert_array_equal(found, rows)
            np.testing.assert_array_equal(again, np.ldexp(scores, exponent))
        near = [len(set(a) & set(b)) for a, b in zip(search(Q[part] * np.float32(1e-36), K)[1], rows, strict=True)]
        assert min(near) >= K - 1, "1e-36 is no power of two: a last bit may turn a tie"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", SPECS)
def test_distances_stay_distances_far_from_the_origin(text: str, way: str) -> None:
    codec, codes, _ = stored(text, "euclidean", 1000)
    law_translation(WAYS[way](text, "euclidean", 1000), codec, codes, queries("euclidean", 1000))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", SPECS)
def test_a_query_of_any_norm_finds_the_same(text: str, way: str) -> None:
    law_query_length(WAYS[way](text, "dot", 0), queries("dot"))


@pytest.mark.skipif(not faiss_available(), reason="no FAISS here")
def test_half_byte_tables_of_wide_parts_do_not_cancel() -> None:
    codec, codes, _ = stored("pq1x4", "euclidean", 1000)
    law_translation(flat("pq1x4", "euclidean", 1000), codec, codes, queries("euclidean", 1000))


def test_a_search_by_norms_and_products_is_rejected() -> None:
    codec, codes, _ = stored("f32", "euclidean", 1000)
    X = codec.decode(codes)

    def cancelling(Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = 2 * Q @ X.T - (X * X).sum(axis=1) - (Q * Q).sum(axis=1)[:, None]
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, 1), rows

    with pytest.raises(AssertionError):
        law_translation(cancelling, codec, codes, queries("euclidean", 1000))


def test_a_search_with_a_smallest_step_is_rejected() -> None:
    X = corpus("dot")

    def rounding(Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores = np.round(Q @ X.T, 6)
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, 1), rows

    with pytest.raises(AssertionError):
        law_query_length(rounding, queries("dot"))


# ---- exact search ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1e2, 1e3, 1e4])
def test_exact_neighbours_do_not_move_with_the_corpus(offset: float) -> None:
    X, Q = (cloud(n, 64, similarity="euclidean") + np.float32(offset) for n in (400, 60))
    truth = -((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)
    scores, rows = exact_search(check_embeddings(X, Q, similarity="euclidean"), K)
    np.testing.assert_allclose(scores, np.take_along_axis(truth, rows, 1), rtol=1e-3)
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :K], rtol=1e-3)
    assert scores.max() <= 0
    assert np.mean(rows == np.argsort(-truth, axis=1)[:, :K]) > 0.95, "but for ties up to rounding"


def test_exact_neighbours_within_clusters_that_lie_far_apart() -> None:
    X, Q = (cloud(n, 64, similarity="euclidean").copy() for n in (400, 60))
    X[::2] += 30_000
    Q[::3] += 30_000
    truth = -((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)
    scores, rows = exact_search(check_embeddings(X, Q, similarity="euclidean"), K)
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :K], rtol=1e-2)
    assert np.mean(np.sort(rows) == np.sort(np.argsort(-truth, axis=1)[:, :K])) > 0.95


@pytest.mark.parametrize("documents", [0, 63, -83])
@pytest.mark.parametrize("asked", [0, 63, -83, -119])
def test_exact_inner_products_work_at_any_norm(documents: int, asked: int) -> None:
    X, Q = corpus("dot"), queries("dot")
    wanted = exact_search(check_embeddings(X, Q, similarity="dot"), K)[1]
    scaled = check_embeddings(np.ldexp(X, documents), np.ldexp(Q, asked), similarity="dot")
    scores, rows = exact_search(scaled, K)
    np.testing.assert_array_equal(rows, wanted)
    assert np.isfinite(scores).all()
    assert (np.diff(scores, axis=1) <= 0).all()


# ---- the order of the rows ------------------------------------------------------------------------------------------


def tied_corpus() -> tuple[np.ndarray, np.ndarray, list[str], Judgements]:
    """Products of small integers, so that no rounding breaks a tie: runs of equal scores over ranks 10, 32 and 100."""
    rng = np.random.default_rng(3)
    X = rng.integers(0, 3, (240, 6)).astype(np.float32)
    Q = rng.integers(0, 2, (30, 6)).astype(np.float32)
    Q[:, 0] = 1
    ids = [f"d{number:03}" for number in rng.permutation(240)]
    qrels = {
        str(q): {ids[row]: int(rng.integers(1, 4)) for row in rng.choice(240, 12, replace=False)} for q in range(30)
    }
    return X, Q, ids, Judgements(qrels)


def values(
    search: Callable[[Embeddings, int], tuple[np.ndarray, np.ndarray]], order: np.ndarray
) -> dict[str, list[float]]:
    X, Q, ids, judgements = tied_corpus()
    e = check_embeddings(X[order], Q, [ids[row] for row in order], [str(q) for q in range(30)], similarity="dot")
    evaluator = Evaluator(judgements, e.doc_ids, e.query_ids)
    found: dict[str, list[float]] = {}
    for depth in (32, 100):
        scores, rows = search(e, depth)
        for name, per_query in evaluator(scores, rows, QUALITY_MEASURES).items():
            found[f"{name} of {depth}"] = per_query.tolist()
        found[f"tie band of {depth}"] = list(tie_band(evaluator, scores, rows) or ())
        by_first = np.array([ids.index(e.doc_ids[row]) for row in rows.ravel()]).reshape(rows.shape)
        nearest = exact_search(check_embeddings(X, Q, ids, similarity="dot"), depth)
        found[f"neighbour recall of {depth}"] = neighbour_recall(by_first, nearest[1], K, nearest[0]).tolist()
    return found


def law_row_order(search: Callable[[Embeddings, int], tuple[np.ndarray, np.ndarray]]) -> None:
    first = values(search, np.arange(240))
    for seed in range(3):
        assert values(search, np.random.default_rng(seed).permutation(240)) == first


def test_no_measure_of_retrieval_follows_the_order_of_the_rows() -> None:
    law_row_order(exact_search)
    found = values(exact_search, np.arange(240))
    assert found["neighbour recall of 32"] == found["neighbour recall of 100"] == [1.0] * 30


def test_a_search_that_keeps_the_first_rows_of_a_tie_is_rejected() -> None:
    def first_rows(e: Embeddings, k: int) -> tuple[np.ndarray, np.ndarray]:
        best = TopK.empty(len(e.query_ids), k)
        for start, block in e.blocks():
            best.merge(e.query_matrix() @ block.T, np.arange(start, start + len(block)))
        return best.scores, best.rows

    with pytest.raises(AssertionError):
        law_row_order(first_rows)


@pytest.mark.parametrize("text", ["f16", "tq4", "pca12,int8", "adaptive@8B", "pq8x4"])
def test_a_common_factor_of_the_documents_changes_no_codec_under_inner_products(text: str) -> None:
    X, Q = corpus("dot"), queries("dot")
    found = []
    for exponent in (0, 63, -83):
        e = check_embeddings(np.ldexp(X, exponent), Q, similarity="dot")
        [outcome] = sweep(SweepInput(e, None), [parse(text)]).outcomes
        found.append(outcome.recall.tolist())
    assert found[1] == found[2] == found[0]
