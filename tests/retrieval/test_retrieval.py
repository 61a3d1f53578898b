"""Exact search, the running top k, and the measures: against slow oracles, hand cases and published numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from oracles import trec

from embgeo.datasets.registry import resolve_dataset
from embgeo.embeddings import Embeddings, check_embeddings, normalise
from embgeo.errors import InputError
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import QUALITY_MEASURES, Evaluator, neighbour_recall, tie_band
from embgeo.retrieval.exact import exact_search, own_rows, score, without_own
from embgeo.retrieval.top_k import TopK


def sorted_top(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Oracle: a stable sort of everything."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


# ---- the running top k ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 10, 60])
def test_blocks_in_any_order_give_what_a_stable_sort_gives(k: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (8, 60)).astype(np.float32)  # six values: ties everywhere
    blocks = np.split(np.arange(60), [1, 7, 30])
    wanted = sorted_top(scores, k)
    for order in itertools.permutations(blocks):
        best = TopK.empty(8, k)
        for block in order:
            best.merge(scores[:, block], block)
        np.testing.assert_array_equal(best.scores, wanted[0])
        np.testing.assert_array_equal(best.rows, wanted[1])


def test_rows_within_a_block_may_be_in_any_order() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 4, (5, 40)).astype(np.float32)
    order = rng.permutation(40)
    best = TopK.empty(5, 12)
    best.merge(scores[:, order], order)
    np.testing.assert_array_equal(best.rows, sorted_top(scores, 12)[1])


def test_places_without_a_document_stay_empty() -> None:
    best = TopK.empty(1, 4)
    best.merge(np.array([[1.0, 2.0]], np.float32), np.array([7, 3]))
    np.testing.assert_array_equal(best.rows, [[3, 7, -1, -1]])
    np.testing.assert_array_equal(best.scores, [[2, 1, -np.inf, -np.inf]])


def test_a_nan_score_is_never_a_result() -> None:
    best = TopK.empty(1, 3)
    best.merge(np.array([[np.nan, 1.0, np.nan]], np.float32), np.arange(3))
    np.testing.assert_array_equal(best.rows, [[1, -1, -1]])


# ---- exact search ---------------------------------------------------------------------------------------------------


def small(similarity: str, n: int = 90, m: int = 11, d: int = 7) -> Embeddings:
    rng = np.random.default_rng(2)
    X, Q = (rng.standard_normal((rows, d)).astype(np.float32) for rows in (n, m))
    return check_embeddings(X, Q, similarity=similarity)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_exact_search_is_a_sort_of_the_scores_by_definition(similarity: str) -> None:
    e = small(similarity)
    assert e.queries is not None
    Q, X = e.queries.astype(np.float64), np.asarray(e.docs, np.float64)
    if similarity == "cosine":
        truth = Q @ X.T / np.linalg.norm(Q, axis=1)[:, None] / np.linalg.norm(X, axis=1)
    elif similarity == "dot":
        truth = Q @ X.T
    else:
        truth = -((Q[:, None] - X[None]) ** 2).sum(axis=2)
    scores, rows = exact_search(e, 15)
    np.testing.assert_array_equal(rows, sorted_top(truth, 15)[1])
    np.testing.assert_allclose(scores, sorted_top(truth, 15)[0], atol=1e-5)  # float32 sums of 7 products


def test_fewer_documents_than_asked_for_leave_minus_one() -> None:
    _, rows = exact_search(small("cosine", n=3), 5)
    assert (rows[:, 3:] == -1).all()
    assert (np.sort(rows[:, :3]) == [0, 1, 2]).all()


def test_progress_ends_at_all_documents() -> None:
    seen = []
    exact_search(small("cosine"), 5, progress=lambda *call: seen.append(call))
    assert seen[-1] == ("exact search", 90, 90)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_a_score_is_larger_for_the_nearer_document(similarity: str) -> None:
    Q = np.array([[1, 0]], np.float32)
    near, far = score(Q, np.array([[0.9, 0.1], [-1, 0]], np.float32), similarity)[0]
    assert near > far


def test_the_querys_own_document_is_dropped_only_when_asked() -> None:
    X = np.eye(4, dtype=np.float32) + 0.1
    e = check_embeddings(X, X[[2, 0]], ["a", "b", "c", "d"], ["c", "x"])
    np.testing.assert_array_equal(own_rows(e), [2, -2])
    _, kept = exact_search(e, 2)
    assert kept[0, 0] == 2
    _, dropped = exact_search(e, 2, drop_own_document=True)
    assert 2 not in dropped[0]
    assert (dropped >= 0).all(), "the place that came free is filled"
    assert dropped[1, 0] == 0, "a query whose id is no document's keeps its results"


def test_dropping_keeps_the_order_of_what_remains() -> None:
    scores, rows = np.array([[5, 4, 3, 2]], np.float32), np.array([[8, 1, 6, 4]])
    left = without_own(scores, rows, np.array([1]), 3)
    np.testing.assert_array_equal(left[1], [[8, 6, 4]])
    np.testing.assert_array_equal(left[0], [[5, 3, 2]])


# ---- measures -------------------------------------------------------------------------------------------------------


def test_measures_are_those_of_the_formulas() -> None:
    rng = np.random.default_rng(4)
    docs = [f"d{row:03}" for row in range(150)]
    queries = [f"q{row}" for row in range(25)]
    qrels = {
        query: {docs[row]: int(rng.integers(0, 4)) for row in rng.choice(150, rng.integers(1, 14), replace=False)}
        for query in queries[:-2]
    }
    qrels["q0"] = {docs[0]: 0}  # judged, nothing relevant: not averaged over
    evaluator = Evaluator(Judgements(qrels), docs, queries)
    scores = np.round(rng.standard_normal((25, 150)), 1).astype(np.float32)  # ties
    best = TopK.empty(25, 150)
    best.merge(scores, np.arange(150))
    found = evaluator(best.scores, best.rows, QUALITY_MEASURES)
    assert "q0" not in evaluator.query_ids
    assert set(evaluator.query_ids).isdisjoint(queries[-2:])
    for place, (query, row) in enumerate(zip(evaluator.query_ids, evaluator.query_rows, strict=True)):
        ranking = trec.ranked(dict(zip(docs, scores[row].tolist(), strict=True)))
        judged = qrels[query]
        assert found["ndcg@10"][place] == pytest.approx(trec.ndcg(ranking, judged, 10), abs=1e-9)
        assert found["recall@10"][place] == pytest.approx(trec.recall(ranking, judged, 10), abs=1e-9)
        assert found["recall@100"][place] == pytest.approx(trec.recall(ranking, judged, 100), abs=1e-9)
        assert found["map@100"][place] == pytest.approx(trec.average_precision(ranking, judged, 100), abs=1e-9)


def test_mrr_counts_the_first_relevant_of_ten() -> None:
    docs = [f"d{row:02}" for row in range(20)]
    evaluator = Evaluator(Judgements({"a": {"d03": 1, "d05": 1}, "b": {"d10": 1}}), docs, ["a", "b"])
    rows = np.tile(np.arange(20), (2, 1))
    values = evaluator(-rows.astype(np.float32), rows, ["mrr@10"])["mrr@10"]
    np.testing.assert_allclose(values, [1 / 4, 0])  # d03 stands fourth; d10 stands eleventh


def test_mrr_orders_ties_before_it_cuts_to_ten() -> None:
    """Twelve documents tie; by descending id the relevant one, in the last row, is first: nDCG and MRR are both 1."""
    docs = [f"d{row:02}" for row in range(12)]
    evaluator = Evaluator(Judgements({"q": {"d11": 1}}), docs, ["q"])
    found = evaluator(np.zeros((1, 12), np.float32), np.arange(12)[None], QUALITY_MEASURES)
    assert found["ndcg@10"].tolist() == found["mrr@10"].tolist() == [1.0]


def test_ndcg_by_hand() -> None:
    """Grades 0 3 1 in places 1–3, 2 never found: (3/log2 3 + 1/2) / (3 + 2/log2 3 + 1/2)."""
    evaluator = Evaluator(Judgements({"q": {"b": 3, "c": 1, "z": 2}}), ["a", "b", "c"], ["q"])
    value = evaluator(np.array([[3, 2, 1]], np.float32), np.array([[0, 1, 2]]))["ndcg@10"]
    assert value[0] == pytest.approx((3 / np.log2(3) + 0.5) / (3 + 2 / np.log2(3) + 0.5))


def test_the_order_of_rows_does_not_decide_ties() -> None:
    """Trap 8: reversing the corpus leaves the quality of an all-tied ranking where it was."""
    docs = [f"d{row}" for row in range(10)]
    judged = Judgements({"q": {"d3": 1}})
    tied = np.zeros((1, 10), np.float32)
    forward = Evaluator(judged, docs, ["q"])(tied, np.arange(10)[None])["ndcg@10"]
    backward = Evaluator(judged, docs[::-1], ["q"])(tied, np.arange(10)[None])["ndcg@10"]
    assert forward == backward == pytest.approx(1 / np.log2(8))  # d9 d8 … d3: seventh


def test_empty_places_are_not_results() -> None:
    evaluator = Evaluator(Judgements({"q": {"a": 1}}), ["a", "b"], ["q"])
    rows = np.array([[1, -1, -1]])
    assert evaluator(np.array([[1, -np.inf, -np.inf]], np.float32), rows)["ndcg@10"][0] == 0


def test_judgements_that_match_no_query_are_refused() -> None:
    with pytest.raises(InputError, match="match none of 2 queries"):
        Evaluator(Judgements({"x": {"a": 1}}), ["a"], ["q", "r"])


def test_neighbour_recall_by_hand() -> None:
    exact = np.array([[0, 1, 2], [3, -1, -1]])
    found = np.array([[2, 9, 0], [4, 3, 5]])
    np.testing.assert_allclose(neighbour_recall(found, exact, k=3), [2 / 3, 1])
    np.testing.assert_allclose(neighbour_recall(found, exact, k=1), [0, 0])
    np.testing.assert_allclose(neighbour_recall(np.full((2, 3), -1), exact, k=3), [0, 0])


def test_a_copy_of_the_last_neighbour_counts_for_it() -> None:
    """Of the true four, two are sure, and two places are left to the three that tie: any two of them will do."""
    exact, scores = np.array([[0, 1, 2, 3, 4, 5]]), np.array([[9, 8, 7, 7, 7, 6]], np.float32)
    for found, share in (([0, 1, 2, 3], 1), ([0, 1, 4, 3], 1), ([0, 2, 3, 4], 3 / 4), ([0, 1, 4, 5], 3 / 4)):
        assert neighbour_recall(np.array([found]), exact, 4, scores).tolist() == [share]
    assert neighbour_recall(np.array([[0, 1, 4, 3]]), exact, 4).tolist() == [3 / 4], "without scores nothing ties"


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("kind", ["1 ulp", "noise of 1e-7", "two lengths"])
def test_recall_does_not_depend_on_which_near_copies_are_returned(similarity: str, kind: str) -> None:
    """Forty documents, each four times: two copies of the third nearest have a place among ten, and any two will do."""
    if kind == "two lengths" and similarity != "cosine":
        pytest.skip("another length is another vector")
    rng = np.random.default_rng(0)
    X = normalise(rng.standard_normal((40, 96)).astype(np.float32))
    twins = {
        "1 ulp": [np.nextafter(X, np.float32(sign * 9)) for sign in (1, -1, 1)],
        "noise of 1e-7": [(X + 1e-7 * rng.standard_normal(X.shape)).astype(np.float32) for _ in range(3)],
        "two lengths": [X * np.float32(length) for length in (3.7, 0.3, 1.9)],
    }
    copies = np.concatenate([X, *twins[kind]])
    Q = normalise(rng.standard_normal((20, 96)).astype(np.float32))
    scores, rows = exact_search(check_embeddings(copies, Q, similarity=similarity), 32)
    by_rows = []
    for pair in itertools.combinations(range(4), 2):
        found = np.c_[rows[:, :8], rows[:, 8:9] % 40 + 40 * np.array(pair)]
        np.testing.assert_array_equal(neighbour_recall(found, rows, 10, scores), 1)
        by_rows.append(neighbour_recall(found, rows, 10).mean())
    assert min(by_rows) < 1, "by rows alone it does depend"


def test_where_there_is_no_neighbour_none_is_missed() -> None:
    none = np.full((1, 3), -1)  # the only document is the query's own
    np.testing.assert_allclose(neighbour_recall(none, none, k=3), [1])


def test_tie_band_by_hand() -> None:
    """Three documents share the best score, one is relevant: first 1, third 1/log2 4; the second query is fixed."""
    docs = [f"d{row:02}" for row in range(12)]
    evaluator = Evaluator(Judgements({"tied": {"d01": 1}, "clear": {"d00": 1}}), docs, ["tied", "clear"])
    rows = np.tile(np.arange(12), (2, 1))
    scores = np.stack([[3.0, 3, 3, *np.arange(0, -9, -1)], -np.arange(12.0)]).astype(np.float32)
    band = tie_band(evaluator, scores, rows)
    assert band is not None
    assert band == pytest.approx(((1 / np.log2(4) + 1) / 2, 1))


@pytest.mark.parametrize("grade", [0, -1, -3, -100, 100])
def test_a_tie_band_moves_no_document_past_one_that_scores_better(grade: int) -> None:
    """d00 ties with no other and stays first, whatever its grade; the relevant d02 shares places 2 and 3 with d01."""
    evaluator = Evaluator(Judgements({"q": {"d00": grade, "d02": 1}}), [f"d{row:02}" for row in range(12)], ["q"])
    scores = np.array([[9.0, 5, 5, *np.arange(0, -9, -1)]], np.float32)
    top, ideal = max(grade, 0), max(grade, 0) + (1 / np.log2(3) if grade > 0 else 1)
    band = [(top + 1 / np.log2(place + 1)) / ideal for place in (3, 2)]
    assert tie_band(evaluator, scores, np.arange(12)[None]) == pytest.approx(band)


def test_a_tie_at_the_cut_counts() -> None:
    """The relevant document shares place 10 with the eleventh: in or out."""
    docs = [f"d{row:02}" for row in range(12)]
    evaluator = Evaluator(Judgements({"q": {"d10": 1}}), docs, ["q"])
    scores = np.array([[*np.arange(20, 11, -1), 5, 5, 1]], np.float32)
    assert tie_band(evaluator, scores, np.arange(12)[None]) == pytest.approx((0, 1 / np.log2(11)))


def test_without_ties_there_is_no_band() -> None:
    evaluator = Evaluator(Judgements({"q": {"d00": 1}}), [f"d{row:02}" for row in range(12)], ["q"])
    assert tie_band(evaluator, -np.arange(12, dtype=np.float32)[None], np.arange(12)[None]) is None


def test_ties_of_a_short_ranking_are_seen() -> None:
    evaluator = Evaluator(Judgements({"q": {"a": 1}}), ["a", "b", "c"], ["q"])
    band = tie_band(evaluator, np.array([[2, 1, 1]], np.float32), np.array([[2, 1, 0]]))
    assert band == pytest.approx((1 / np.log2(4), 1 / np.log2(3)))


# ---- published numbers ----------------------------------------------------------------------------------------------


def test_scifact_with_minilm_gives_the_numbers_mteb_publishes(shared_data: Path) -> None:
    """nDCG@10 0.64508 and recall@100 0.925 (MTEB, all-MiniLM-L6-v2 on SciFact); stored vectors, five digits."""
    data = resolve_dataset(str(shared_data / "scifact"))
    folder = shared_data / "scifact"
    docs, queries = np.load(folder / "minilm-docs.npy", mmap_mode="r"), np.load(folder / "minilm-queries.npy")
    e = check_embeddings(docs, queries, data.doc_ids, data.query_ids)
    evaluator = Evaluator(data.judgements, e.doc_ids, e.query_ids)
    scores, rows = exact_search(e, 100)
    found = evaluator(scores, rows, QUALITY_MEASURES)
    assert len(evaluator.query_ids) == 300
    assert found["ndcg@10"].mean() == pytest.approx(0.64508, abs=5e-6)
    assert found["recall@100"].mean() == pytest.approx(0.925, abs=5e-4)
    assert tie_band(evaluator, scores, rows) is None


# ---- queries that share documents -----------------------------------------------------------------------------------


def test_queries_are_grouped_by_the_document_that_most_of_them_share() -> None:
    """d1 answers a, b, c; d2 answers c, e, which is left alone once d1 has taken c; d3 answers f, and g only at 0."""
    qrels = {
        "a": {"d1": 1},
        "b": {"d1": 2},
        "c": {"d1": 1, "d2": 1},
        "e": {"d2": 1},
        "f": {"d3": 1},
        "g": {"d4": 1, "d3": 0},
    }
    for order in (list(qrels), list(qrels)[::-1]):
        evaluator = Evaluator(Judgements(qrels), ["d1", "d2", "d3", "d4"], order)
        group = dict(zip(evaluator.query_ids, evaluator.query_groups.tolist(), strict=True))
        assert group["a"] == group["b"] == group["c"]
        assert len({group[query] for query in "aefg"}) == 4
        assert evaluator.independent_queries == 4


def test_a_chain_of_shared_documents_is_not_one_group() -> None:
    """Query i shares a document with i - 1 and i + 1: pairs, not all of them, or an interval would have no width."""
    count = 100
    qrels = {f"q{i:03d}": {f"d{i:03d}": 1, f"d{i + 1:03d}": 1} for i in range(count)}
    evaluator = Evaluator(Judgements(qrels), [f"d{i:03d}" for i in range(count + 1)], list(qrels))
    assert 50 <= evaluator.independent_queries <= 67
    assert np.bincount(evaluator.query_groups).max() == 2
