"""Where each byte goes: codes, constants, index, ids, on disk and in memory."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Fold, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.facts import fact_tables
from embgeo.reports.numbers import byte_size
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult, Row

TITLE = "Where each byte goes"
SIZES = ("constant_bytes", "structure_bytes", "store_bytes", "id_bytes", "disk_bytes", "ram_bytes")
COLUMNS = {"bytes_per_vector": "Per vector"} | {key: Row.declared()[key].shown.title for key in SIZES}
PARTS = {
    "search_bytes_per_vector": "searched",
    "rescore_bytes_per_vector": "rescored",
    "code_bytes_per_vector": "codes",
    "structure_bytes_per_vector": "index",
}


@section("bytes", TITLE, of=CompressResult, order=400)
def byte_table(shown: Shown[CompressResult]) -> Iterator[Block]:
    """float32, the recommendation, the front and every row with an index; the index column only where one has it."""
    result = shown.result
    best = result.recommendation.spec
    named = {spec for spec in (result.baseline.spec, best) if spec}
    rows = [row for row in result.rows if row.spec in named or row.pareto or row.index]
    if not rows:
        return
    rows.sort(key=lambda row: row.bytes_per_vector or 0.0)
    indexed = any(row.structure_bytes for row in rows)
    keys = [key for key in COLUMNS if indexed or key != "structure_bytes"]
    if result.asked("targets"):
        yield Paragraph(
            "Bytes of the stores by their own account: per vector and RAM what a search reads or keeps in memory, disk "
            "and store all that is written. Constants are embgeo's: projections for the client, and ranges.",
            "note",
        )
    links = " An index adds links or lists; its centroids count as constants." if indexed else ""
    yield Paragraph(
        "Bytes per vector are stored for each document; constants (rotations, ranges, codebooks) are stored once."
        f"{links} The store is their sum; its file adds ids and a header; RAM is what a search keeps in memory.",
        "note",
    )
    columns = [Column("Codec"), *(Column(COLUMNS[key], "number") for key in keys)]
    drawn = [TableRow(_cells(row, keys), best=bool(best) and row.spec == best) for row in rows]
    held = ("spec", *keys, *PARTS)
    records = [{key: record[key] for key in held if key in record} for record in map(Row.to_json, rows)]
    yield Table("bytes", TITLE, columns, [RowGroup(drawn)], data=Data("bytes", TITLE, records))
    for table in fact_tables([("Constant bytes, array by array", result.recommendation.state)], "store"):
        yield Fold(table.caption, [table])


def _cells(row: Row, keys: list[str]) -> list[Cell]:
    """One cell per key; the first also lists the parts of the bytes per vector, if there are several."""
    parts = [f"{byte_size(row.at(key))} {word}" for key, word in PARTS.items() if row.at(key)]
    first, *rest = (byte_size(row.at(key)) for key in keys)
    notes = [" + ".join(parts)] if len(parts) > 1 else []
    return [Cell(Code(row.spec), head=True), Cell(first, notes), *map(Cell, rest)]
