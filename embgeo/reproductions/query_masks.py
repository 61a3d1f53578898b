"""Do dimensions chosen for each query improve retrieval? Not once queries that share a document share a fold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.reproductions.mteb_scifact import SCIFACT, SciFact
from embgeo.reproductions.registry import at_least, at_most, reproduction
from embgeo.results.reproduce import Compared

FOLDS, SEEDS = 10, 3
KEPT = 0.9  # of the dimensions
TEMPERATURE = 0.1  # of the weights of training queries by their cosine


@reproduction(
    "query-masks",
    title="Gain in nDCG@10 of dimension masks learned from other queries, SciFact × MiniLM",
    source="idea of query-dependent dimensions, as in Faggioli et al. 2024, Dimension Importance Estimation; numbers "
    "by embgeo",
    needs=SCIFACT,
    verdict="The gain is leakage: 95 of the 300 queries share a relevant document with another. With random folds the "
    "mask of a query has seen its answer; with folds that keep such queries together nothing is left. Split queries by "
    "the documents they share.",
)
def query_masks(data: Path) -> Iterator[Compared]:
    """A query keeps the dimensions on which it agrees with relevant documents of similar training queries."""
    scifact = SciFact.stored(data)
    groups = scifact.evaluator.query_groups
    plain = float(scifact.quality().mean())
    leaking, honest = (
        float(np.mean([masked_quality(scifact, folds_of(labels, seed)) - plain for seed in range(SEEDS)]))
        for labels in (np.arange(len(groups)), groups)
    )
    yield at_least("gain, random folds", 0.035, leaking)
    yield at_most("gain, folds by shared documents", 0.0, honest)


def folds_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """(queries,) fold of each; queries of one label share it."""
    return (np.random.default_rng(seed).permutation(labels.max() + 1) % FOLDS)[labels]


def masked_quality(scifact: SciFact, folds: np.ndarray) -> float:
    """nDCG@10 with the masks of each fold (queries,) learned from the others."""
    Q, R = scifact.embeddings.query_matrix(), relevant_means(scifact)
    masked = np.empty_like(Q)
    for fold in range(FOLDS):
        held, fit = folds == fold, folds != fold
        weights = np.exp((Q[held] @ Q[fit].T - 1) / TEMPERATURE)
        agreement = Q[held] * (weights @ R[fit])
        least = np.quantile(agreement, 1 - KEPT, axis=1, keepdims=True)
        masked[held] = np.where(agreement >= least, Q[held], 0)
    return float(scifact.quality(queries=masked).mean())


def relevant_means(scifact: SciFact) -> np.ndarray:
    """(queries, d) mean of the relevant documents of each judged query."""
    X, judged = scifact.embeddings.matrix(), scifact.evaluator.judged()
    relevant = judged[judged[:, 2] > 0]
    return np.array([X[relevant[relevant[:, 0] == row, 1]].mean(axis=0) for row in scifact.evaluator.query_rows])
