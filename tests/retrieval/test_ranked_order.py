"""The rankings and judgements that a compress run keeps for its report."""

from __future__ import annotations

import numpy as np

from embgeo import api
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator


def test_equal_scores_are_ordered_by_descending_document_id() -> None:
    evaluator = Evaluator(Judgements({"q": {"b": 1}}), ["a", "b", "c", "d"], ["unjudged", "q"])
    scores = np.array([[9, 8, 7, 6], [2, 1, 1, -np.inf]], np.float32)
    rows = np.array([[0, 1, 2, 3], [3, 0, 1, -1]])
    # of query q: d first, then b before a, as trec_eval orders ties; the unjudged query is left out
    assert evaluator.ordered(scores, rows).tolist() == [[3, 1, 0, -1]]
    # and nDCG agrees: b at rank 2 is 1 / log2(3)
    assert evaluator(scores, rows)["ndcg@10"].tolist() == [1 / np.log2(3)]


def test_judgements_are_kept_by_row_and_unknown_documents_left_out() -> None:
    judged = Judgements({"q": {"b": 2, "gone": 1, "a": 0}, "none": {"a": 0}})
    evaluator = Evaluator(judged, ["a", "b"], ["none", "q"])
    assert sorted(evaluator.judged().tolist()) == [[1, 0, 0], [1, 1, 2]]


def test_a_run_keeps_the_rankings_that_its_quality_follows_from(tmp_path, repository) -> None:
    X = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    np.savez(tmp_path / "v.npz", docs=X, queries=X[:12] + 0.1)
    run = api.compress(f"vectors:{tmp_path / 'v.npz'}", specs=["f32", "binary"], out=tmp_path / "runs", threads=1)
    best = run.result["recommendation"]["spec"]
    assert {"ranked/f32", f"ranked/{best}"} <= set(run.arrays)
    exact = run.arrays["ranked/f32"]
    assert exact.shape[0] == 12
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    Q = (X[:12] + 0.1) / np.linalg.norm(X[:12] + 0.1, axis=1, keepdims=True)
    assert exact[:, :10].tolist() == np.argsort(-(Q @ U.T), axis=1)[:, :10].tolist()
