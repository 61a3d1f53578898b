"""Retrieval side by side: models paired on the queries that both were judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from embgeo.comparison.runs import ComparedRun, entry, subjects
from embgeo.retrieval.evaluate import QUALITY_MEASURES
from embgeo.retrieval.paired_test import DRAWS, holm, no_interval, sign_flip_p
from embgeo.retrieval.significance import MIN_CHANGED, RESAMPLES, QueryBootstrap, changed_bound

JUDGED = "ndcg@10"
METHOD = (
    "difference = first − second on the judged queries that both share, paired by query id; 95 % percentile bootstrap "
    f"over queries ({RESAMPLES:,} resamples), the intervals not adjusted for the number of pairs; p from {DRAWS:,} "
    "random sign flips, adjusted by Holm over the pairs of each measure"
)


@dataclass(frozen=True)
class JudgedQueries:
    """Per-query quality of one way of searching: `ids` (m,) of the judged queries, `values` {measure: (m,)}.

    `groups` (m,) int: queries of one number share relevant documents; all apart in runs of earlier versions.
    """

    label: str
    name: str
    ids: tuple[str, ...]
    texts: Mapping[str, str]
    values: Mapping[str, np.ndarray]
    groups: np.ndarray


def compare_retrieval(runs: Sequence[ComparedRun], seed: int) -> tuple[dict[str, Any] | None, list[str]]:
    """Exact float32 search of each model, and each pair's difference; None where fewer than two runs were judged."""
    items = subjects(runs)
    judged = [item for item in items if _means(item)]
    if len(judged) < 2:
        return None, []
    found, warnings = {}, []
    for item in judged:
        queries = float32_queries(item)
        if isinstance(queries, str):
            warnings.append(f"{item.label}: {queries}; its retrieval is shown, not paired")
        else:
            found[item.label] = queries
    pairs = paired(list(found.values()), seed)
    return {
        "runs": [{"label": item.label, "measures": _means(item)} for item in judged],
        "method": METHOD,
        "pairs": pairs,
    }, [*warnings, *_corpora(judged, pairs)]


def compare_stores(runs: Sequence[ComparedRun], seed: int) -> dict[str, Any] | None:
    """The recommended stores of the compress runs paired on their queries, by out-of-sample nDCG@10."""
    found = [queries for item in runs if (queries := store_queries(item)) is not None]
    pairs = paired(found, seed)
    if not any(pair["status"] == "ok" for pair in pairs):
        return None
    stores = [
        {"label": q.label, "spec": q.name, "value": float(q.values[JUDGED].mean(dtype=np.float64))} for q in found
    ]
    return {"stores": stores, "method": METHOD, "pairs": pairs}


def float32_queries(item: ComparedRun) -> JudgedQueries | str:
    """Per-query quality of exact float32 search as the run stores it; a sentence where it does not."""
    arrays = item.run.arrays
    if item.run.command == "analyze":
        values = {name: arrays[f"quality/{name}"] for name in QUALITY_MEASURES if f"quality/{name}" in arrays}
    else:
        values = {JUDGED: arrays["quality/f32"]} if _judged_stores(item) and "quality/f32" in arrays else {}
    return _queries(item, "f32", values)


def store_queries(item: ComparedRun) -> JudgedQueries | None:
    spec = entry(item.result.get("recommendation")).get("spec")
    if item.run.command != "compress" or not _judged_stores(item) or f"quality/{spec}" not in item.run.arrays:
        return None
    queries = _queries(item, str(spec), {JUDGED: item.run.arrays[f"quality/{spec}"]})
    return None if isinstance(queries, str) else queries


