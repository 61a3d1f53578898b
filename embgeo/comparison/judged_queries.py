"""Quality query by query, as runs store it, and any two ways of searching paired on the queries that both share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from embgeo.comparison.runs import ComparedRun
from embgeo.results import NDCG, CompressResult
from embgeo.results.compare import PairedTest, QueryPair
from embgeo.retrieval.evaluate import QUALITY_MEASURES
from embgeo.retrieval.paired_test import DRAWS, holm, no_interval, sign_flip_p
from embgeo.retrieval.significance import MIN_CHANGED, RESAMPLES, QueryBootstrap, changed_bound

METHOD = (
    "difference = first − second on the judged queries that both share, paired by query id; 95 % percentile bootstrap "
    f"over queries ({RESAMPLES:,} resamples), the intervals not adjusted for the number of pairs; p from {DRAWS:,} "
    "random sign flips, adjusted by Holm over the pairs of each measure"
)


@dataclass(frozen=True)
class JudgedQueries:
    """Per-query quality of one way of searching: `ids` (m,) of the judged queries, `values` {measure: (m,)}.

    `groups` (m,) int: queries with the same number share relevant documents; all different in runs of earlier versions.
    """

    label: str
    name: str
    ids: tuple[str, ...]
    texts: Mapping[str, str]
    values: Mapping[str, np.ndarray]
    groups: np.ndarray


def float32_queries(item: ComparedRun) -> JudgedQueries | str:
    """Per-query quality of exact float32 search as the run stores it; a sentence that says why if it does not."""
    if isinstance(item.result, CompressResult):
        return _stored(item, "f32", {NDCG: "quality/f32"} if item.result.baseline.ndcg is not None else {})
    return _stored(item, "f32", {name: f"quality/{name}" for name in QUALITY_MEASURES})


def store_queries(item: ComparedRun) -> JudgedQueries | None:
    """Per-query nDCG@10 of the recommended store; None for a run without judgements or without a store."""
    result = item.result
    if not isinstance(result, CompressResult) or result.baseline.ndcg is None:
        return None
    spec = result.recommendation.spec
    queries = _stored(item, spec, {NDCG: f"quality/{spec}"})
    return None if isinstance(queries, str) else queries


def paired_tests(found: Sequence[JudgedQueries], seed: int) -> list[QueryPair]:
    """Every pair of ways of searching: by measure the difference with interval, p and wins; else a typed reason."""
    pairs = [_pair(a, b, seed) for a, b in combinations(found, 2)]
    families: dict[str, list[float]] = {}
    for pair in pairs:
        for name, test in (pair.measures or {}).items():
            families.setdefault(name, []).append(test.p or 0.0)
    adjusted = {name: iter(holm(p)) for name, p in families.items()}
    return [
        replace(
            pair,
            measures={name: replace(test, p_holm=next(adjusted[name])) for name, test in (pair.measures or {}).items()},
        )
        for pair in pairs
    ]


def _pair(a: JudgedQueries, b: JudgedQueries, seed: int) -> QueryPair:
    # ids such as 1, 2, 3 occur in every dataset; the text tells them apart
    places = {query: at for at, query in enumerate(b.ids) if a.texts.get(query) == b.texts.get(query)}
    rows = np.array([(at, places[query]) for at, query in enumerate(a.ids) if query in places], np.int64).reshape(-1, 2)
    names = [name for name in a.values if name in b.values]
    reason = "no-shared-queries" if not len(rows) else None if names else "no-shared-measure"
    tests = {
        name: paired_test(a.values[name][rows[:, 0]], b.values[name][rows[:, 1]], seed, a.groups[rows[:, 0]])
        for name in names
        if reason is None
    }
    return QueryPair(
        a=a.label,
        b=b.label,
        n=len(rows),
        queries=[len(a.ids), len(b.ids)],
        status="unavailable" if reason else "ok",
        reason=reason,
        measures=tests,
    )


def paired_test(x: np.ndarray, y: np.ndarray, seed: int, groups: np.ndarray) -> PairedTest:
    """The mean of x − y (m,) over the same queries; `groups` (m,) int as `QueryBootstrap` takes them."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    bootstrap = QueryBootstrap.draw(len(x), seed, groups=groups)
    ci = bootstrap.difference(x, y)
    changed = int((x != y).sum())
    return PairedTest(
        a=float(x.mean()),
        b=float(y.mean()),
        difference=float((x - y).mean()),
        difference_ci=ci,
        p=sign_flip_p(x - y, seed, groups=groups),
        wins=int((x > y).sum()),
        losses=int((x < y).sum()),
        ties=int((x == y).sum()),
        changed_bound=changed_bound(changed, len(x)) if changed < MIN_CHANGED else None,
        note=no_interval(changed, len(x), bootstrap.changed(x - y)) if ci is None else None,
    )


def _stored(item: ComparedRun, name: str, arrays: Mapping[str, str]) -> JudgedQueries | str:
    """The values of `arrays` {measure: array name} in the run; a sentence if it lacks them or their queries."""
    held, texts = item.run.arrays, item.run.queries
    values = {measure: held[array] for measure, array in arrays.items() if array in held}
    rows = held["query_rows"] if "query_rows" in held else np.zeros(0, np.int64)
    groups = held["query_groups"] if "query_groups" in held else np.arange(len(rows))
    if not values or any(len(array) != len(rows) for array in (groups, *values.values())):
        return "the run stores no per-query quality"
    ids = list(texts)
    if len(rows) and int(np.max(rows)) >= len(ids):
        return "the run stores no query ids"
    return JudgedQueries(item.label, name, tuple(ids[row] for row in rows.tolist()), texts, values, groups)
