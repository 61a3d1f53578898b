"""Published numbers beside measured ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
def verdicts(shown: Shown[ReproduceResult]) -> Iterator[Block]:
    for each in shown.result.of(PASSED):
        if each.verdict:
            yield Paragraph((Code(each.name), ": ", Foreign(each.verdict, 600)))


@section("waiting", "Not run", of=ReproduceResult, order=300)
def waiting(shown: Shown[ReproduceResult]) -> Iterator[Block]:
    for each in shown.result.of(NOT_RUN):
        yield Fold((Code(each.name), f" {each.title}"), [Paragraph(Foreign(each.reason or "", 600))])


def numbers_table(found: ReproduceResult) -> Table:
    """Every number of every entry that ran, in groups by entry."""
    groups = [
        RowGroup([_row(each) for each in entry.numbers], f"{entry.name}: {entry.title}", _note(entry))
        for entry in found.reproductions
        if entry.numbers
    ]
    return Table("reproductions", "Published and measured", COLUMNS, groups, data=_data(found))


def outcome(entry: Reproduction) -> str:
    """One line: how many numbers agree and the first of them, or what is wrong."""
    if entry.status == NOT_RUN:
        return entry.reason or ""
    off = [each for each in entry.numbers if not each.passed]
    shown = off or entry.numbers[:1]
    said = "; ".join(_said(each) for each in shown[:3])
    kept = len(entry.numbers) - len(off)
    return f"{kept} of {counted(len(entry.numbers), 'number', 'numbers')} ({said}), {duration(entry.seconds)}"


def _said(each: Compared) -> str:
    relation = "" if each.relation == "=" else f"{each.relation} "
    return f"{each.name} {number(each.measured)}, published {relation}{number(each.published)}"


def _row(each: Compared) -> TableRow:
    relation = "" if each.relation == "=" else f"{each.relation} "
    return TableRow(
        [
            Cell(each.name, head=True),
            f"{relation}{number(each.published)}",
            number(each.measured),
            number(_deviation(each), signed=True),
            bare(each.tolerance),
            PASSED if each.passed else FAILED,
        ]
    )


def _note(entry: Reproduction) -> str:
    return f"{entry.source}; {duration(entry.seconds)}"


def _deviation(each: Compared) -> float | None:
    return None if each.measured is None or each.published is None else each.measured - each.published


def _data(found: ReproduceResult) -> Data:
    records: list[dict[str, Any]] = [
        {
            "entry": entry.name,
            "source": entry.source,
            "number": each.name,
            "relation": each.relation,
            "published": each.published,
            "measured": each.measured,
            "tolerance": each.tolerance,
            "passed": each.passed,
        }
        for entry in found.reproductions
        for each in entry.numbers
    ]
    return Data("reproductions", "Published and measured", records)
