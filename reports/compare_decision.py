"""A comparison in plain words, from its stored numbers alone: what the report opens and the terminal ends with."""

from __future__ import annotations

from typing import Any

from embgeo.reports.heading import title_of
from embgeo.reports.numbers import bounds, byte_size, count, counted, estimate, finite, number, percent
from embgeo.reports.stored import Entry, entries, entry

LEVEL = 0.05
MEASURE = "ndcg@10"


def names(result: Entry) -> dict[str, str]:
    """{label: "A"} of each run; the name for a sentence is `A (minilm)`, with the dataset where they differ."""
    runs = entries(result.get("runs"))
    datasets = {str(run.get("dataset")) for run in runs}
    named: dict[str, str] = {}
    for run in runs:
        name = title_of(run.get("model")).removeprefix("vectors:") or "vectors"
        data = f" on {title_of(run.get('dataset')) or 'no dataset'}" if len(datasets) > 1 else ""
        variant = f", {run['variant']}" if run.get("variant") else ""
        named.setdefault(str(run.get("label")), f"{name}{variant}{data}")
    return named


def decision(result: Entry) -> list[str]:
    """Paragraphs: who retrieves better and how sure that is, what each store keeps, how alike models are, the cost."""
    paragraphs = (_retrieval(result), _stores(result), _alike(result), _cost(result))
    return [" ".join(sentences) for sentences in paragraphs if sentences] or [
        "These runs share no judged queries, no Pareto fronts and no documents: only their signatures can be compared."
    ]


def verdict(a: str, b: str, test: Entry, n: Any, what: str) -> str:
    """`A is better than B by 0.044 (0.021–0.067) …`, that the two cannot be told apart, or that no query differs."""
    gap, ci = finite(test.get("difference")), bounds(test.get("difference_ci"))
    p = finite(test.get("p_holm"))
    over = f"over {counted(n, 'shared query', 'shared queries')}"
    if gap is None or p is None:
        return ""
    if ci is None and changed(test) == 0:
        bound = percent(test.get("changed_bound"))
        return f"{a} and {b} have the same {what} on every one of {count(n)} queries (fewer than {bound} would differ)."
    if ci is not None and p < LEVEL:
        better, worse = (a, b) if gap > 0 else (b, a)
        ends = ci if gap > 0 else [-ci[1], -ci[0]]
        return f"{better} is better than {worse} by {estimate(abs(gap), ends, 4)} {what} {over}, {p_text(p, 'p')}."
    gap_text = estimate(gap, ci, 4, signed=True)
    why = "" if ci else f", without an interval, for {few_differ(test)}"
    return f"{a} and {b} cannot be told apart {over}: difference {gap_text} {what}, {p_text(p, 'p')}{why}."


def changed(test: Entry) -> int | None:
    """On how many queries the two differ; None where the comparison does not hold it."""
    wins, losses = finite(test.get("wins")), finite(test.get("losses"))
    return None if wins is None or losses is None else int(wins + losses)


def few_differ(test: Entry) -> str:
    """Why a test has no interval: `only 3 of 300 queries change`; `only 3 queries differ` for earlier versions."""
    if test.get("note"):
        return str(test["note"]).partition(", ")[0]
    queries = changed(test)
    if queries is None:
        return "too few queries differ"
    return f"only {counted(queries, 'query differs', 'queries differ')}" if queries else "no query differs"


def p_text(p: Any, name: str = "") -> str:
    """A p value as 0.032 or < 0.001; after `name` as p = 0.032 or p < 0.001."""
    x = finite(p)
    text = number(None) if x is None else "< 0.001" if x < 0.001 else number(x, places=3 if x < 0.1 else 2)
    return f"{name}\u00a0{'' if text.startswith('<') else '= '}{text}".replace(" ", "\u00a0") if name else text


