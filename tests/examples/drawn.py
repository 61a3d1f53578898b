"""Sections of a report as blocks, for tests of what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embgeo.reports.blocks import Bullets, Cell, Paragraph, Plot, Table, walk
from embgeo.reports.section import Part, parts_of
from embgeo.run import Run


def part(result: Mapping[str, Any], name: str) -> Part | None:
    """One section of a compress result; None where it has nothing to say."""
    parts = parts_of(Run(Path("x"), {"command": "compress", **result}))
    return next((found for found in parts if found.section.name == name), None)


def words(line: Any) -> str:
    """A line of a block as text."""
    pieces = line if isinstance(line, tuple) else (line,)
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


def sentences(found: Part) -> list[str]:
    """Its paragraphs and list entries."""
    said = [words(block.line) for block in walk(found.blocks, Paragraph)]
    return said + [words(item) for block in walk(found.blocks, Bullets) for item in block.items]


def cells(table: Table) -> Iterator[list[str]]:
    """The rows of a table as texts, each cell with its notes."""
    for row in table.rows:
        yield [
            " ".join(map(words, (cell.line, *cell.notes))) if isinstance(cell, Cell) else words(cell)
            for cell in row.cells
        ]


def table(found: Part) -> Table:
    return next(walk(found.blocks, Table))


def plot(found: Part) -> Plot:
    return next(walk(found.blocks, Plot))