def paired(found: Sequence[JudgedQueries], seed: int) -> list[dict[str, Any]]:
    """Every pair of ways of searching: by measure the difference with interval, p and wins; typed where none shared."""
    pairs: list[dict[str, Any]] = []
    tests: dict[str, list[dict[str, Any]]] = {}
    for a, b in combinations(found, 2):
        shared = [q for q in a.ids if q in set(b.ids) and _same_text(a, b, q)]
        facts = {"a": a.label, "b": b.label, "n": len(shared), "queries": [len(a.ids), len(b.ids)]}
        names = [name for name in a.values if name in b.values]
        if not shared or not names:
            reason = "no-shared-queries" if not shared else "no-shared-measure"
            pairs.append({**facts, "status": "unavailable", "reason": reason, "measures": {}})
            continue
        rows = [[{q: at for at, q in enumerate(side.ids)}[q] for q in shared] for side in (a, b)]
        compared = {}
        for name in names:
            x, y = (side.values[name][at].astype(np.float64) for side, at in zip((a, b), rows, strict=True))
            compared[name] = _difference(x, y, seed, a.groups[rows[0]])
            tests.setdefault(name, []).append(compared[name])
        pairs.append({**facts, "status": "ok", "reason": None, "measures": compared})
    for family in tests.values():
        for test, adjusted in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = adjusted
    return pairs


def _difference(x: np.ndarray, y: np.ndarray, seed: int, groups: np.ndarray) -> dict[str, Any]:
    bootstrap = QueryBootstrap.draw(len(x), seed, groups=groups)
    ci = bootstrap.difference(x, y)
    changed = int((x != y).sum())
    return {
        "a": float(x.mean()),
        "b": float(y.mean()),
        "difference": float((x - y).mean()),
        "difference_ci": ci,
        "p": sign_flip_p(x - y, seed, groups=groups),
        "wins": int((x > y).sum()),
        "losses": int((x < y).sum()),
        "ties": int((x == y).sum()),
        "changed_bound": changed_bound(changed, len(x)) if changed < MIN_CHANGED else None,
        "note": no_interval(changed, len(x), bootstrap.changed(x - y)) if ci is None else None,
    }


def _queries(item: ComparedRun, name: str, values: Mapping[str, np.ndarray]) -> JudgedQueries | str:
    rows, texts = item.run.arrays.get("query_rows"), item.run.queries
    if not values or rows is None or any(len(array) != len(rows) for array in values.values()):
        return "the run stores no per-query quality"
    ids = list(texts)
    if len(rows) and int(np.max(rows)) >= len(ids):
        return "the run stores no query ids"
    groups = item.run.arrays.get("query_groups", np.arange(len(rows)))
    if len(groups) != len(rows):
        return "the run stores no per-query quality"
    return JudgedQueries(item.label, name, tuple(ids[row] for row in rows.tolist()), texts, dict(values), groups)


def _same_text(a: JudgedQueries, b: JudgedQueries, query: str) -> bool:
    """Ids such as 1, 2, 3 occur in every dataset; the text tells them apart."""
    return a.texts.get(query) == b.texts.get(query)


def _judged_stores(item: ComparedRun) -> bool:
    return entry(item.result.get("baseline")).get(JUDGED) is not None


def _means(item: ComparedRun) -> dict[str, Any]:
    if item.run.command == "analyze":
        stored = entry(item.result.get("retrieval"))
        return {
            str(name): {"value": entry(e).get("value"), "ci": entry(e).get("ci")}
            for name, e in stored.items()
            if entry(e).get("value") is not None
        }
    base = entry(item.result.get("baseline"))
    return {JUDGED: {"value": base[JUDGED], "ci": base.get(f"{JUDGED}_ci")}} if base.get(JUDGED) is not None else {}


def _corpora(judged: Sequence[ComparedRun], pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What makes a paired difference more than one of models: other documents, other judgements."""
    by_label = {item.label: item for item in judged}
    said = []
    for pair in pairs:
        if pair["status"] != "ok":
            continue
        a, b = by_label[pair["a"]], by_label[pair["b"]]
        counts = a.dataset.get("documents"), b.dataset.get("documents")
        if counts[0] != counts[1]:
            said.append(
                f"{a.label} searched {counts[0]} documents and {b.label} {counts[1]}: their difference in retrieval "
                "includes that of the corpora"
            )
        elif a.corpus != b.corpus:
            said.append(
                f"{a.label} and {b.label} share {pair['n']} queries, but not the same documents and judgements: their "
                "difference in retrieval includes that of the data"
            )
    return said
