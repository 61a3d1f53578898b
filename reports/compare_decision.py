"""A comparison in plain words, from its stored numbers alone: what the report opens and the terminal ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.commands import title_of
from embgeo.reports.numbers import byte_size, count, estimate, finite, number, percent

LEVEL = 0.05
MEASURE = "ndcg@10"


def names(result: Mapping[str, Any]) -> dict[str, str]:
    """{label: "A"} of each run; the name for a sentence is `A (minilm)`, with the dataset where they differ."""
    runs = [run for run in result.get("runs") or [] if isinstance(run, Mapping)]
    datasets = {str(run.get("dataset")) for run in runs}
    named = {}
    for run in runs:
        name = title_of(run.get("model")).removeprefix("vectors:") or "vectors"
        data = f" on {title_of(run.get('dataset')) or 'no dataset'}" if len(datasets) > 1 else ""
        named.setdefault(str(run.get("label")), f"{name}{data}")
    return named


def decision(result: Mapping[str, Any]) -> list[str]:
    """Paragraphs: who retrieves better and how sure that is, what each store keeps, how alike models are, the cost."""
    paragraphs = (_retrieval(result), _stores(result), _alike(result), _cost(result))
    return [" ".join(sentences) for sentences in paragraphs if sentences] or [
        "These runs share no judged queries, no fronts and no documents: the signatures below are all there is to "
        "compare."
    ]


def verdict(a: str, b: str, test: Mapping[str, Any], n: Any, what: str) -> str:
    """`A is better than B by 0.044 (0.021–0.067) …` or that the two cannot be told apart."""
    gap, ci = finite(test.get("difference")), test.get("difference_ci")
    p = finite(test.get("p_holm"))
    over = f"over {count(n)} shared queries"
    if gap is None or p is None:
        return ""
    if ci is None:
        bound = percent(test.get("changed_bound"))
        return f"{a} and {b} have the same {what} on every one of {count(n)} queries (fewer than {bound} would differ)."
    if p < LEVEL:
        better, worse = (a, b) if gap > 0 else (b, a)
        ends = ci if gap > 0 else [-ci[1], -ci[0]]
        return f"{better} is better than {worse} by {estimate(abs(gap), ends, 4)} {what} {over}, {p_text(p, 'p')}."
    gap_text = estimate(gap, ci, 4, signed=True)
    return f"{a} and {b} cannot be told apart {over}: difference {gap_text} {what}, {p_text(p, 'p')}."


def p_text(p: Any, name: str = "") -> str:
    """A p value as 0.032 or < 0.001; after `name` as p = 0.032 or p < 0.001."""
    x = finite(p)
    text = number(None) if x is None else "< 0.001" if x < 0.001 else number(x, places=3 if x < 0.1 else 2)
    return f"{name}\u00a0{'' if text.startswith('<') else '= '}{text}".replace(" ", "\u00a0") if name else text


def _retrieval(result: Mapping[str, Any]) -> list[str]:
    stored = result.get("retrieval")
    if not isinstance(stored, Mapping):
        return []
    named = names(result)
    values = [
        (finite(run["measures"][MEASURE].get("value")), run["measures"][MEASURE], str(run["label"]))
        for run in stored.get("runs") or []
        if MEASURE in (run.get("measures") or {})
    ]
    known = sorted((item for item in values if item[0] is not None), key=lambda item: -(item[0] or 0.0))
    if not known:
        return []
    said = [
        "With exact float32 search nDCG@10 is "
        + ", ".join(f"{number(value, places=4)} for {label} ({named.get(label, '')})" for value, _, label in known[:6])
        + (f" and lower for {len(known) - 6} more." if len(known) > 6 else ".")
    ]
    tests = _tests(stored)
    best = known[0][2]
    # the best against each other run: the pairs that a choice hangs on
    for _, _, label in known[1:6]:
        pair = tests.get(frozenset((best, label)))
        if pair is not None:
            said.append(_say(pair, "nDCG@10"))
    return [sentence for sentence in said if sentence]


def _stores(result: Mapping[str, Any]) -> list[str]:
    kept = []
    for group in result.get("fronts") or []:
        for front in group.get("fronts") or []:
            best = next((row for row in front["rows"] if row.get("spec") == front.get("recommended")), None)
            if best is not None:
                what = "nDCG@10" if group["measure"] == MEASURE else "the exact ten neighbours"
                share = best.get("retained") if group["measure"] == MEASURE else best.get("recall@10_exact")
                ends = best.get("retained_ci" if group["measure"] == MEASURE else "recall@10_exact_ci")
                kept.append(
                    f"{front['label']} keeps {percent(share, ends)} of {what} at "
                    f"{byte_size(best['bytes_per_vector'])} per vector ({best['spec']})"
                )
    said = ["; ".join(kept[:6]) + "."] if kept else []
    stores = result.get("stores")
    if isinstance(stores, Mapping):
        pairs = [pair for pair in stores.get("pairs") or [] if pair.get("status") == "ok"]
        top = max(stores.get("stores") or [{}], key=lambda store: store.get("value") or 0.0).get("label")
        for pair in [pair for pair in pairs if top in (pair["a"], pair["b"])][:3]:
            said.append("Of the recommended stores, " + _say(pair, "nDCG@10"))
    return said


def _alike(result: Mapping[str, Any]) -> list[str]:
    pairs = [pair for pair in result.get("model_similarity") or [] if pair.get("status") == "ok"]
    parts = [
        f"{pair['a']} and {pair['b']} share {percent(pair['values'].get('neighbourhood_overlap@10'), places=0)} "
        f"(linear CKA {number(pair['values'].get('linear_cka'), places=3)})"
        for pair in pairs[:4]
    ]
    more = f"; {len(pairs) - 4} more pairs stand in the table" if len(pairs) > 4 else ""
    return [f"Of a document's ten nearest neighbours {', '.join(parts)}{more}."] if parts else []


def _cost(result: Mapping[str, Any]) -> list[str]:
    rows = [row for row in result.get("cost") or [] if row.get("spec") != "f32"] or list(result.get("cost") or [])
    if not rows:
        return []
    parts = []
    for row in rows[:6]:
        money = f" at a price of {number(row['price'], places=2)}" if finite(row.get("price")) is not None else ""
        parts.append(f"{byte_size(row['total_bytes'])}{money} for {row['label']} ({row['spec']})")
    return [f"At {planned(rows[0]['vectors'])} vectors: {'; '.join(parts)}."]


def planned(vectors: Any) -> str:
    """`100 million`, `250,000`."""
    x = finite(vectors)
    return number(None) if x is None else f"{number(x / 1e6)} million" if x >= 1e6 else count(x)


def _tests(stored: Mapping[str, Any]) -> dict[frozenset[str], Mapping[str, Any]]:
    return {frozenset((str(p["a"]), str(p["b"]))): p for p in stored.get("pairs") or [] if p.get("status") == "ok"}


def _say(pair: Mapping[str, Any], what: str) -> str:
    test = (pair.get("measures") or {}).get(MEASURE)
    return verdict(str(pair["a"]), str(pair["b"]), test, pair.get("n"), what) if isinstance(test, Mapping) else ""
