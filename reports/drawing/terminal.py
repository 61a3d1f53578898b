"""Tables in the terminal, of at most 80 columns: how blocks are drawn there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from embgeo.reports import blocks
from embgeo.reports.numbers import PLAIN, figure
from embgeo.reports.plaintext import plain

KINDS = {"text": "text", "word": "left", "number": "right"}
_UNBOUNDED = Console(width=1000)
# a spec may break after commas, never inside a number (1,234)
_PIECE = re.compile(r"[^\s,+]*(?:(?<=\d),(?=\d)[^\s,+]*)*[\s,+]*")
_LONGEST_PIECE = 24  # cells; longer words (ids, paths) are folded anywhere


class Foldable:
    """A cell of several lines where its column is narrow: broken after spaces, commas and plus signs."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_widest_piece([self._text]), max(map(cell_len, self._text.plain.split("\n"))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._text.split("\n", allow_blank=True):
            for part in line.divide(_breaks(line.plain, options.max_width)):
                part.rstrip()
                yield part


def _widest_piece(cells: Iterable[Text]) -> int:
    pieces = (cell_len(piece.rstrip()) for cell in cells for piece in _PIECE.findall(cell.plain))
    return min(max(pieces, default=0), _LONGEST_PIECE)


def _breaks(line: str, width: int) -> list[int]:
    """Where `line` is broken so that no part is wider than `width` cells."""
    breaks, start, used = [], 0, 0
    for piece in _PIECE.findall(line):
        wide = cell_len(piece.rstrip())
        if used and used + wide > width:
            breaks.append(start)
            used = 0
        for place, character in enumerate(piece if wide > width else ""):
            if used + cell_len(character) > width:
                breaks.append(start + place)
                used = 0
            used += cell_len(character)
        used += cell_len(piece) if wide <= width else 0
        start += len(piece)
    return breaks


def draw(block: blocks.Table, width: int = 80, gap: int = 1) -> Table:
    """A table of a section, without its `extra` columns if `width` has no room for them."""
    full = _drawn(block, range(len(block.columns)), gap)
    if full.__rich_measure__(_UNBOUNDED, _UNBOUNDED.options).maximum <= width:
        return full
    return _drawn(block, [place for place, column in enumerate(block.columns) if not column.extra], gap)


def _drawn(block: blocks.Table, places: Sequence[int], gap: int) -> Table:
    columns = [(block.columns[place].title, KINDS[block.columns[place].kind]) for place in places]
    return table(block.caption, columns, [[_text(row.cells[place]) for place in places] for row in block.rows], gap)


def _text(cell: blocks.Cell | blocks.Line) -> str:
    line = cell.line if isinstance(cell, blocks.Cell) else cell
    pieces = line if isinstance(line, tuple) else (line,)
    return "".join(_piece(piece) for piece in pieces).translate(PLAIN)


def _piece(piece: blocks.Piece) -> str:
    """A piece of a line; untrusted text cannot control the terminal."""
    return plain(piece.text) if isinstance(piece, blocks.Foreign) else piece if isinstance(piece, str) else piece.text


def table(title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | Text]], gap: int = 2) -> Table:
    """A table without rules, `gap` spaces between columns; a column is (heading, "left" | "right" | "text").

    "text" columns fold; the others never break, and a table that is wider than the terminal stays whole.
    """
    drawn = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    # cells are plain text: names and documents may hold what looks like markup
    lines = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    folded = [kind == "text" for _, kind in columns]
    for number, (heading, kind) in enumerate(columns):
        cells = [Text(heading), *(line[number] for line in lines)]
        least = _widest_piece(cells) if folded[number] else max(cell.cell_len for cell in cells)
        drawn.add_column(
            heading, justify="right" if kind == "right" else "left", no_wrap=kind != "text", min_width=least
        )
    for line in lines:
        drawn.add_row(*(Foldable(cell) if folds else cell for cell, folds in zip(line, folded, strict=True)))
    return drawn


def hits_table(hits: Iterable[Any]) -> Table:
    """Search results: the id, and under it the beginning of the text."""
    rows: list[list[str | Text]] = []
    for hit in hits:
        document = Text(plain(str(hit.id), 64), style="bold")
        text = plain(str(hit.text or ""), 125)
        if text:
            document.append("\n" + text, style="not bold")
        rows.append([str(hit.rank), figure(hit.score, places=4), document])
    return table("", [("rank", "right"), ("score", "right"), ("document", "text")], rows)
