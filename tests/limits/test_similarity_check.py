"""Whether it matters by which similarity the same vectors are searched."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.embeddings import check_embeddings
from embgeo.judgements import check_judgements
from embgeo.limits.similarity_check import CENTRED, similarity_check
from embgeo.reports.plaintext import plain
from embgeo.reports.sections.limits_similarity import sentence
from embgeo.results.limits import Limits, SimilarityCheck
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search


def checked(X: np.ndarray, Q: np.ndarray, similarity: str) -> SimilarityCheck:
    """The check of queries whose relevant document is that of the same row."""
    held = check_embeddings(X, Q, similarity=similarity)
    qrels = {str(row): {str(row): 1} for row in range(len(Q))}
    evaluator = Evaluator(check_judgements(qrels, held.doc_ids, held.query_ids), held.doc_ids, held.query_ids)
    found = similarity_check(held, evaluator, evaluator(*exact_search(held, 100))["ndcg@10"])
    assert found is not None
    return found


def space(d: int = 16, n: int = 300, m: int = 60, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(np.float32)
    return X, X[:m] + noise * rng.standard_normal((m, d)).astype(np.float32)


def test_vectors_of_one_length_are_one_search_by_all_three() -> None:
    X, Q = space()
    found = checked(X / np.linalg.norm(X, axis=1, keepdims=True), Q, "dot")
    assert [each.name for each in found.others] == [CENTRED]
    assert found.length_spread == pytest.approx(0, abs=1e-6)
    assert "one search" in sentence(Limits(similarity=found))


def test_lengths_without_meaning_make_the_dot_product_worse_and_cosine_better() -> None:
    X, Q = space()
    X *= np.exp(np.random.default_rng(1).standard_normal((len(X), 1))).astype(np.float32)
    kept, changed = checked(X, Q, "cosine"), checked(X, Q, "dot")
    of = {each.name: each for each in kept.others}
    assert set(of) == {"dot", "euclidean", CENTRED}
    assert of["dot"].value == changed.value
    assert of["dot"].difference_ci is not None
    assert of["dot"].difference_ci[1] < 0
    assert "build the index for cosine" in sentence(Limits(similarity=kept))
    assert "rerun with --similarity cosine" in sentence(Limits(similarity=changed))


def test_centring_helps_where_the_mean_drowns_the_rest() -> None:
    X, Q = space(m=200)
    X[:, 0], Q[:, 0] = 10, 0  # what all documents share takes most of their length and tells queries nothing
    # the mean of unit vectors is not that of the vectors: the oracle centres unit rows by hand
    units, asked = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Q))
    found = checked(X, Q, "cosine").others[-1]
    by_hand = checked(units - units.mean(axis=0), asked - units.mean(axis=0), "cosine")
    assert found.name == CENTRED
    assert found.value == pytest.approx(by_hand.value, abs=1e-6)
    assert found.difference_ci is not None
    assert found.difference_ci[0] > 0
    said = plain(sentence(Limits(similarity=SimilarityCheck(used="cosine", others=[found]))))
    assert "documents and queries raises nDCG@10 by" in said


def test_a_similarity_that_vectors_do_not_allow_is_left_out() -> None:
    X, Q = space()
    X[5] = 0
    assert {each.name for each in checked(X, Q, "dot").others} == {"euclidean", CENTRED}
    assert sentence(Limits()) == ""
