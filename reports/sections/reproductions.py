"""Published numbers beside measured ones."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Fold, Foreign, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import bare, counted, duration, number
from embgeo.reports.section import Shown, section
from embgeo.results.reproduce import FAILED, NOT_RUN, PASSED, Compared, ReproduceResult, Reproduction

COLUMNS = (
    Column("Number"),
    Column("Published", "number"),
    Column("Measured", "number"),
    Column("Deviation", "number", "Measured minus published"),
    Column("Tolerance", "number", "Largest deviation that passes; one-sided for a bound"),
    Column("Verdict", "word"),
)


@section("verdict", "Published and measured", of=ReproduceResult, order=0, style="lead")
def lead(shown: Shown[ReproduceResult]) -> Iterator[Block]:
    found = shown.result
    counts = [
        (found.of(status), word) for status, word in ((PASSED, "passed"), (FAILED, "failed"), (NOT_RUN, "not run"))
    ]
    said = ", ".join(f"{len(each)} {word}" for each, word in counts if each)
    yield Paragraph(f"{counted(len(found.reproductions), 'entry', 'entries')}: {said}.", "decision")
    for each in found.of(FAILED):
        yield Paragraph((Code(each.name), f" failed: {outcome(each)}"))


@section("numbers", "Numbers", of=ReproduceResult, order=100, style="wide")
def numbers(shown: Shown[ReproduceResult]) -> Iterator[Block]:
    if any(each.numbers for each in shown.result.reproductions):
        yield numbers_table(shown.result)


@section("verdicts", "What follows", of=ReproduceResult, order=200)
def verdicts(shown: Shown[ReproduceResult]) -> list[Block]:
    said = [each for each in shown.result.of(PASSED) if each.verdict]
    return [Paragraph((Code(each.name), ": ", Foreign(each.verdict, 600))) for each in said]


@section("waiting", "Not run", of=ReproduceResult, order=300)
def waiting(shown: Shown[ReproduceResult]) -> list[Block]:
    left = shown.result.of(NOT_RUN)
    return [Fold((Code(e.name), f" {e.title}"), [Paragraph(Foreign(e.reason or "", 600))]) for e in left]


def numbers_table(found: ReproduceResult) -> Table:
    """Every number of every entry that ran, in groups by entry."""
    groups = [
        RowGroup([*map(_row, e.numbers)], f"{e.name}: {e.title}", f"{e.source}; {duration(e.seconds)}")
        for e in found.reproductions
        if e.numbers
    ]
    return Table("reproductions", "Published and measured", COLUMNS, groups, data=_data(found), style="as-written")


def outcome(entry: Reproduction) -> str:
    """One line: how many numbers agree and the first of them, or what is wrong."""
    if entry.status == NOT_RUN:
        return entry.reason or ""
    off = [each for each in entry.numbers if not each.passed]
    said = "; ".join(_said(each) for each in (off or entry.numbers[:1])[:3])
    counts = f"{len(entry.numbers) - len(off)} of {counted(len(entry.numbers), 'number', 'numbers')}"
    return f"{counts} ({said}), {duration(entry.seconds)}"


def _said(each: Compared) -> str:
    return f"{each.name} {number(each.measured)}, published {_relation(each)}{number(each.published)}"


def _row(each: Compared) -> TableRow:
    gap = None if each.measured is None or each.published is None else each.measured - each.published
    shown = f"{_relation(each)}{number(each.published)}", number(each.measured), number(gap, signed=True)
    return TableRow([Cell(each.name, head=True), *shown, bare(each.tolerance), PASSED if each.passed else FAILED])


def _relation(each: Compared) -> str:
    return "" if each.relation == "=" else f"{each.relation} "


def _data(found: ReproduceResult) -> Data:
    records = [{"entry": e.name, "source": e.source, **n.to_json()} for e in found.reproductions for n in e.numbers]
    return Data("reproductions", "Published and measured", records)
