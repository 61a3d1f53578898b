"""How similarly two models place the documents that they share."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Column, Data, Foreign, Glossary, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import count, number
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.compare_runs import label_cell
from embgeo.results import CompareResult
from embgeo.results.compare import SimilarPair

TITLE = "Model similarity"
# by stored name: on the page, in the terminal, what it means
MEASURES = {
    "linear_cka": (
        "Linear CKA", "CKA", "1: the same similarities between documents; dominated by the strongest directions",
    ),
    "svcca": ("SVCCA", "SVCCA", "1: the leading directions span the same subspace, weighted equally"),
    "neighbourhood_overlap@10": (
        "Overlap@10", "same@10",
        "Share of a document's ten nearest neighbours in the sample that both models agree on",
    ),
    "procrustes_error": (
        "Procrustes error", "Procrustes",
        "Share of squared length that the best rotation leaves unexplained; 0: the same",
    ),
    "information_imbalance_a_to_b": (
        "First predicts second", "a→b",
        "0: the nearest neighbour in the first model is also nearest in the second; 1: unrelated",
    ),
    "information_imbalance_b_to_a": ("Second predicts first", "b→a", "The same in the other direction"),
}  # fmt: skip


@section("likeness", TITLE, of=CompareResult, order=500)
def likeness(shown: Shown[CompareResult]) -> Iterator[Block]:
    pairs = shown.result.model_similarity
    if not pairs:
        return
    yield Paragraph(
        "How similarly two models place the documents that they share. In brackets: the value for unrelated vectors of "
        "these shapes.",
        "note",
    )
    columns = [Column("Pair"), *(Column(title, "number", explain) for title, _, explain in MEASURES.values())]
    columns += [Column("Documents", "number"), Column("Matched")]
    data = Data("model-similarity", TITLE, [_record(pair) for pair in pairs])
    yield Table("model-similarity", TITLE, columns, [RowGroup([_row(pair) for pair in pairs])], data=data)
    yield Glossary("What the columns mean", [(title, explain) for title, _, explain in MEASURES.values()])


def _row(pair: SimilarPair) -> TableRow:
    head = label_cell(pair.a, pair.b)
    if pair.status != "ok":
        why = Foreign(f"{_words(pair.reason)}: {pair.detail}", 400)
        return TableRow([head, Cell(why, style="note", span=len(MEASURES) + 2)])
    values, chance = pair.values or {}, pair.chance or {}
    cells = [Cell(_three(values.get(name)), [f"({_three(chance.get(name))})"]) for name in MEASURES]
    matched = Cell(Foreign(pair.detail or "", 200), style="note")
    return TableRow([head, *cells, f"{count(pair.n)} of {count(pair.shared)}", matched])


def _words(reason: str | None) -> str:
    """`unknown-documents` in words."""
    return (reason or "").replace("-", " ")


def _record(pair: SimilarPair) -> dict[str, object]:
    facts = {key: pair.at(key) for key in ("a", "b", "status", "reason", "n", "shared", "detail")}
    by_chance = {f"{name}_by_chance": value for name, value in (pair.chance or {}).items()}
    return {**facts, **(pair.values or {}), **by_chance}


def _three(x: float | None) -> str:
    """Three decimals; five for numbers below 0.01."""
    return number(x, places=3 if x is None or abs(x) >= 0.01 or x == 0 else 5)


def similarity_table(result: CompareResult) -> Table | None:
    """For the terminal, without chance values; None without pairs."""
    rows = []
    for pair in result.model_similarity:
        ok = pair.status == "ok"
        values = [number((pair.values or {}).get(name), places=3) if ok else "" for name in MEASURES]
        sample = number(pair.n) if ok else ""
        rows.append(TableRow([f"{pair.a}, {pair.b}", *values, sample, "" if ok else Foreign(_words(pair.reason))]))
    columns = [Column("", "word"), *(Column(short, "number") for _, short, _ in MEASURES.values())]
    columns += [Column("n", "number"), Column("")]
    return Table("model-similarity", TITLE, columns, [RowGroup(rows)], f"{TITLE} on shared documents") if rows else None