def _retrieval(result: Entry) -> list[str]:
    stored = entry(result.get("retrieval"))
    named = names(result)
    values = [
        (value, str(run.get("label")))
        for run in entries(stored.get("runs"))
        if (value := finite(entry(entry(run.get("measures")).get(MEASURE)).get("value"))) is not None
    ]
    values.sort(key=lambda item: -item[0])
    if not values:
        return []
    listed = [f"{number(value, places=4)} for {label} ({named.get(label, '')})" for value, label in values[:6]]
    more = f" and lower for {len(values) - 6} more" if len(values) > 6 else ""
    said = [f"With exact float32 search nDCG@10 is {', '.join(listed)}{more}."]
    tests = {frozenset((str(pair.get("a")), str(pair.get("b")))): pair for pair in entries(stored.get("pairs"))}
    best = values[0][1]
    # the best against each other run: the pairs that a choice hangs on
    said += [_say(tests.get(frozenset((best, label)), {})) for _, label in values[1:6]]
    return [sentence for sentence in said if sentence]


def _stores(result: Entry) -> list[str]:
    kept = []
    for group in entries(result.get("fronts")):
        judged = group.get("measure") == MEASURE
        for front in entries(group.get("fronts")):
            spec = front.get("recommended")
            best = next((row for row in entries(front.get("rows")) if row.get("spec") == spec), None)
            share, ends = ("retained", "retained_ci") if judged else ("recall@10_exact", "recall@10_exact_ci")
            if best is not None and finite(best.get(share)) is not None:
                kept.append(
                    f"{front.get('label')} keeps {percent(best.get(share), best.get(ends))} of "
                    f"{'nDCG@10' if judged else 'the exact ten neighbours'} at "
                    f"{byte_size(best.get('bytes_per_vector'))} per vector ({spec})"
                )
    said = ["; ".join(kept[:6]) + "."] if kept else []
    stored = entry(result.get("stores"))
    stores = [store for store in entries(stored.get("stores")) if finite(store.get("value")) is not None]
    if stores:
        top = max(stores, key=lambda store: finite(store.get("value")) or 0.0).get("label")
        pairs = [pair for pair in entries(stored.get("pairs")) if top in (pair.get("a"), pair.get("b"))]
        said += [f"Of the recommended stores, {text}" for pair in pairs[:3] if (text := _say(pair))]
    return said


def _alike(result: Entry) -> list[str]:
    pairs = [pair for pair in entries(result.get("model_similarity")) if pair.get("status") == "ok"]
    parts = [
        f"{pair.get('a')} and {pair.get('b')} share {percent(values.get('neighbourhood_overlap@10'), places=0)} "
        f"(linear CKA {number(values.get('linear_cka'), places=3)})"
        for pair, values in ((pair, entry(pair.get("values"))) for pair in pairs[:4])
    ]
    more = f"; {len(pairs) - 4} more pairs are in the table" if len(pairs) > 4 else ""
    return [f"Of a document's ten nearest neighbours {', '.join(parts)}{more}."] if parts else []


def _cost(result: Entry) -> list[str]:
    every = [row for row in entries(result.get("cost")) if finite(row.get("total_bytes")) is not None]
    rows = [row for row in every if row.get("spec") != "f32"] or every
    if not rows:
        return []
    parts = []
    for row in rows[:6]:
        money = f" at a price of {number(row['price'], places=2)}" if finite(row.get("price")) is not None else ""
        parts.append(f"{byte_size(row['total_bytes'])}{money} for {row.get('label')} ({row.get('spec')})")
    return [f"At {planned(rows[0].get('vectors'))} vectors: {'; '.join(parts)}."]


def planned(vectors: Any) -> str:
    """`100 million`, `250,000`."""
    x = finite(vectors)
    return number(None) if x is None else f"{number(x / 1e6)} million" if x >= 1e6 else count(x)


def _say(pair: Entry) -> str:
    test = entry(entry(pair.get("measures")).get(MEASURE))
    return verdict(str(pair.get("a")), str(pair.get("b")), test, pair.get("n"), "nDCG@10") if test else ""
