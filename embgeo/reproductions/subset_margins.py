"""What dimension is enough to retrieve every subset, and with which margin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.limits.margins import free_vectors, subset_half_gap, subset_zero_margin
from embgeo.limits.pattern import all_subsets, pattern_of
from embgeo.reproductions.mteb_scifact import TEXTS
from embgeo.reproductions.registry import at_least, at_most, near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.threads import one_blas_thread

LIMIT = ("limit-small/corpus.jsonl", "limit-small/queries.jsonl", "limit-small/qrels.jsonl")
SUBSETS = ((8, 1), (8, 2), (12, 2), (8, 3))  # documents, and how many of them are relevant
POINTS = 1000
BLOCK = 20_000
CUBIC = (-10.5322, 4.0309, 0.0520, 0.0037)  # of the published critical number of documents, lowest power first
# row half-gap that free vectors reach, by dimension
REACHED = {"limit-small": {8: 0.053, 16: 0.170, 32: 0.287}, "scifact": {8: 0.201, 16: 0.330, 32: 0.403}}


@reproduction(
    "subset-margins",
    title="Best margins of all subsets of k of n documents, optimised against closed forms",
    source="arXiv 2601.20844, ε* of all k-subsets; arXiv 2605.23556, margin of a zero threshold",
)
def subset_margins(data: Path) -> Iterator[Compared]:
    """The published full gap is n / √(k (n−1) (n−k)), that with a threshold of 0 tends to 1 / (2√k + 1)."""
    for n, k in SUBSETS:
        pattern, gap = all_subsets(n, k), n / math.sqrt(k * (n - 1) * (n - k))
        with one_blas_thread():
            row, zero = (free_vectors(pattern, n, threshold=kind).margins.max() for kind in ("row", "zero"))
        yield near(f"{k} of {n}: ε*", gap, 2 * subset_half_gap(n, k), within=1e-12)
        yield near(f"{k} of {n}: ε*, optimised vectors", gap, 2 * float(row), within=0.004)
        yield near(f"{k} of {n}: zero threshold, optimised", subset_zero_margin(n, k), float(zero), within=0.004)
    yield near("zero threshold, 2 of 10⁶", 1 / (2 * math.sqrt(2) + 1), subset_zero_margin(10**6, 2), within=1e-3)


@reproduction(
    "moment-curve",
    title="All pairs of 1,000 documents in 4 dimensions, by points of the moment curve",
    source="arXiv 2601.20844, 2k is Theoretically Large Enough for Embedding-Based Top-k Retrieval",
    verdict="Four dimensions do hold every pair of any number of documents, with a margin that float32 cannot tell "
    "from 0: what limits a dimension is the margin, not the number of documents.",
)
def moment_curve(data: Path) -> Iterator[Compared]:
    """The query of documents a and b is minus the coefficients of (x − x_a)² (x − x_b)², which is 0 at both only."""
    x = np.linspace(-1, 1, POINTS)
    documents = x[:, None] ** np.arange(1, 5)
    documents /= np.linalg.norm(documents, axis=1).max()
    a, b = np.array(list(combinations(range(POINTS), 2))).T
    total, product = x[a] + x[b], x[a] * x[b]
    queries = np.stack([2 * product * total, -(total**2) - 2 * product, 2 * total, -np.ones_like(total)], axis=1)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    gaps = {kind: _half_gaps(queries, documents, (a, b), kind) for kind in (np.float64, np.float32)}
    yield near("share of pairs in float64", 1.0, float((gaps[np.float64] > 0).mean()), within=0)
    yield at_least("least half-gap in float64", 0.0, float(gaps[np.float64].min()))
    yield at_most("least half-gap in float64, against the rounding of float32", 1.2e-7, float(gaps[np.float64].min()))
    yield near("share of pairs in float32", 0.906, float((gaps[np.float32] > 0).mean()), within=0.02)


@reproduction(
    "limit-critical",
    title="All pairs of as many documents as the published critical number, and of twice as many, with free vectors",
    source="Weller et al. 2025, On the Theoretical Limitations of Embedding-Based Retrieval, cubic of critical numbers",
    verdict="The critical numbers are those of their optimiser: maximising the margin instead of InfoNCE, the same "
    "dimension holds all pairs of over twice as many documents. They bound no model, and are no reason for dimensions.",
)
def limit_critical(data: Path) -> Iterator[Compared]:
    """A positive half-gap retrieves every pair; the least over queries, the best of three seeds."""
    for d in (5, 6):
        critical = sum(c * d**power for power, c in enumerate(CUBIC))
        for factor in (1, 2):
            n = round(factor * critical)
            with one_blas_thread():
                margin = free_vectors(all_subsets(n, 2), d).margins.max()
            yield at_least(f"d = {d}: half-gap, pairs of {n} documents", 0.0, float(margin))


@reproduction(
    "judgement-margins",
    title="Row half-gap that free vectors reach for the judgements of LIMIT-small and SciFact",
    source="embgeo",
    needs=(*LIMIT, *TEXTS),
    verdict="The judgements of both can be held with a wide margin far below a model's dimension: dimension is not "
    "what limits it.",
)
def judgement_margins(data: Path) -> Iterator[Compared]:
    """Lower bounds by one seed; the smallest dimensions vary by .01 between seeds."""
    for name, reached in REACHED.items():
        dataset = load_beir(data / name)
        pattern = pattern_of(dataset.judgements.qrels, len(dataset.doc_ids))
        assert pattern is not None
        for d, published in reached.items():
            with one_blas_thread():
                margin = float(free_vectors(pattern, d, seeds=1).margins.max())
            yield near(f"{name}: d = {d}", published, margin, within=0.015)


def _half_gaps(
    queries: np.ndarray, documents: np.ndarray, relevant: tuple[np.ndarray, np.ndarray], kind: type
) -> np.ndarray:
    """(queries,) half of the worst relevant score minus the best other, computed in floats of this kind."""
    found = np.empty(len(queries))
    held: np.ndarray = documents.T.astype(kind)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK].astype(kind) @ held
        row, (a, b) = np.arange(len(scores)), (each[start : start + BLOCK] for each in relevant)
        worst = np.minimum(scores[row, a], scores[row, b])
        scores[row, a] = scores[row, b] = -np.inf
        found[start : start + BLOCK] = (worst - scores.max(axis=1)) / 2
    return found
