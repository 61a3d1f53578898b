"""Samples nest, and hold what the queries need."""

from __future__ import annotations

import numpy as np
import pytest
from examples.sweeps import corpus

from embgeo.compression.judging.sweep import nearest
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.racing.samples import Sizes, near_rows, nested_samples, on_sample
from embgeo.embeddings import check_embeddings
from embgeo.retrieval.evaluate import neighbour_recall

SMALL = Sizes(first=200, fit_rows=300)


def test_only_a_corpus_of_many_samples_and_fit_samples_is_large() -> None:
    assert not SMALL.is_large(800)
    assert SMALL.is_large(801)
    assert not Sizes(first=200, fit_rows=500).is_large(1000)
    assert not Sizes().is_large(200_000)
    assert Sizes().is_large(200_001)


def test_each_sample_is_four_times_the_one_before_and_at_most_half_of_the_corpus() -> None:
    assert SMALL.stages(10_000, 50, 16) == [200, 800, 3200]
    assert SMALL.stages(10_000, 300, 16) == [600, 2400], "as many others as needed ones"
    assert SMALL.stages(6399, 50, 16) == [200, 800]
    assert Sizes(first=200, fit_rows=300, sample_bytes=4 * 16 * 800).stages(10_000, 50, 16) == [200, 800]


def test_samples_nest_and_hold_the_judged_documents_and_the_exact_neighbours() -> None:
    e, evaluator = corpus(n=3000, m=20)
    given = SweepInput(e, evaluator)
    scores, rows = nearest(given)
    near = near_rows(given, (scores, rows))
    samples = nested_samples(3000, near, [1000, 2000], 3)
    assert [len(sample) for sample in samples] == [1000, 2000]
    assert set(samples[0]) < set(samples[1])
    for sample in samples:
        assert (np.diff(sample) > 0).all()
        assert np.isin(rows[:, :32], sample).all()
        assert np.isin(sample, near[2]).mean() <= 7 / 8 + 1e-3
    assert np.isin(rows, samples[1]).all(), "the larger sample has room for the nearest hundred"
    assert not np.isin(rows, samples[0]).all()
    for sample in samples:
        assert np.isin(evaluator.judged()[:, 1], sample).all()
    again = nested_samples(3000, near, [1000], 3)
    np.testing.assert_array_equal(again[0], samples[0])
    other = nested_samples(3000, near, [1000], 4)
    assert set(other[0]) != set(samples[0])


def test_the_exact_ten_with_their_ties_are_in_every_sample() -> None:
    X = np.random.default_rng(0).standard_normal((500, 16)).astype(np.float32)
    X[100:120] = X[100]  # twenty copies: all tie
    e = check_embeddings(X, X[[100, 300]].copy())
    given = SweepInput(e, None)
    exact = nearest(given)
    needed, *_ = near_rows(given, exact)
    assert set(range(100, 120)) <= set(needed.tolist())
    assert set(exact[1][1, :10]) <= set(needed.tolist())
    assert len(needed) <= 30
    [sample] = nested_samples(500, near_rows(given, exact), [40], 0)
    assert set(needed) <= set(sample), "though more than seven eighths of a sample were near"


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_the_exact_neighbours_of_a_sample_are_those_of_the_corpus(similarity: str) -> None:
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((2000, 16)) * 1e9).astype(np.float32)
    e = check_embeddings(X, (X[:30] + 4e8).astype(np.float32), similarity=similarity)
    given = SweepInput(e, None)
    exact = nearest(given)
    [sample] = nested_samples(2000, near_rows(given, exact), [1200], 0)
    part = on_sample(given, sample)
    scores, rows = nearest(part)
    assert (neighbour_recall(sample[rows[:, :10]], exact[1], 10, exact[0]) == 1).all()
    np.testing.assert_allclose(scores[:, :10], exact[0][:, :10], rtol=1e-6)
    assert [e.doc_ids[row] for row in sample] == list(part.embeddings.doc_ids)
