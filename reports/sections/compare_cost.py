"""What the vectors of each run cost at the planned number of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import Block, Code, Column, Data, Foreign, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import byte_size, duration, number
from embgeo.reports.price import amount
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.compare_runs import label_cell
from embgeo.results import CompareResult
from embgeo.results.compare import StoreCost


def title(result: CompareResult) -> str:
    return f"Cost of {amount(result.cost[0].vectors) if result.cost else ''} vectors"


@section("cost", title, of=CompareResult, order=700)
def cost(shown: Shown[CompareResult]) -> Iterator[Block]:
    listed = shown.result.cost
    if not listed:
        return
    yield Paragraph(
        "Codes and constants, without ids and index structure: for float32 and, if a run has one, the recommended "
        "store. Codec time is for the measured corpus; the time to embed the texts is not stored.",
        "note",
    )
    names = ("Per vector", "Constants", "Total", "Codec time", *(["Price"] if _priced(listed) else []))
    rows = []
    for row in listed:
        sizes = [byte_size(size) for size in (row.bytes_per_vector, row.constant_bytes, row.total_bytes)]
        cells = [*sizes, duration(row.codec_encode_seconds), *_price(row, listed)]
        rows.append(TableRow([label_cell(row.label), Code(row.spec), *cells]))
    columns = [Column("Run"), Column("Store"), *(Column(name, "number") for name in names)]
    data = Data("cost", "Cost", [row.to_json() for row in listed])
    yield Table("cost", "Cost", columns, [RowGroup(rows)], data=data)


def cost_table(result: CompareResult) -> Table | None:
    """The same for the terminal; None where nothing has a size."""
    listed = result.cost
    if not listed:
        return None
    rows = []
    for row in listed:
        sizes = [number(row.bytes_per_vector), byte_size(row.total_bytes)]
        rows.append(TableRow([row.label, Foreign(row.spec), *sizes, *_price(row, listed)]))
    names = ("B/vec", f"{amount(listed[0].vectors)} vectors", *(["price"] if _priced(listed) else []))
    columns = [Column("", "word"), Column("spec"), *(Column(name, "number") for name in names)]
    return Table("cost", "Cost", columns, [RowGroup(rows)], "Cost")


def _priced(listed: Sequence[StoreCost]) -> bool:
    return any(row.price is not None for row in listed)


def _price(row: StoreCost, listed: Sequence[StoreCost]) -> list[str]:
    return [number(row.price, places=2)] if _priced(listed) else []
