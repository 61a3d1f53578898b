"""One nested sample of a corpus for measures, map and histogram, without a permutation of a very large one."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from embgeo.space.sampled_rows import PERMUTED, sampled_rows


@pytest.mark.parametrize("n", [1000, PERMUTED + 1])
def test_samples_of_one_seed_nest_are_sorted_and_spread(n: int) -> None:
    small, large = sampled_rows(n, 100, 3), sampled_rows(n, 900, 3)
    assert set(small) < set(large)
    for rows in (small, large):
        assert (np.diff(rows) > 0).all()
        assert rows[-1] < n
    assert len(large) == 900
    assert abs(large.mean() / n - 0.5) < 0.05
    assert set(sampled_rows(n, 100, 4)) != set(small)


def test_a_corpus_of_a_thousand_million_takes_the_memory_of_the_sample() -> None:
    tracemalloc.start()
    rows = sampled_rows(10**9, 20_000, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(rows)) == 20_000
    assert peak < 16 * 2**20


def test_up_to_four_million_the_sample_is_the_head_of_a_permutation() -> None:
    order = np.random.default_rng([5, 0]).permutation(30_000)
    np.testing.assert_array_equal(sampled_rows(30_000, 2000, 5), np.sort(order[:2000]))
