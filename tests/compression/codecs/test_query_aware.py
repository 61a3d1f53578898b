"""LeanVec-style projection: what it learns from queries, and that no query evaluates what was fitted on it."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import check_embeddings, normalise
from embgeo.errors import InputError
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator


def loss(text: str, X: np.ndarray, Q: np.ndarray, fit: np.ndarray) -> float:
    """Mean squared error of the inner products with fresh queries Q."""
    codec = fit_codec(parse(text), Training(X, "dot").learning_from(fit)).tiers[0]
    Z, bias = codec.queries(Q)
    return float(np.mean((Z @ codec.reduce(X).T + bias[:, None] - Q @ X.T) ** 2))


def apart(n: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Documents and queries that vary in different directions."""
    rng = np.random.default_rng(seed)
    wide = np.arange(1, 33) ** -0.7
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((32, 32)))[0]
    X = (rng.standard_normal((n, 32)) * wide).astype(np.float32)
    return X, (rng.standard_normal((m, 32)) * wide @ turn).astype(np.float32)


def test_queries_that_differ_from_documents_are_worth_learning_from() -> None:
    X, Q = apart(3000, 1400)
    fit, fresh = Q[:1000], Q[1000:]
    assert loss("lean8,f32", X, fresh, fit) < 0.8 * loss("pca8,f32", X, fresh, fit)


def test_queries_like_the_documents_give_pca() -> None:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((4000, 32)) * np.arange(1, 33) ** -0.7).astype(np.float32)
    for m in (5, 2000):
        lean, pca = (loss(text, X[2000:], X[:500], X[500 : 500 + m]) for text in ("lean8,f32", "pca8,f32"))
        assert lean == pytest.approx(pca, rel=0.15)


def test_all_dimensions_lose_nothing() -> None:
    X, Q = apart(500, 100)
    assert loss("lean32,f32", X, Q[:50], Q[50:]) < 1e-8


def test_no_query_evaluates_a_projection_that_learned_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = normalise(rng.standard_normal((200, 24)).astype(np.float32))
    Q = normalise(X[:60] + 0.1 * rng.standard_normal((60, 24)).astype(np.float32))
    e = check_embeddings(X, Q)
    evaluator = Evaluator(Judgements({str(i): {str(i): 1} for i in range(60)}), e.doc_ids, e.query_ids)
    taught: list[np.ndarray] = []
    learn = Training.learning_from

    def noted(self: Training, queries: np.ndarray) -> Training:
        taught.append(queries)
        return learn(self, queries)

    monkeypatch.setattr(Training, "learning_from", noted)
    result = sweep(SweepInput(e, evaluator), [parse("lean8,f32"), parse("pca8,f32")])
    lean, pca = result.outcomes
    halves = {queries.tobytes(): queries for queries in taught if len(queries) == 30}
    first, second = halves.values()
    assert not {row.tobytes() for row in first} & {row.tobytes() for row in second}
    assert len(taught) == 2 * (1 + result.folds) + 1, "for each half the codec and its folds, the shipped one from all"
    # by hand: each half with the codec fitted on the other half
    scores = np.empty((60, 200), np.float32)
    for own, other in ((first, second), (second, first)):
        places = [int(np.flatnonzero((row == Q).all(axis=1))[0]) for row in own]
        codec = fit_codec(parse("lean8,f32"), learn(Training(X, "cosine"), other)).tiers[0]
        scores[places] = codec.queries(own)[0] @ codec.reduce(X).T
    best = np.argsort(-scores, axis=1)[:, :32]
    by_hand = evaluator(np.take_along_axis(scores, best, 1), best)["ndcg@10"]
    # larger errors on unseen documents lower it further; the projection that learned from the queries looks far better
    assert lean.quality.mean() <= by_hand.mean() < lean.in_sample.mean() - 0.1
    alone = sweep(SweepInput(e, evaluator), [parse("pca8,f32")]).outcomes[0]
    np.testing.assert_array_equal(pca.quality, alone.quality)


def test_copies_of_a_query_are_in_the_same_half(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    X = normalise(rng.standard_normal((100, 12)).astype(np.float32))
    once = normalise(rng.standard_normal((20, 12)).astype(np.float32))
    Q = np.concatenate([once, normalise(once + 1e-7 * rng.standard_normal(once.shape).astype(np.float32))])
    taught: list[np.ndarray] = []
    learn = Training.learning_from
    monkeypatch.setattr(Training, "learning_from", lambda self, given: taught.append(given) or learn(self, given))
    sweep(SweepInput(check_embeddings(X, Q), None), [parse("lean4,f32")])
    halves = {given.tobytes(): given for given in taught if len(given) < len(Q)}
    first, second = halves.values()
    assert len(first) + len(second) == len(Q)
    assert (first @ second.T).max() < 0.999, "no query of one half has its copy in the other"


def test_refusals_name_an_alternative() -> None:
    X = apart(50, 1)[0]
    with pytest.raises(InputError, match=r"lean8 learns from queries; there are none. Use pca8"):
        fit_codec(parse("lean8,int8"), Training(X, "dot")).tiers[0]
    with pytest.raises(InputError, match="got euclidean similarity"):
        fit_codec(parse("lean8,int8"), Training(X, "euclidean").learning_from(X)).tiers[0]
    with pytest.raises(InputError, match="must come first"):
        fit_codec(parse("pca16,lean8,int8"), Training(X, "dot").learning_from(X)).tiers[0]
