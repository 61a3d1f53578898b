"""A third-party section: one file that embgeo does not know."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Column, Data, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult


@section("planted", "Planted section", of=CompressResult, order=50)
def planted(shown: Shown[CompressResult]) -> Iterator[Block]:
    specs = [row.spec for row in shown.result.rows]
    yield Paragraph(f"A test planted this above {len(specs)} specs.")
    data = Data("planted", "Planted", [{"spec": spec} for spec in specs])
    rows = RowGroup([TableRow([spec]) for spec in specs])
    yield Table("planted", "Planted", [Column("Planted spec")], [rows], data=data)
