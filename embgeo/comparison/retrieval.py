"""Exact search side by side: models paired on the queries that both were judged on."""

from __future__ import annotations

from collections.abc import Sequence

from embgeo.comparison.judged_queries import METHOD, float32_queries, paired_tests
from embgeo.comparison.runs import ComparedRun, subjects
from embgeo.results import NDCG, AnalyzeResult, CompressResult, Estimate
from embgeo.results.compare import ComparedRetrieval, JudgedRun, QueryPair


def compare_retrieval(runs: Sequence[ComparedRun], seed: int) -> tuple[ComparedRetrieval | None, list[str]]:
    """Exact float32 search of each model, and each pair's difference; None where fewer than two runs were judged."""
    judged = {item.label: item for item in subjects(runs) if mean_quality(item)}
    if len(judged) < 2:
        return None, []
    found, warnings = [], []
    for item in judged.values():
        queries = float32_queries(item)
        if isinstance(queries, str):
            warnings.append(f"{item.label}: {queries}; its retrieval is shown but not paired")
        else:
            found.append(queries)
    pairs = paired_tests(found, seed)
    said = (_mixed(judged[pair.a], judged[pair.b], pair) for pair in pairs if pair.status == "ok")
    return ComparedRetrieval(
        runs=[JudgedRun(label=item.label, measures=mean_quality(item)) for item in judged.values()],
        method=METHOD,
        pairs=pairs,
    ), [*warnings, *filter(None, said)]


def mean_quality(item: ComparedRun) -> dict[str, Estimate]:
    """The mean of each measure of exact float32 search, over the judged queries."""
    found: dict[str, Estimate] = {}
    if isinstance(item.result, AnalyzeResult):
        found = item.result.retrieval or {}
    elif isinstance(item.result, CompressResult):
        found = {NDCG: Estimate(value=item.result.baseline.ndcg, ci=item.result.baseline.ndcg_ci)}
    return {name: Estimate(value=e.value, ci=e.ci) for name, e in found.items() if e.value is not None}


def _mixed(a: ComparedRun, b: ComparedRun, pair: QueryPair) -> str:
    """Why a paired difference is not due to the models alone: other documents or judgements; "" if it is."""
    counts = a.dataset.documents, b.dataset.documents
    if counts[0] != counts[1]:
        return (
            f"{a.label} searched {counts[0]} documents and {b.label} {counts[1]}: their difference in retrieval "
            "is partly due to the corpora"
        )
    if a.corpus != b.corpus:
        return (
            f"{a.label} and {b.label} share {pair.n} queries, but not the same documents and judgements: their "
            "difference in retrieval is partly due to the data"
        )
    return ""
