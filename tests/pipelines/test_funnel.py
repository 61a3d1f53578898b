"""The funnel of `embgeo limits`: what a reranker, a metric, a codec and an index gain or lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embgeo import measure_limits
from embgeo.pipelines.funnel import local_effort
from embgeo.reports.sections.limits_funnel import what_buys_most
from embgeo.results.limits import FunnelStep

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 16)).astype(np.float32)
Q = X[:40] + RNG.standard_normal((40, 16)).astype(np.float32)
QRELS = {str(query): {str(query): 2, str(query + 100): 1} for query in range(40)}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FunnelStep]:
    out = tmp_path_factory.mktemp("runs")
    run = measure_limits(docs=X, queries=Q, qrels=QRELS, specs=["int8", "binary", "hnsw4ef1,f32"], out=out)
    return {one.name: one for one in run.findings.limits.funnel.steps}


def ideal(found: list[int], query: int) -> float:
    """nDCG@10 of these documents in their best order."""
    discounts = 1 / np.log2(np.arange(2, 12))
    gains = sorted((QRELS[str(query)].get(str(row), 0) for row in found), reverse=True)[:10]
    return float(np.dot(gains, discounts[: len(gains)]) / np.dot([2, 1], discounts[:2]))


def test_a_perfect_reranker_reaches_what_the_best_order_of_its_results_reaches(steps: dict[str, FunnelStep]) -> None:
    U, V = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (X, Q))
    order = np.argsort(-(V @ U.T), axis=1)
    for k in (100, 50, 10):
        expected = np.mean([ideal(order[query, :k].tolist(), query) for query in range(40)])
        assert steps[f"perfect reranker of the top {k}"].value == pytest.approx(expected)


def test_steps_are_compared_with_the_model_by_query(steps: dict[str, FunnelStep]) -> None:
    model = steps["the model, exact search"]
    assert model.difference == 0
    for one in steps.values():
        assert one.difference == pytest.approx(one.value - model.value)
    assert steps["hnsw4ef1,f32"].difference_ci[1] < 0
    assert steps["binary"].value < steps["int8"].value + 1e-9


def test_the_sentence_tells_ceilings_from_what_was_measured_and_names_no_gain_of_chance() -> None:
    def step(kind: str, name: str, value: float, ci: tuple[float, float]) -> FunnelStep:
        return FunnelStep(kind=kind, name=name, value=value, difference=value - 0.6, difference_ci=ci)

    told = what_buys_most(
        [
            step("reranker", "perfect reranker of the top 1000", 0.9, (0.1, 0.4)),
            step("reranker", "perfect reranker of the top 100", 0.8, (0.1, 0.3)),
            step("model", "the model, exact search", 0.6, (0.0, 0.0)),
            step("metric", "cosine about the mean", 0.62, (-0.01, 0.05)),
            step("codec", "binary", 0.3, (-0.4, -0.2)),
        ]
    )
    assert "top 100 would add 0.200; the remaining 0.200 only other results can add" in told
    assert told.endswith("Measured beyond chance: binary loses 0.300.")


def test_local_effort_finds_that_an_index_misses_queries_of_high_dimension() -> None:
    rng = np.random.default_rng(1)
    dimension = rng.uniform(2, 40, 200)
    r = np.sort(rng.random((200, 100)) ** (1 / dimension[:, None]), axis=1)
    recall = np.clip(1 - dimension / 50 + 0.05 * rng.standard_normal(200), 0, 1)
    groups = np.arange(200)
    found = local_effort("hnsw8", recall, 1 - r**2 / 2, "cosine", groups, 0)
    assert found.value < -0.7
    assert found.recall < found.recall_rest
    assert local_effort("hnsw8", np.ones(200), 1 - r**2 / 2, "cosine", groups, 0) is None
    assert local_effort("hnsw8", recall[:5], 1 - r[:5] ** 2 / 2, "cosine", groups[:5], 0) is None


def test_nothing_is_shown_without_judgements(tmp_path: Path) -> None:
    run = measure_limits(docs=X, queries=Q, out=tmp_path)
    assert run.findings.limits.funnel is None
