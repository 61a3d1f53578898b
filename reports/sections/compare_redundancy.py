"""Which measures of the signatures say the same about the compared runs."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Code, Column, Data, Paragraph, Piece, RowGroup, Table, TableRow
from embgeo.reports.numbers import count, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import CompareResult
from embgeo.results.compare import RedundantMeasures


@section("redundancy", "Measures that say the same", of=CompareResult, order=620, label="Redundancy")
def redundancy(shown: Shown[CompareResult]) -> Iterator[Block]:
    """The groups, the largest first; a measure that is in none says something of its own."""
    found = shown.result.redundancy
    if found is None:
        return
    yield Paragraph(sentence(found))
    if not found.groups:
        return
    yield Paragraph(
        f"Each pair within a group orders the {count(found.runs)} runs alike or in reverse, |ρ| ≥ "
        f"{number(found.limit, places=1)} (Spearman); {percent(found.chance)} of unrelated pairs would by chance. Runs "
        "of one model or one corpus make measures look more alike than they are.",
        "note",
    )
    rows = [TableRow([_names(each.measures), number(each.least_correlation, places=2)]) for each in found.groups]
    columns = [Column("Group"), Column("Least |ρ|", "number")]
    records = [
        {"group": place, "measure": name, "least_correlation": each.least_correlation}
        for place, each in enumerate(found.groups, start=1)
        for name in each.measures
    ]
    data = Data("redundancy", "Measures that say the same", records)
    yield Table("redundancy", "Measures that say the same", columns, [RowGroup(rows)], data=data)


def sentence(found: RedundantMeasures) -> str:
    """How many measures say something of their own, and how to read the others."""
    return (
        f"{count(found.distinct)} of the {count(found.measures)} measures tell these runs apart, the others repeat one "
        "of them: read one of each group, and count a difference that all of a group show once."
    )


def _names(measures: list[str]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for name in measures:
        pieces += [", ", Code(name)] if pieces else [Code(name)]
    return tuple(pieces)
