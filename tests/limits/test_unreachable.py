"""Documents that no query reaches, and what tells which."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.embeddings import check_embeddings
from embgeo.limits.unreachable import area_under_curve, k_occurrence, unreachable
from embgeo.retrieval.exact import exact_search


def space(n: int = 400, m: int = 30, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)).astype(np.float32), rng.standard_normal((m, d)).astype(np.float32)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_k_occurrence_counts_the_other_documents_that_have_one_among_their_nearest(similarity: str) -> None:
    X, _ = space(60)
    held = check_embeddings(X, similarity=similarity)
    rows = held.matrix().astype(np.float64)
    scores = rows @ rows.T
    if similarity == "euclidean":
        scores = -((rows[:, None] - rows) ** 2).sum(axis=2)
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1)[:, :5]
    assert np.array_equal(k_occurrence(held, np.arange(60), 5), np.bincount(nearest.ravel(), minlength=60))


def test_area_under_the_curve_is_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(1)
    score, positive = rng.integers(0, 6, 50).astype(float), rng.random(50) < 0.3
    gaps = score[positive][:, None] - score[~positive]
    assert area_under_curve(score, positive) == pytest.approx((gaps > 0).mean() + (gaps == 0).mean() / 2)
    assert area_under_curve(score, np.ones(50, bool)) is None


def test_a_document_far_from_all_others_is_unreachable_and_told_by_its_neighbours() -> None:
    X, Q = space()
    X[:, 0], Q[:, 0] = np.abs(X[:, 0]) + 3, np.abs(Q[:, 0]) + 3
    X[7] = [-5, 0, 0, 0, 0, 0, 0, 0]
    held = check_embeddings(X, Q, similarity="cosine")
    found = unreachable(held, exact_search(held, 100)[1])
    assert found is not None
    assert found.documents[0] == "7"
    assert found.share is not None
    assert found.share >= 1 / 400
    assert found.auc is not None
    assert found.auc > 0.9


def test_a_corpus_that_every_search_covers_has_no_unreachable_documents() -> None:
    X, Q = space(90)
    held = check_embeddings(X, Q)
    assert unreachable(held, exact_search(held, 90)[1]) is None
    assert unreachable(held, None) is None
