"""Document folds: equal vectors together, folds of equal size, one seed one answer."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.compression.judging.folds import FOLDS, document_folds, fit_sample
from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings, check_embeddings


def embeddings(X: np.ndarray, similarity: str = "cosine") -> Embeddings:
    return check_embeddings(X.astype(np.float32), similarity=similarity)


def cloud(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_every_document_is_in_one_of_five_folds_of_equal_size() -> None:
    folds = document_folds(embeddings(cloud(203)), seed=0)
    assert folds.shape == (203,)
    counts = np.bincount(folds, minlength=FOLDS)
    assert len(counts) == FOLDS
    assert counts.max() - counts.min() <= 1


def test_equal_vectors_share_a_fold() -> None:
    X = cloud(60)
    of = np.random.default_rng(1).integers(0, 60, 400)
    folds = document_folds(embeddings(X[of]), seed=0)
    for original in np.unique(of):
        assert len(set(folds[of == original].tolist())) == 1


def test_under_cosine_a_longer_copy_is_a_duplicate() -> None:
    X = cloud(50)
    both = np.concatenate([X, 4 * X])
    folds = document_folds(embeddings(both), seed=0)
    np.testing.assert_array_equal(folds[:50], folds[50:])
    assert len(find_copies(embeddings(both, "dot")).first) == 100


def test_copies_that_differ_by_rounding_share_a_fold() -> None:
    """Encoded in two batches, or at another length under cosine: no codec may be fitted on a copy."""
    X = cloud(300, 48)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    noise = 1e-7 * np.random.default_rng(2).standard_normal(X.shape)
    for twin in (np.nextafter(X, np.float32(9)), X + noise, 3.7 * X):
        folds = document_folds(embeddings(np.r_[X, twin]), seed=0)
        np.testing.assert_array_equal(folds[:300], folds[300:])


def test_minus_zero_is_zero() -> None:
    X = np.array([[1, 0], [1, -0.0], [0, 1]], np.float32)
    np.testing.assert_array_equal(find_copies(embeddings(X)).group, [0, 0, 1])


def test_groups_are_numbered_by_their_first_row() -> None:
    X = np.array([[1, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    np.testing.assert_array_equal(find_copies(embeddings(X)).group, [0, 1, 0, 2])


@pytest.mark.parametrize("distinct", [1, 2, 4, 5, 6])
def test_few_distinct_documents_make_fewer_folds(distinct: int) -> None:
    folds = document_folds(embeddings(np.repeat(cloud(distinct), 3, axis=0)), seed=0)
    assert int(folds.max()) + 1 == min(distinct, FOLDS)


def test_one_seed_gives_one_division_and_another_gives_another() -> None:
    e = embeddings(cloud(200))
    np.testing.assert_array_equal(document_folds(e, seed=3), document_folds(e, seed=3))
    assert (document_folds(e, seed=3) != document_folds(e, seed=4)).any()


def test_a_small_corpus_is_fitted_on_whole_and_a_large_one_on_a_sorted_sample() -> None:
    e = embeddings(cloud(100))
    np.testing.assert_array_equal(fit_sample(e, 0), np.arange(100))
    rows = fit_sample(e, 0, rows=40)
    assert len(np.unique(rows)) == 40
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, fit_sample(e, 0, rows=40))
    assert (rows != fit_sample(e, 1, rows=40)).any()
