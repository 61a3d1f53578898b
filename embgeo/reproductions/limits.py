"""What dimension can hold: densities and bounds of relevance matrices, margins of subsets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.limits.margins import free_vectors, subset_half_gap, subset_zero_margin
from embgeo.limits.pattern import all_subsets
from embgeo.limits.relevance_graph import relevance_graph
from embgeo.reproductions.mteb_scifact import TEXTS
from embgeo.reproductions.registry import at_least, at_most, near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.evaluate import Evaluator
from embgeo.threads import one_blas_thread

LIMIT = ("limit-small/corpus.jsonl", "limit-small/queries.jsonl", "limit-small/qrels.jsonl")


@reproduction(
    "limit-graph",
    title="Graph density and query strength of LIMIT-small and SciFact",
    source="Weller et al. 2025, On the Theoretical Limitations of Embedding-Based Retrieval, table of qrel densities",
    needs=(*LIMIT, *TEXTS),
    verdict="In the published numbers queries are the nodes, joined if they share a relevant document. With documents "
    "as nodes, joined by queries, LIMIT-small has density .966: name the graph when quoting one.",
)
def limit_graph(data: Path) -> Iterator[Compared]:
    """An edge joins two queries that share a relevant document and weighs the Jaccard index of their documents."""
    for name, density, strength, documents in (
        ("limit-small", 0.085481, 28.4653, 1000 / 1035),  # 1,000 of the 1,035 pairs of 46 documents have a query
        ("scifact", 0.001449, 0.4222, 0.001454),
    ):
        qrels = load_beir(data / name).judgements.qrels
        graph, sets = relevance_graph(qrels), [set(each) for each in qrels.values()]
        assert graph is not None
        shared = np.mean([bool(a & b) for a, b in combinations(sets, 2)])
        yield near(f"{name}: graph density", density, float(shared), within=1e-6)
        yield near(f"{name}: mean query strength", strength, graph.strength or 0, within=1e-4)
        yield near(f"{name}: density among documents", documents, graph.density or 0, within=1e-6)


@reproduction(
    "sign-rank-bound",
    title="Forster's lower bound on the dimension that separates relevant from irrelevant, LIMIT-small and SciFact",
    source="bound of Forster 2002, as used on relevance matrices by Weller et al. 2025; numbers by embgeo",
    needs=(*LIMIT, *TEXTS),
    verdict="The bound says that one or two dimensions are needed: relevance matrices are sparse, and their ±1 form is "
    "nearly constant. Ask for the margin that vectors of a dimension reach instead.",
)
def sign_rank_bound(data: Path) -> Iterator[Compared]:
    """dimension ≥ √(N n) / ‖M‖₂ for M (N, n) of ±1, over the judged documents and one for the rest."""
    for name, bound in (("limit-small", 1.10), ("scifact", 1.01)):
        dataset = load_beir(data / name)
        evaluator = Evaluator(dataset.judgements, dataset.doc_ids, dataset.query_ids)
        judged = evaluator.judged()
        relevant = judged[judged[:, 2] > 0]
        columns = np.unique(relevant[:, 1], return_inverse=True)[1]
        rest = len(dataset.doc_ids) > columns.max() + 1
        M = np.full((len(evaluator.query_ids), columns.max() + 1 + rest), -1.0)
        M[np.unique(relevant[:, 0], return_inverse=True)[1], columns] = 1
        yield near(f"{name}: dimension at least", bound, float(np.sqrt(M.size) / np.linalg.norm(M, 2)), within=0.005)


SUBSETS = ((8, 1), (8, 2), (12, 2), (8, 3))  # documents, and how many of them are relevant
POINTS = 1000
BLOCK = 20_000
CUBIC = (-10.5322, 4.0309, 0.0520, 0.0037)  # of the published critical number of documents, lowest power first


@reproduction(
    "subset-margins",
    title="Best margins of all subsets of k of n documents, optimised against closed forms",
    source="arXiv 2601.20844, ε* of all k-subsets; arXiv 2605.23556, margin of a zero threshold",
)
def subset_margins(data: Path) -> Iterator[Compared]:
    """The published full gap is n / √(k (n−1) (n−k))."""
    for n, k in SUBSETS:
        pattern, gap = all_subsets(n, k), n / math.sqrt(k * (n - 1) * (n - k))
        with one_blas_thread():
            row, zero = (free_vectors(pattern, n, threshold=kind).margins.max() for kind in ("row", "zero"))
        yield near(f"{k} of {n}: ε*", gap, 2 * subset_half_gap(n, k), within=1e-12)
        yield near(f"{k} of {n}: ε*, optimised vectors", gap, 2 * float(row), within=0.004)
        yield near(f"{k} of {n}: zero threshold, optimised", subset_zero_margin(n, k), float(zero), within=0.004)


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
    double, single = (_half_gaps(queries, documents, (a, b), kind) for kind in (np.float64, np.float32))
    yield near("share of pairs in float64", 1.0, float((double > 0).mean()), within=0)
    yield at_most("least half-gap in float64, against the rounding of float32", 1.2e-7, float(double.min()))
    yield near("share of pairs in float32", 0.906, float((single > 0).mean()), within=0.02)


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


def _half_gaps(queries: np.ndarray, documents: np.ndarray, relevant: Sequence[np.ndarray], kind: type) -> np.ndarray:
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
