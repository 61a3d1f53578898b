"""Intervals over queries."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.retrieval.significance import MIN_CHANGED, QueryBootstrap, changed_bound


def test_every_resample_draws_as_many_queries_as_there_are() -> None:
    counts = QueryBootstrap.draw(37, resamples=200).counts
    assert (counts.sum(axis=1) == 37).all()
    assert (counts == np.rint(counts)).all()


def test_queries_of_one_group_are_drawn_together() -> None:
    groups = np.array([5, 5, 7, 9, 9, 9])
    counts = QueryBootstrap.draw(6, resamples=200, groups=groups).counts
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3:] == counts[:, [3]]).all()
    assert (counts[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_few_groups_of_many_queries_give_no_interval() -> None:
    values = np.random.default_rng(0).random(200)
    for groups in (np.zeros(200), np.arange(200) % 4):
        bootstrap = QueryBootstrap.draw(200, resamples=50, groups=groups)
        assert bootstrap.mean_interval(values) is None
        assert bootstrap.difference(values, np.zeros(200)) is None
        assert bootstrap.ratio(values, np.ones(200)) is None
    assert QueryBootstrap.draw(200, resamples=50, groups=np.arange(200) % 5).mean_interval(values) is not None


def test_queries_that_share_documents_are_less_evidence() -> None:
    """50 values, each held by two queries: the interval is that of 50 queries, √2 as wide as that of 100."""
    values = np.repeat(np.random.default_rng(0).standard_normal(50), 2)
    apart = QueryBootstrap.draw(100).mean_interval(values)
    together = QueryBootstrap.draw(100, groups=np.repeat(np.arange(50), 2)).mean_interval(values)
    assert (together[1] - together[0]) / (apart[1] - apart[0]) == pytest.approx(2**0.5, rel=0.1)


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


def test_intervals_have_their_nominal_coverage() -> None:
    """500 tests of 60 queries: 95 % ± three standard errors (.0097 each), less .02 for percentiles."""
    rng = np.random.default_rng(2)
    bootstrap = QueryBootstrap.draw(60, resamples=1000)
    held = 0
    for _ in range(500):
        low, high = bootstrap.mean_interval(rng.standard_normal(60))
        held += low <= 0 <= high
    assert 0.90 <= held / 500 <= 0.98


def test_the_difference_is_paired() -> None:
    """Two rankings that vary together differ by a constant: the interval is near it, not as wide as that of either."""
    base = np.random.default_rng(3).random(100)
    bootstrap = QueryBootstrap.draw(100)
    low, high = bootstrap.difference(base + 0.01, base) or (0, 0)
    assert 0.009 < low < 0.01 < high + 1e-9 < 0.0105
    own = bootstrap.mean_interval(base)
    assert own[1] - own[0] > 0.05


def test_the_ratio_is_paired() -> None:
    base = np.random.default_rng(4).random(100) + 0.1
    low, high = QueryBootstrap.draw(100).ratio(0.97 * base, base) or (0, 0)
    assert (low, high) == pytest.approx((0.97, 0.97), abs=5e-3)


def test_no_change_gives_a_bound_instead_of_an_interval() -> None:
    """Where under five queries change there is no interval but a bound on their share."""
    base = np.random.default_rng(5).random(300)
    bootstrap = QueryBootstrap.draw(300)
    for changed in range(MIN_CHANGED):
        values = base.copy()
        values[:changed] += 0.1
        assert bootstrap.difference(values, base) is None
        assert bootstrap.ratio(values, base) is None
    values[:MIN_CHANGED] += 0.1
    assert bootstrap.difference(values, base) is not None
    assert bootstrap.ratio(values, base) is not None


def test_the_bound_on_changed_queries_has_its_nominal_level() -> None:
    """At a true share of the bound, as few changes are seen in 5 % of samples, by the binomial law itself."""
    from scipy.stats import binom

    for changed, queries in ((0, 30), (0, 300), (3, 300), (4, 50)):
        assert binom.cdf(changed, queries, changed_bound(changed, queries)) == pytest.approx(0.05)
    assert changed_bound(0, 300) == pytest.approx(3 / 300, rel=0.01)  # the rule of three
    assert changed_bound(4, 4) == 1


def test_a_baseline_of_zero_has_no_ratio() -> None:
    assert QueryBootstrap.draw(10).ratio(np.ones(10), np.zeros(10)) is None


def test_resamples_without_any_baseline_quality_are_left_out() -> None:
    base = np.zeros(12)
    base[0] = 1.0
    values = base / 2
    values[1:6] = 1e-9
    low, high = QueryBootstrap.draw(12).ratio(values, base) or (np.nan, np.nan)
    assert np.isfinite([low, high]).all()
