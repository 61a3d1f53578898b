"""Intervals over queries."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.retrieval.significance import QueryBootstrap, rule_of_three


def test_every_resample_draws_as_many_queries_as_there_are() -> None:
    weights = QueryBootstrap.draw(37, resamples=200).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(weights * 37, np.rint(weights * 37), atol=1e-4)


@pytest.mark.parametrize("queries", [3, 300, 1406])
def test_no_interval_leaves_the_range_of_the_values(queries: int) -> None:
    """Shares that are all 1 have an interval of 1 exactly, and one that is not 1 only below: no 1.0000006."""
    bootstrap = QueryBootstrap.draw(queries)
    assert bootstrap.mean_interval(np.ones(queries, np.float32)) == (1.0, 1.0)
    assert bootstrap.mean_interval(np.full(queries, 0.1)) == (0.1, 0.1)
    nearly = np.ones(queries)
    nearly[0] = 0.9
    low, high = bootstrap.mean_interval(nearly)
    assert 0.9 <= low < high <= 1.0
    two = bootstrap.means(np.column_stack([nearly, np.zeros(queries)]))
    assert two.min(axis=0)[1] == two.max(axis=0)[1] == 0.0


def test_one_seed_gives_one_interval() -> None:
    values = np.random.default_rng(0).random(80)
    one, two, other = (QueryBootstrap.draw(80, seed).mean_interval(values) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    """400 values, standard error s/√400: the percentile interval lies within a twentieth of ±1.96 standard errors."""
    values = np.random.default_rng(1).standard_normal(400)
    low, high = QueryBootstrap.draw(400).mean_interval(values)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """500 tests of 60 queries: 95 % ± three standard errors (.0097 each), less .02 for percentiles."""
    rng = np.random.default_rng(2)
    bootstrap = QueryBootstrap.draw(60, resamples=1000)
    held = 0
    for _ in range(500):
        low, high = bootstrap.mean_interval(rng.standard_normal(60))
        held += low <= 0 <= high
    assert 0.90 <= held / 500 <= 0.98


def test_the_difference_is_paired() -> None:
    """Two rankings that vary together differ by a constant: the interval is that constant, not the spread of either."""
    base = np.random.default_rng(3).random(100)
    bootstrap = QueryBootstrap.draw(100)
    low, high = bootstrap.difference(base + 0.01, base) or (0, 0)
    assert high - low < 1e-5
    assert low == pytest.approx(0.01, abs=1e-5)
    own = bootstrap.mean_interval(base)
    assert own[1] - own[0] > 0.05


def test_the_ratio_is_paired() -> None:
    base = np.random.default_rng(4).random(100) + 0.1
    low, high = QueryBootstrap.draw(100).ratio(0.97 * base, base) or (0, 0)
    assert (low, high) == pytest.approx((0.97, 0.97), abs=1e-5)


def test_no_change_is_no_certainty() -> None:
    """Where no query changes there is no interval but 3/n."""
    base = np.random.default_rng(5).random(300)
    bootstrap = QueryBootstrap.draw(300)
    assert bootstrap.difference(base, base.copy()) is None
    assert bootstrap.ratio(base, base.copy()) is None
    assert rule_of_three(300) == pytest.approx(0.01)


def test_three_over_n_bounds_what_was_never_seen() -> None:
    """With a true share of 3/n, no change among n is seen in (1 − 3/n)^n of cases: just under 5 %."""
    for n in (30, 300, 3000):
        assert 0.04 < (1 - rule_of_three(n)) ** n < 0.05


def test_a_baseline_of_nothing_has_no_ratio() -> None:
    assert QueryBootstrap.draw(10).ratio(np.ones(10), np.zeros(10)) is None


def test_resamples_without_any_baseline_quality_are_left_out() -> None:
    base = np.zeros(12)
    base[0] = 1.0
    interval = QueryBootstrap.draw(12).ratio(base / 2, base)
    assert interval == pytest.approx((0.5, 0.5))
