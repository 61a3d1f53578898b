"""Margins of free vectors against closed forms, certificates and the values measured on real judgements."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from embgeo.datasets.beir import load_beir, read_qrels
from embgeo.embeddings import check_embeddings
from embgeo.errors import InputError
from embgeo.judgements import check_judgements
from embgeo.limits.judgement_margin import half_gaps, judgement_margin, own_gap
from embgeo.limits.margins import balanced_rows, certificate, free_vectors, subset_half_gap, subset_zero_margin
from embgeo.limits.pattern import CELLS, Pattern, all_subsets, distinct, pattern_of
from embgeo.reports.sections.limits_margin import verdict
from embgeo.results.limits import Limits
from embgeo.results.limits_margin import JudgementMargin, MarginAt, OwnGap
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.threads import one_blas_thread


@pytest.fixture(autouse=True)
def _one_blas_thread() -> Iterator[None]:
    with one_blas_thread():
        yield


def matrix(pattern: Pattern) -> np.ndarray:
    held = np.zeros(pattern.shape, bool)
    held[pattern.rows, pattern.columns] = True
    return held


def relevant(qrels: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    return [[doc for doc, grade in of.items() if grade > 0] for of in qrels.values()]


SUBSETS = [(8, 1), (8, 2), (12, 2), (8, 3)]


def judged(X: np.ndarray, Q: np.ndarray, qrels: dict, similarity: str = "cosine"):
    held = check_embeddings(X, Q, similarity=similarity)
    return held, Evaluator(check_judgements(qrels, held.doc_ids, held.query_ids), held.doc_ids, held.query_ids)


@pytest.mark.parametrize(("n", "k"), SUBSETS)
@pytest.mark.parametrize(("threshold", "closed_form"), [("row", subset_half_gap), ("zero", subset_zero_margin)])
def test_free_vectors_reach_the_closed_form_and_the_certificate_lies_above(n, k, threshold, closed_form) -> None:
    pattern, best = all_subsets(n, k), closed_form(n, k)
    free = free_vectors(pattern, n, threshold=threshold, seeds=2)
    assert free.margins == pytest.approx(best, abs=0.003)
    assert (free.margins <= best + 1e-5).all()
    weights = free.weights[0] if threshold == "zero" else balanced_rows(free.weights[0])
    assert best - 1e-6 <= certificate(weights, free.U[0], free.V[0]) <= 1.35 * best


def test_margins_are_those_of_the_vectors_returned() -> None:
    pattern = all_subsets(6, 2)
    free = free_vectors(pattern, 3)
    assert np.linalg.norm(free.U, axis=2) == pytest.approx(1, abs=1e-5)
    held = matrix(pattern)
    for U, V, margin in zip(free.U, free.V, free.margins, strict=True):
        S = U.astype(np.float64) @ V.T
        gaps = np.where(held, S, 9).min(axis=1) - np.where(held, -9, S).max(axis=1)
        assert margin == pytest.approx(gaps.min() / 2, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_no_vectors_exceed_the_certificate_of_any_balanced_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = distinct([rng.choice(9, 2, replace=False).tolist() for _ in range(12)], 10)
    queries, documents = pattern.shape
    W = np.where(matrix(pattern), 1, -1) * rng.random(pattern.shape)
    bound = certificate(balanced_rows(W), rng.standard_normal((queries, 5)), rng.standard_normal((documents, 5)))
    assert free_vectors(pattern, documents, seed=seed).margins.max() <= bound


def test_weights_that_are_not_balanced_bound_another_margin() -> None:
    pattern = all_subsets(8, 1)
    free = free_vectors(pattern, 8, threshold="zero", seeds=1)
    assert certificate(free.weights[0], free.U[0], free.V[0]) < subset_half_gap(8, 1)
    W, vectors = np.where(matrix(pattern), 1.0, -1 / 70), np.eye(8)
    assert certificate(balanced_rows(W), vectors, vectors) == pytest.approx(subset_half_gap(8, 1))


def test_one_relevant_document_each_needs_two_dimensions_for_a_ranking() -> None:
    # n documents on a circle, each query at its document: ½ (1 − cos 2π/n)
    free = free_vectors(all_subsets(6, 1), 2, seeds=6)
    assert free.margins.max() == pytest.approx(0.25, abs=0.005)


def test_a_pattern_holds_each_set_and_each_document_once() -> None:
    qrels = {"a": {"x": 1, "y": 2}, "b": {"y": 1, "x": 1}, "c": {"z": 1, "x": 0}, "d": {"z": 0}, "e": {}}
    pattern = pattern_of(relevant(qrels), 50)
    assert pattern.shape == (2, 3)  # {x, y} and {z}; x and y together, z, and the rest
    assert matrix(pattern).tolist() == [[True, False, False], [False, True, False]]
    assert (pattern.queries, pattern.judged) == (3, 3)
    assert pattern_of([[]], 50) is None
    assert pattern_of([["x", "y"]], 2) is None


def test_many_queries_and_queries_with_many_documents_are_sampled() -> None:
    rng = np.random.default_rng(0)
    sets = [set(rng.integers(0, 30_000, 400).tolist()) for _ in range(1500)]
    pattern = pattern_of(sets, 30_000)
    assert pattern.shape[0] * pattern.shape[1] <= CELLS
    assert pattern.judged == 1500
    assert pattern.queries < 1500
    assert pattern_of(sets, 30_000).queries == pattern.queries


def test_subsets_are_refused_where_there_are_none() -> None:
    for n, k in ((3, 3), (3, 0)):
        with pytest.raises(InputError, match="0 < k < n"):
            all_subsets(n, k)
        with pytest.raises(InputError, match="0 < k < n"):
            subset_half_gap(n, k)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_half_gaps_are_those_of_all_scores(similarity: str) -> None:
    rng = np.random.default_rng(1)
    X, Q = rng.standard_normal((60, 5)).astype(np.float32), rng.standard_normal((9, 5)).astype(np.float32)
    qrels = {str(q): {str(doc): 1 for doc in rng.choice(60, 1 + q % 3, replace=False)} for q in range(9)}
    Q[0] = X[int(next(iter(qrels["0"])))]
    held, evaluator = judged(X, Q, qrels, similarity)
    V, U = held.matrix().astype(np.float64), held.query_matrix().astype(np.float64)
    S = -((U[:, None] - V) ** 2).sum(axis=2) if similarity == "euclidean" else U @ V.T
    relevant = np.array([[str(doc) in qrels[str(q)] for doc in range(60)] for q in range(9)])
    expected = (np.where(relevant, S, np.inf).min(axis=1) - np.where(relevant, -np.inf, S).max(axis=1)) / 2
    for depth in (60, 12):
        assert half_gaps(held, evaluator, *exact_search(held, depth)) == pytest.approx(expected, abs=1e-5)
    found = own_gap(held, evaluator, *exact_search(held, 12))
    assert found.positive == pytest.approx((expected > 0).mean())
    assert (found.median is None) == (similarity != "cosine")


def test_a_query_whose_results_are_all_relevant_has_no_gap() -> None:
    X = np.eye(4, dtype=np.float32)
    held, evaluator = judged(X, X[:1], {"0": {"0": 1, "1": 1, "2": 1}})
    assert np.isnan(half_gaps(held, evaluator, *exact_search(held, 1)))[0]
    assert own_gap(held, evaluator, *exact_search(held, 1)) is None
    assert half_gaps(held, evaluator, *exact_search(held, 4))[0] == 0  # a tie is no gap


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_copies_of_a_relevant_document_are_no_others(similarity: str) -> None:
    X = np.random.default_rng(3).standard_normal((60, 16)).astype(np.float32)
    qrels = {str(q): {str(q): 1} for q in range(30)}
    qrels["1"] = {"61": 1}  # a copy of the first, which is asked for too
    held, evaluator = judged(np.r_[X, X], X[:30], qrels, similarity)
    gaps = half_gaps(held, evaluator, *exact_search(held, 120))
    alone, same = judged(X, X[:30], {str(q): {str(q): 1} for q in range(30)}, similarity)
    assert gaps == pytest.approx(half_gaps(alone, same, *exact_search(alone, 60)), abs=1e-5)
    whole, single = judgement_margin(held, evaluator), judgement_margin(alone, same)
    assert (whole.patterns, whole.documents) == (single.patterns, single.documents) == (30, 31)


def test_documents_that_are_not_in_the_corpus_are_left_out_of_pattern_and_gaps_alike() -> None:
    X = np.eye(12, dtype=np.float32)
    qrels = {str(q): {str(q): 1} for q in range(8)} | {"1": {"1": 1, "gone": 1}, "2": {"lost": 1, "left": 2, "3": 0}}
    held, evaluator = judged(X, X[:8], qrels)
    margin, own = judgement_margin(held, evaluator), own_gap(held, evaluator, *exact_search(held, 12))
    assert own.queries == margin.judged == margin.patterns == 7
    assert margin.documents == 8
    assert margin.missing == pytest.approx(0.3)  # 3 of 10
    assert own.positive == 1


def limited(X: np.ndarray, Q: np.ndarray, qrels: dict) -> Limits:
    held, evaluator = judged(X, Q, qrels)
    own = own_gap(held, evaluator, *exact_search(held, min(len(X), 1000)))
    return Limits(margin=judgement_margin(held, evaluator), own_gap=own)


def test_a_sample_does_not_show_that_the_dimension_suffices() -> None:
    # no 4 dimensions rank all subsets of 6 documents (Radon), but few of these are in the sample
    few = [rows for k in range(1, 6) for rows in combinations(range(6), k)]
    sets = [*few, *((row,) for row in range(6, 3006))]
    X = np.random.default_rng(4).standard_normal((3006, 4)).astype(np.float32)
    Q = np.array([X[list(rows)].sum(axis=0) for rows in sets])
    found = limited(X, Q, {str(q): {str(row): 1 for row in rows} for q, rows in enumerate(sets)})
    assert found.margin.sampled
    assert any(each.half_gap for each in found.margin.reached)
    said = verdict(found)
    assert f"a sample, {found.margin.queries} of 3,062 queries" in said
    assert "only lower that gap" in said
    for claim in ("Dimension is not the limit", "all of these", "buy no dimensions"):
        assert claim not in said


def test_the_verdict_of_all_judgements_is_in_plain_words() -> None:
    rng = np.random.default_rng(5)
    X, Q = rng.standard_normal((2, 40, 8)).astype(np.float32)
    qrels = {str(q): {str(q): 1} for q in range(40)}
    said = verdict(limited(X, Q, qrels))
    assert said.startswith("Dimension is not the limit, the model is: ")
    assert "all of these judgements" in said
    assert "not in the corpus" not in said
    for jargon in ("half-gap", "free vector", "certificate"):
        assert jargon not in said.lower()
    assert (
        "The 20.0\N{NARROW NO-BREAK SPACE}% of the relevant judgements whose document is not in the corpus"
        in verdict(limited(X, Q, qrels | {str(q): {str(q): 1, "gone": 1} for q in range(10)}))
    )
    assert verdict(limited(X, X, qrels)).startswith("Neither dimension nor model is the limit")


def test_one_seed_that_ranks_all_shows_that_the_dimension_can() -> None:
    reached = [MarginAt(dimension=2, half_gap=0.0, seeds=[0.0, 0.0, 0.01])]
    margin, own = JudgementMargin(reached=reached, certificate=0.2), OwnGap(positive=0.5)
    assert "vectors of 2 dimensions can rank" in verdict(Limits(margin=margin, own_gap=own))


def test_no_judgements_no_margin() -> None:
    held = check_embeddings(np.eye(4, dtype=np.float32))
    assert judgement_margin(held, None) is None
    assert own_gap(held, None, None, None) is None


# half-gap by dimension, measured with another program by one seed: what these vectors reach may be more, not less
LIMIT_SMALL = {8: 0.053, 12: 0.110, 16: 0.170, 24: 0.244, 32: 0.287, 46: 0.360}
SCIFACT = {4: 0.047, 8: 0.201, 16: 0.330, 32: 0.403, 64: 0.445, 128: 0.462}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "documents", "known"), [("limit-small", 46, LIMIT_SMALL), ("scifact", 5183, SCIFACT)])
def test_margins_of_real_judgements(shared_data: Path, name: str, documents: int, known: dict) -> None:
    folder = shared_data / name
    [file] = [*folder.glob("qrels.jsonl"), *folder.glob("qrels/test.tsv")]
    pattern = pattern_of(relevant(read_qrels(file)), documents)
    for dimension, half_gap in known.items():
        reached = float(np.median(free_vectors(pattern, dimension).margins))
        assert half_gap - 0.01 <= reached <= half_gap + 0.02, dimension


def test_limit_small_is_nearly_all_pairs(shared_data: Path) -> None:
    pattern = pattern_of(relevant(load_beir(shared_data / "limit-small").judgements.qrels), 46)
    assert pattern.shape == (1000, 46)
    free = free_vectors(pattern, 46, seeds=1)
    bound = certificate(balanced_rows(free.weights[0]), free.U[0], free.V[0])
    # all 1,035 pairs can have this much, so can 1,000 of them
    assert (
        subset_half_gap(46, 2) - 0.001 <= free.margins[0] <= subset_half_gap(46, 2) + 0.001 <= bound + 0.001 <= 0.3718
    )


def test_the_model_ranks_half_of_scifact_right(shared_data: Path) -> None:
    folder = shared_data / "scifact"
    X, Q = (np.load(folder / f"minilm-{side}.npy") for side in ("docs", "queries"))
    lines = [(folder / f"{side}.jsonl").read_text().splitlines() for side in ("corpus", "queries")]
    ids = [[json.loads(line)["_id"] for line in each] for each in lines]
    held = check_embeddings(X, Q, *ids)
    judgements = check_judgements(read_qrels(folder / "qrels" / "test.tsv"), *ids)
    found = own_gap(held, Evaluator(judgements, *ids), *exact_search(held, 100))
    assert found.positive == pytest.approx(142 / 300)
