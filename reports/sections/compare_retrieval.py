"""Retrieval side by side: exact search of each run, and the differences between runs, paired by query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embgeo.reports.blocks import (
    Block,
    Cell,
    Column,
    Data,
    Fold,
    Foreign,
    Heading,
    Paragraph,
    RowGroup,
    Table,
    TableRow,
)
from embgeo.reports.heading import run_names
from embgeo.reports.numbers import MISSING, count, dotted, interval, number, percent
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.compare_decision import few_differ, p_text
from embgeo.reports.sections.compare_runs import label_cell
from embgeo.reports.sections.retrieval import NAMES, estimates_table
from embgeo.results import NDCG, CompareResult
from embgeo.results.compare import ComparedRetrieval, ComparedStores, PairedTest, QueryPair

Paired = ComparedRetrieval | ComparedStores
NUMBERS = ("p", "p, Holm", "Won / tied / lost", "Queries")
COLUMNS = [
    Column("Pair"),
    Column("Difference", "number"),
    Column("95 % interval, not adjusted"),
    *(Column(name, "number") for name in NUMBERS),
]
IN_TERMINAL = ("ndcg@10", "recall@100")


@section("retrieval", "Retrieval", of=CompareResult, order=400)
def retrieval(shown: Shown[CompareResult]) -> Iterator[Block]:
    result = shown.result
    if result.retrieval and result.retrieval.runs:
        yield Paragraph("Exact search over each model's float32 vectors, with 95 % intervals over queries.", "note")
        yield _quality(result.retrieval, run_names(result))
    exact = _groups(result.retrieval, "Exact float32 search")
    specs = {store.label: store.spec for store in result.stores.stores} if result.stores else {}
    first = [*exact[:1], *_groups(result.stores, "Recommended stores", specs)]
    if first:
        yield Heading("Differences, paired by query")
        title = "Differences, paired by query"
        records = [*_records(result.retrieval, "exact search"), *_records(result.stores, "recommended store")]
        data = Data("differences", title, records)
        yield Table("differences", "Differences paired by query", COLUMNS, first, data=data)
    if exact[1:]:
        more = Table("differences", "Differences by other measures", COLUMNS, exact[1:])
        yield Fold("The same by recall, MAP and MRR", [more])


def _quality(stored: ComparedRetrieval, named: Mapping[str, str]) -> Table:
    found = dict.fromkeys(name for run in stored.runs for name in run.measures or {})
    order = [*(name for name in NAMES if name in found), *(name for name in found if name not in NAMES)]
    rows = []
    for run in stored.runs:
        cells: list[Any] = [label_cell(run.label), Foreign(named.get(run.label, ""), 60)]
        for name in order:
            held = (run.measures or {}).get(name)
            ends = interval(held.ci, 3) if held else ""
            cells.append(Cell(number(held.value if held else None, places=4), [ends] if ends else []))
        rows.append(TableRow(cells))
    measures = [Column(NAMES.get(name, visible(name, 24)), "number") for name in order]
    columns = [Column("Run"), Column("Model"), *measures]
    records = [
        {"run": run.label, "measure": name, **held.to_json()}
        for run in stored.runs
        for name, held in (run.measures or {}).items()
    ]
    return Table("retrieval", "Retrieval", columns, [RowGroup(rows)], data=Data("retrieval", "Retrieval", records))


def _groups(stored: Paired | None, title: str, specs: Mapping[str, str] | None = None) -> list[RowGroup]:
    """The tests by measure, and last the pairs that share no queries; with `specs` each side is a store."""
    pairs = stored.pairs if stored else []
    names = dict.fromkeys(name for pair in pairs for name in pair.measures or {})
    groups = [
        RowGroup(
            [_row(pair, test, specs or {}) for pair in pairs if (test := (pair.measures or {}).get(name)) is not None],
            visible(f"{title}, {NAMES.get(name, name)}", 80),
        )
        for name in names
    ]
    unpaired = [
        TableRow([_ends(pair), MISSING, visible(pair.reason or "", 80), *[MISSING] * 3, "0"])
        for pair in pairs
        if pair.status != "ok"
    ]
    return [*groups, *([RowGroup(unpaired, f"{title}: not paired")] if unpaired else [])]


def _ends(pair: QueryPair, specs: Mapping[str, str] | None = None) -> Cell:
    ends = (f"{end} ({specs.get(end)})" if specs else end for end in (pair.a, pair.b))
    return Cell(Foreign(" − ".join(ends), 100), head=True)


def _row(pair: QueryPair, test: PairedTest, specs: Mapping[str, str]) -> TableRow:
    bound = "" if test.changed_bound is None else f" (95 % bound: under {percent(test.changed_bound)})"
    few = few_differ(test) + bound
    change = number(test.difference, places=4, signed=True)
    spread = visible(interval(test.difference_ci, 4, signed=True) or few, 80)
    counts = " / ".join(count(queries) for queries in (test.wins, test.ties, test.losses))
    return TableRow([_ends(pair, specs), change, spread, p_text(test.p), p_text(test.p_holm), counts, count(pair.n)])


def _records(stored: Paired | None, of: str) -> list[dict[str, Any]]:
    return [
        {"of": of, "measure": name, "a": pair.a, "b": pair.b, "queries": pair.n, **test.to_json()}
        for pair in (stored.pairs if stored else [])
        for name, test in (pair.measures or {}).items()
    ]


def quality_table(result: CompareResult) -> Table | None:
    """For the terminal: exact search by the two usual measures; None without judged runs."""
    if result.retrieval is None:
        return None
    estimates = (
        ((run.label, name), held)
        for run in result.retrieval.runs
        for name, held in (run.measures or {}).items()
        if name in IN_TERMINAL
    )
    return estimates_table(estimates, "", "measure")


def pairs_table(title: str, stored: Paired | None) -> Table | None:
    """For the terminal: the differences in nDCG@10; None without a pair."""
    rows = []
    for pair in stored.pairs if stored else []:
        if (test := (pair.measures or {}).get(NDCG)) is not None:
            change = number(test.difference, places=4, signed=True)
            spread = dotted(test.difference_ci, 4, signed=True) or "too few differ"
            counts = f"{test.wins}/{test.ties}/{test.losses}"
            cells = [f"{pair.a} − {pair.b}", change, spread, p_text(test.p_holm), counts, number(pair.n)]
            rows.append(TableRow([*cells]))
    columns = [Column("", "word"), Column("change", "number"), Column("95 % interval", "word")]
    columns += [Column(name, "number") for name in ("p (Holm)", "won/tied/lost", "queries")]
    return Table("differences", title, columns, [RowGroup(rows)], title) if rows else None
