"""Adaptive bits on real data: against a slow oracle at equal folds, and against the values measured before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles.slow_adaptive import adaptive, levels_and_error

from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.datasets.beir import load_beir
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.numeric.lloyd_max import gaussian_distortion, gaussian_levels
from embgeo.retrieval.evaluate import Evaluator

MEASURED = {192: 0.6454, 96: 0.6452, 48: 0.6338}  # nDCG@10 over five document folds, SciFact × MiniLM


@pytest.fixture(scope="module")
def scifact(shared_data: Path) -> tuple[Embeddings, Evaluator]:
    folder = shared_data / "scifact"
    dataset = load_beir(folder)
    e = check_embeddings(
        np.load(folder / "minilm-docs.npy"), np.load(folder / "minilm-queries.npy"), dataset.doc_ids, dataset.query_ids
    )
    assert dataset.judgements is not None
    return e, Evaluator(dataset.judgements, e.doc_ids, e.query_ids)


def test_the_oracle_finds_the_same_levels() -> None:
    for bits in range(9):
        levels, error = levels_and_error(bits)
        np.testing.assert_allclose(levels, gaussian_levels(bits), atol=4e-4 if bits < 4 else 2e-2)
        assert error == pytest.approx(gaussian_distortion(bits), rel=1e-3)


def test_adaptive_agrees_with_a_slow_oracle_and_reaches_the_measured_values(
    scifact: tuple[Embeddings, Evaluator],
) -> None:
    e, evaluator = scifact
    sizes = [192, 96, 48, 24]
    result = sweep(SweepInput(e, evaluator), [parse(f"adaptive@{size}B") for size in sizes])
    X, Q = e.matrix(), e.query_matrix()
    for size, outcome in zip(sizes, result.outcomes, strict=True):
        ours = outcome.quality.mean()
        # the published values merge five folds; one codec of nearly equal error moves nDCG@10 of 300 queries by .006
        assert ours >= MEASURED.get(size, 0) - 0.006, f"adaptive@{size}B: {ours:.4f}"
        if size in (96, 24):
            scores = Q @ adaptive(X, X, size).T
            best = np.argsort(-scores, axis=1, kind="stable")[:, :32]
            slow = evaluator(np.take_along_axis(scores, best, 1).astype(np.float32), best)["ndcg@10"].mean()
            built = outcome.in_sample.mean()
            assert abs(built - slow) < 0.003, f"adaptive@{size}B: {built:.4f}, oracle {slow:.4f}"
