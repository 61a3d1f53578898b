"""Whatever learns from judged queries is evaluated on folds that keep queries of one document together.

The planted mistake is the usual one, random folds: where queries come in pairs that share their only relevant document
and nothing else can be learned, a mask learned from the pair's other query has seen the answer.
"""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.embeddings import check_embeddings
from embgeo.judgements import Judgements
from embgeo.reproductions.mteb_scifact import SciFact
from embgeo.reproductions.query_masks import folds_of, masked_quality
from embgeo.retrieval.evaluate import Evaluator

PAIRS, DIMENSION = 120, 48


@pytest.fixture(scope="module")
def nothing_to_learn() -> SciFact:
    """Independent random documents, each the answer to two noisy queries: no query tells anything of another pair."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4 * PAIRS, DIMENSION)).astype(np.float32)
    answers = np.repeat(np.arange(PAIRS), 2)
    # alike among themselves for reasons that have nothing to do with their answer
    shared = np.repeat(rng.standard_normal((PAIRS, DIMENSION)), 2, axis=0)
    Q = (X[answers] + 2.5 * shared + rng.standard_normal(shared.shape)).astype(np.float32)
    held = check_embeddings(X, Q, similarity="cosine")
    qrels = {str(query): {str(answer): 1} for query, answer in enumerate(answers.tolist())}
    return SciFact(held, Evaluator(Judgements(qrels), held.doc_ids, held.query_ids))


def gain(data: SciFact, labels: np.ndarray) -> float:
    return masked_quality(data, folds_of(labels, 0)) - float(data.quality().mean())


def test_queries_of_one_document_share_a_group(nothing_to_learn: SciFact) -> None:
    groups = nothing_to_learn.evaluator.query_groups
    assert (groups[0::2] == groups[1::2]).all()
    assert len(set(groups.tolist())) == PAIRS


def test_grouped_folds_show_no_gain_where_there_is_nothing_to_learn(nothing_to_learn: SciFact) -> None:
    assert gain(nothing_to_learn, nothing_to_learn.evaluator.query_groups) < 0.01


def test_the_law_rejects_random_folds(nothing_to_learn: SciFact) -> None:
    assert gain(nothing_to_learn, np.arange(2 * PAIRS)) > 0.02
