"""Where each byte goes: codes, constants, index, ids, on disk and in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from embgeo.reports.numbers import byte_size, finite
from embgeo.reports.stored import Entry

COLUMNS = {
    "bytes_per_vector": "Per vector",
    "constant_bytes": "Constants",
    "structure_bytes": "Index",
    "store_bytes": "Store",
    "id_bytes": "Ids, header",
    "disk_bytes": "Disk",
    "ram_bytes": "RAM",
}
PARTS = (
    ("search_bytes_per_vector", "searched"),
    ("rescore_bytes_per_vector", "rescored"),
    ("code_bytes_per_vector", "codes"),
    ("structure_bytes_per_vector", "index"),
)


@dataclass(frozen=True)
class ByteRow:
    """`parts` says what the bytes per vector are made of, where it is more than one thing."""

    spec: str
    parts: str
    cells: list[str]


@dataclass(frozen=True)
class ByteTable:
    """Empty `rows` where no row is worth showing; `indexed` tells whether there is a column for the index."""

    header: list[str]
    rows: list[ByteRow]
    indexed: bool
    records: list[Entry]


def byte_table(rows: Sequence[Entry], baseline: Entry, spec: str | None) -> ByteTable:
    """float32, the recommendation, the front and every row with an index; the index column only where one has it."""
    named = (baseline.get("spec"), spec)
    shown = [row for row in rows if row.get("spec") in named or row.get("pareto") is True or row.get("index")]
    shown.sort(key=lambda row: finite(row.get("bytes_per_vector")) or 0.0)
    indexed = any(finite(row.get("structure_bytes")) for row in shown)
    keys = [key for key in COLUMNS if indexed or key != "structure_bytes"]
    return ByteTable(
        [COLUMNS[key] for key in keys],
        [ByteRow(str(row.get("spec", "")), _parts(row), [byte_size(row.get(key)) for key in keys]) for row in shown],
        indexed,
        [{key: row.get(key) for key in ("spec", *keys, *(part for part, _ in PARTS)) if key in row} for row in shown],
    )


def _parts(row: Entry) -> str:
    """`48 B searched + 384 B rescored`; "" where there is one kind of bytes only."""
    found = [f"{byte_size(row.get(key))} {word}" for key, word in PARTS if finite(row.get(key))]
    return " + ".join(found) if len(found) > 1 else ""
