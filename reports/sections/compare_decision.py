"""A comparison in plain words, from its stored numbers alone: the top of the report, the end of the terminal output."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Foreign, Paragraph
from embgeo.reports.heading import run_names
from embgeo.reports.numbers import byte_size, count, counted, estimate, number, percent
from embgeo.reports.price import amount
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.decision import glossary
from embgeo.results import NDCG, CompareResult, Interval
from embgeo.results.compare import Front, FrontRow, PairedTest, QueryPair

ALPHA = 0.05
OVERLAP, CKA = "neighbourhood_overlap@10", "linear_cka"


@section("decision", "In short", of=CompareResult, order=0, style="lead")
def in_short(shown: Shown[CompareResult]) -> Iterator[Block]:
    for place, sentence in enumerate(decision(shown.result)):
        yield Paragraph(Foreign(sentence, 1500), "" if place else "decision")
    if specs := [front.recommended for group in shown.result.fronts for front in group.fronts if front.recommended]:
        yield glossary(["codec", "nDCG@10", "p"], specs)


def decision(result: CompareResult) -> list[str]:
    """Paragraphs: which retrieves better and how sure that is, what each store keeps, model similarity, the cost."""
    paragraphs = (_retrieval(result), [*_kept(result), *_stores(result)], _alike(result), _cost(result))
    return [" ".join(sentences) for sentences in paragraphs if sentences] or [
        "These runs share no judged queries, no Pareto fronts and no documents: only their signatures can be compared."
    ]


def verdict(a: str, b: str, test: PairedTest, n: int | None, what: str) -> str:
    """`A is better than B by 0.044 (0.021–0.067) …`, that the two cannot be told apart, or that no query differs."""
    gap, ci, p = test.difference, test.difference_ci, test.p_holm
    over = f"over {counted(n, 'shared query', 'shared queries')}"
    if gap is None or p is None:
        return ""
    if ci is None and changed(test) == 0:
        bound = percent(test.changed_bound)
        confidence = f"with 95 % confidence fewer than {bound} of queries would differ"
        return f"{a} and {b} have the same {what} on all {count(n)} shared queries ({confidence})."
    if ci is not None and p < ALPHA:
        better, worse = (a, b) if gap > 0 else (b, a)
        ends: Interval = ci if gap > 0 else (-ci[1], -ci[0])
        return f"{better} is better than {worse} by {estimate(abs(gap), ends, 4)} {what} {over}, {p_text(p, 'p')}."
    gap_text = estimate(gap, ci, 4, signed=True)
    why = "" if ci else f", without an interval because {few_differ(test)}"
    return f"{a} and {b} cannot be told apart {over}: difference {gap_text} {what}, {p_text(p, 'p')}{why}."


def changed(test: PairedTest) -> int | None:
    """On how many queries the two differ; None if the comparison does not say."""
    return None if test.wins is None or test.losses is None else int(test.wins + test.losses)


def few_differ(test: PairedTest) -> str:
    """Why a test has no interval: `only 3 of 300 queries change`; `only 3 queries differ` for earlier versions."""
    if test.note:
        return test.note.partition(", ")[0]
    queries = changed(test)
    if queries is None:
        return "too few queries differ"
    return f"only {counted(queries, 'query differs', 'queries differ')}" if queries else "no query differs"


def p_text(p: float | None, name: str = "") -> str:
    """A p value as 0.032 or < 0.001; after `name` as p = 0.032 or p < 0.001."""
    text = number(None) if p is None else "< 0.001" if p < 0.001 else number(p, places=3 if p < 0.1 else 2)
    return f"{name}\u00a0{'' if text.startswith('<') else '= '}{text}".replace(" ", "\u00a0") if name else text


def _retrieval(result: CompareResult) -> list[str]:
    stored, named = result.retrieval, run_names(result)
    values = [
        (estimate.value, run.label)
        for run in (stored.runs if stored else [])
        if (estimate := (run.measures or {}).get(NDCG)) is not None and estimate.value is not None
    ]
    if stored is None or not values:
        return []
    values.sort(key=lambda item: -item[0])
    listed = [f"{number(value, places=4)} for {label} ({named.get(label, '')})" for value, label in values[:6]]
    more = f" and lower for {len(values) - 6} more" if len(values) > 6 else ""
    pairs = {frozenset((pair.a, pair.b)): pair for pair in stored.pairs}
    # the best against each other run: the pairs that decide the choice
    against = [pairs.get(frozenset((values[0][1], label))) for _, label in values[1:6]]
    said = [_say(pair) for pair in against if pair is not None]
    return [f"With exact float32 search, search quality (nDCG@10) is {', '.join(listed)}{more}.", *filter(None, said)]


def _kept(result: CompareResult) -> list[str]:
    kept = [
        text
        for group in result.fronts
        for front in group.fronts
        for row in front.rows
        if row.spec == front.recommended and (text := _share(front, row, group.measure == NDCG))
    ]
    return ["; ".join(kept[:6]) + "."] if kept else []


def _share(front: Front, row: FrontRow, judged: bool) -> str:
    share, ends = (row.retained, row.retained_ci) if judged else (row.recall, row.recall_ci)
    if share is None:
        return ""
    what = "nDCG@10" if judged else "the exact ten neighbours"
    size = f"{byte_size(row.bytes_per_vector)} per vector ({row.spec})"
    return f"{front.label} keeps {percent(share, ends)} of {what} at {size}"


def _stores(result: CompareResult) -> list[str]:
    values = [(store.value, store.label) for store in (result.stores.stores if result.stores else [])]
    known = [(value, label) for value, label in values if value is not None]
    if result.stores is None or not known:
        return []
    top = max(known, key=lambda item: item[0])[1]
    pairs = [pair for pair in result.stores.pairs if top in (pair.a, pair.b)]
    return [f"Of the recommended stores, {text}" for pair in pairs[:3] if (text := _say(pair))]


def _alike(result: CompareResult) -> list[str]:
    pairs = [pair for pair in result.model_similarity if pair.status == "ok"]
    parts = []
    for pair in pairs[:4]:
        values = pair.values or {}
        overlap, cka = values.get(OVERLAP), values.get(CKA)
        by_chance = number((pair.chance or {}).get(CKA), places=3)
        alike = f"{percent(overlap, places=0)} (linear CKA {number(cka, places=3)}, chance {by_chance})"
        parts.append(f"{pair.a} and {pair.b} share {alike}")
    more = f"; {len(pairs) - 4} more pairs are in the table" if len(pairs) > 4 else ""
    scale = (
        " Linear CKA is 1 if two models see the same similarities between documents; unrelated ones are near chance."
    )
    return [f"Of a document's ten nearest neighbours, {', '.join(parts)}{more}.{scale}"] if parts else []


def _cost(result: CompareResult) -> list[str]:
    every = [row for row in result.cost if row.total_bytes is not None]
    rows = [row for row in every if row.spec != "f32"] or every
    if not rows:
        return []
    parts = []
    for row in rows[:6]:
        money = f" at a price of {number(row.price, places=2)}" if row.price is not None else ""
        parts.append(f"{byte_size(row.total_bytes)}{money} for {row.label} ({row.spec})")
    return [f"At {amount(rows[0].vectors)} vectors: {'; '.join(parts)}."]


def _say(pair: QueryPair) -> str:
    test = (pair.measures or {}).get(NDCG)
    return verdict(pair.a, pair.b, test, pair.n, "nDCG@10") if test else ""
