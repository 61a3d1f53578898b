"""Ideal queries, recall by width and the graph of judgements, against other programs and published values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from embgeo.datasets.beir import load_beir
from embgeo.embeddings import Embeddings, check_embeddings, normalise
from embgeo.judgements import check_judgements
from embgeo.limits import widths
from embgeo.limits.ideal_queries import ideal_half_gaps
from embgeo.limits.margins import subset_half_gap
from embgeo.limits.widths import by_width
from embgeo.retrieval.evaluate import Evaluator


def evaluator(held: Embeddings, qrels: Mapping[str, Mapping[str, int]]) -> Evaluator:
    judgements = check_judgements(qrels, held.doc_ids, held.query_ids)
    return Evaluator(judgements, held.doc_ids, held.query_ids)


@pytest.mark.parametrize("dimension", [2, 4, 8])
def test_a_set_is_rankable_where_a_linear_programme_says_so(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    X = normalise(rng.standard_normal((120, dimension)).astype(np.float32))
    sets = [rng.choice(120, 1 + at % 3, replace=False) for at in range(60)]
    expected = []
    for rows in sets:
        # q·r − q·o ≥ 1 for all relevant r and other o
        others = np.delete(X, rows, axis=0)
        A = (others[None] - X[rows][:, None]).reshape(-1, dimension)
        solved = linprog(np.zeros(dimension), A_ub=A, b_ub=-np.ones(len(A)), bounds=(None, None))
        expected.append(solved.status == 0)
    found = ideal_half_gaps(X, sets) > 0
    assert found.tolist() == expected
    assert 0 < found.mean() < 1 or dimension == 8


def test_the_ideal_query_of_corners_of_a_simplex_has_the_closed_form() -> None:
    corners = np.eye(9, dtype=np.float32) - np.float32(1 / 9)
    X = normalise(corners)
    for k in (1, 2, 3):
        sets = [np.array(rows) for rows in combinations(range(9), k)]
        assert ideal_half_gaps(X, sets) == pytest.approx(subset_half_gap(9, k), rel=0.02)


def test_a_copy_of_a_relevant_document_cannot_be_ranked_below_it() -> None:
    X = np.eye(4, dtype=np.float32)[[0, 1, 2, 0]]
    assert ideal_half_gaps(X, [np.array([0]), np.array([1])]).tolist() == [0.0, pytest.approx(0.612, abs=0.01)]


def test_a_copy_of_a_relevant_document_is_as_relevant_to_an_ideal_query() -> None:
    X = np.eye(10, dtype=np.float32)[[*range(10), 0, 1]]
    held = check_embeddings(X, X[:3])
    [whole, *_] = by_width(held, evaluator(held, {str(q): {str(q): 1} for q in range(3)}))
    assert whole.ideal == 1


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_recall_by_width_is_that_of_all_scores(similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    X, Q = rng.standard_normal((80, 24)).astype(np.float32), rng.standard_normal((15, 24)).astype(np.float32)
    qrels = {str(q): {str(doc): 1 for doc in rng.choice(80, 1 + q % 3, replace=False)} for q in range(15)}
    held = check_embeddings(X, Q, similarity=similarity)
    rows = by_width(held, evaluator(held, qrels))
    assert [(row.kind, row.width) for row in rows] == [
        ("whole", 24), ("truncated", 16), ("truncated", 8), ("pca", 16), ("pca", 8),
    ]  # fmt: skip
    cut = check_embeddings(X[:, :16], Q[:, :16], similarity=similarity)
    V, U = cut.matrix().astype(np.float64), cut.query_matrix().astype(np.float64)
    S = -((U[:, None] - V) ** 2).sum(axis=2) if similarity == "euclidean" else U @ V.T
    best = np.argsort(-S, axis=1)[:, :10]
    recall = np.mean(
        [np.isin(best[q], [int(doc) for doc in qrels[str(q)]]).sum() / len(qrels[str(q)]) for q in range(15)]
    )
    assert rows[1].recall_10 == pytest.approx(recall)
    assert (rows[0].ideal is None) == (similarity == "euclidean")
    assert rows[1].ideal is None
    monkeypatch.setattr(widths, "DOCUMENTS", 79)
    assert [row.kind for row in by_width(held, evaluator(held, qrels))] == ["whole"]
    assert by_width(held, None) is None


def test_recall_counts_relevant_documents_that_are_not_in_the_corpus() -> None:
    X = np.eye(9, dtype=np.float32)
    held = check_embeddings(X, X[:1])
    [whole, *_] = by_width(held, evaluator(held, {"0": {"0": 1, "elsewhere": 1, "3": 0}}))
    assert whole.recall_2 == 0.5


@pytest.mark.slow
def test_recall_of_minilm_on_limit_small(shared_data: Path, tmp_path: Path) -> None:
    from embgeo import measure_limits

    pytest.importorskip("sentence_transformers")
    run = measure_limits("minilm", str(shared_data / "limit-small"), out=tmp_path)
    found: Any = run.findings.limits
    recalls = {(row.kind, row.width): row for row in found.widths}
    whole = recalls["whole", 384]
    assert [whole.recall_2, whole.recall_10, whole.recall_20] == pytest.approx([0.1620, 0.4805, 0.6945], abs=0.001)
    assert run.findings.retrieval["ndcg@10"].value == pytest.approx(0.3136, abs=0.001)
    truncated = [recalls["truncated", width].recall_2 for width in (256, 128, 64, 32)]
    assert truncated == pytest.approx([0.126, 0.1115, 0.0945, 0.0895], abs=0.001)
    assert found.own_gap.positive == pytest.approx(0.023, abs=0.001)
    assert whole.ideal == recalls["pca", 16].ideal == 1
    assert whole.ideal_least >= 0.141
    assert recalls["pca", 8].ideal >= 0.78


def test_limit_small_in_beir_format_is_read(shared_data: Path) -> None:
    data = load_beir(shared_data / "limit-small")
    assert (len(data.doc_ids), len(data.query_ids), len(data.judgements)) == (46, 1000, 2000)
