"""Which queries will fail, by the scores of their results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from embgeo.limits.query_performance import JudgedQueries, rank_correlation, top_gap, top_spread, uncertain_queries


def results(m: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of ten results, and a quality that grows with their spread."""
    rng = np.random.default_rng(seed)
    steepness = rng.random(m)
    scores = 0.5 + steepness[:, None] * np.linspace(0.3, 0, 10)
    return scores.astype(np.float32), np.where(rng.random(m) < steepness, rng.random(m), 0.0)


def judged(quality: np.ndarray, groups: np.ndarray | None = None) -> JudgedQueries:
    rows = np.arange(len(quality))
    return JudgedQueries(quality, rows, rows if groups is None else groups)


def test_predictors_are_those_of_the_scores() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]], np.float32)
    assert top_spread(scores)[0] == pytest.approx(np.std([0.9, 0.8, 0.7, 0.6, 0.5]))
    assert top_gap(scores)[0] == pytest.approx(0.9)
    few = np.array([[3.0, 1.0] + [-np.inf] * 8], np.float32)
    assert top_gap(few)[0] == pytest.approx(2)
    assert np.isfinite(top_spread(np.full((2, 10), -np.inf, np.float32))).all()


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, 80).astype(float), rng.integers(0, 5, 80).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_queries_without_a_clear_answer_are_flagged() -> None:
    scores, quality = results()
    found = uncertain_queries(scores, [f"q{row}" for row in range(200)], judged(quality))
    assert found is not None
    first = found.predictors[0]
    assert first.value == pytest.approx(spearmanr(top_spread(scores), quality).statistic)
    assert first.ci is not None
    assert first.ci[0] < first.value < first.ci[1]
    assert (top_spread(scores) <= found.threshold).mean() == pytest.approx(0.2)
    assert found.precision > found.failing
    assert found.ndcg_flagged < found.ndcg_rest
    assert found.least[0].id == f"q{top_spread(scores).argmin()}"


def test_scores_that_say_nothing_flag_no_better_than_chance() -> None:
    scores, quality = results()
    quality = np.random.default_rng(3).permutation(quality)
    found = uncertain_queries(scores, [str(row) for row in range(200)], judged(quality))
    assert found is not None
    assert found.predictors[0].ci[0] < 0 < found.predictors[0].ci[1]
    assert abs(found.precision - found.failing) < 0.2


def test_without_judgements_the_least_certain_queries_are_listed_all_the_same() -> None:
    scores, _ = results()
    found = uncertain_queries(scores, [str(row) for row in range(200)])
    assert found is not None
    assert found.precision is None
    assert len(found.least) == 20
    assert uncertain_queries(scores[:5], list("abcde")) is None
