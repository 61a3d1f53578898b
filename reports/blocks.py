"""What a section of a report is made of. A section returns blocks; HTML, terminal and CSV each draw every kind once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from embgeo.reports.figures import Figure

Kind = Literal["text", "number", "word"]
ShownAs = TypeVar("ShownAs")


@dataclass(frozen=True)
class Code:
    """A spec or a command within a line, cut at `longest` characters."""

    text: str
    longest: int = 60


@dataclass(frozen=True)
class Strong:
    text: str


@dataclass(frozen=True)
class Swatch:
    """A word on a background of the colour that it explains."""

    text: str
    style: str


@dataclass(frozen=True)
class Foreign:
    """Untrusted text (a stored sentence, a name, a document), cut at `longest` characters."""

    text: str
    longest: int = 400


Piece = str | Code | Strong | Swatch | Foreign
Line = Piece | tuple[Piece, ...]


@dataclass(frozen=True)
class Paragraph:
    """`style` is "note" (small), "decision" (large) or ""."""

    line: Line
    style: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list; with `label` a dense one in columns, in a box of that name."""

    items: Sequence[Line]
    label: str = ""


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Fact:
    label: str
    text: str


@dataclass(frozen=True)
class Facts:
    """Label–text pairs."""

    facts: Sequence[Fact]


@dataclass(frozen=True)
class Tiles:
    """A few large numbers: (name, value, interval)."""

    tiles: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class SpaceMap:
    """The map of the space: `layouts` and `colours` to choose from, by key and label; `notes` describes each layout;
    `data` is what the page's script draws, `plot` the same for a file."""

    plot: Plot
    layouts: Mapping[str, str]
    colours: Mapping[str, str]
    notes: Mapping[str, str]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Glossary:
    """Terms and what they mean, folded and not printed."""

    title: str
    terms: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Data:
    """Raw values behind a table, offered as CSV: `records` in the order of the page; `name` ends the file's name."""

    name: str
    title: str
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Column:
    """A column of "text" (may break), of a "word" (may not) or of a "number".

    `explain` is shown on hover; `extra` columns are hidden until all are requested. A `note` is shown under the title,
    which links to `anchor` on the page.
    """

    title: str
    kind: Kind = "text"
    explain: str = ""
    extra: bool = False
    style: str = ""
    note: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class Cell:
    """`notes` are small text below; `hover` explains the cell; `sort` is the raw value, "" for a missing one.

    `folded` notes are hidden until all columns are requested; a `head` cell names the row, `marks` are its labels;
    the cell takes `span` columns.
    """

    line: Line
    notes: Sequence[Line] = ()
    hover: str = ""
    sort: str | None = None
    folded: bool = False
    head: bool = False
    style: str = ""
    marks: Sequence[str] = ()
    span: int = 1


@dataclass(frozen=True)
class TableRow:
    cells: Sequence[Cell | Line]
    best: bool = False


@dataclass(frozen=True)
class RowGroup:
    """Rows under their own heading; without `title` just rows."""

    rows: Sequence[TableRow]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class RowFilter:
    """Controls that filter the sortable table: a search field, and checkboxes of (mark, label) that show `only` rows
    with the mark, or rows `without` it."""

    only: Sequence[tuple[str, str]] = ()
    without: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Table:
    """Rows in groups. `name` identifies the table, `label` is for screen readers, `caption` is shown above.

    A `sortable` table can be sorted by column and filtered by a `RowFilter`; `more` rows are only in the CSV.
    """

    name: str
    label: str
    columns: Sequence[Column]
    groups: Sequence[RowGroup]
    caption: str = ""
    data: Data | None = None
    more: int = 0
    sortable: bool = False
    style: str = ""

    @property
    def rows(self) -> list[TableRow]:
        return [row for group in self.groups for row in group.rows]


@dataclass(frozen=True)
class Plot:
    """A plot: `description` is its text alternative, `switch` the label of the menu that chooses among its `figures`.

    `choices` are the words for the figures' keys, `hint` is shown beside the menu, `caption` under the plot.
    """

    name: str
    title: str
    description: str
    figures: Mapping[str, Figure]
    caption: str = ""
    switch: str = ""
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    data: Data | None = None

    @property
    def height(self) -> int:
        """Of the highest figure, in pixels."""
        return max(int(each["layout"]["height"]) for each in self.figures.values())


@dataclass(frozen=True)
class Gallery:
    """Small plots side by side."""

    plots: Sequence[Plot]


@dataclass(frozen=True)
class Fold:
    """Blocks that unfold under a summary, all open in print; `figure` is a number before it, `style` "note", "query" or
    ""."""

    summary: Line
    blocks: Sequence[Block]
    style: str = "note"
    figure: str = ""
    open: bool = False


@dataclass(frozen=True)
class Commands:
    """(what it does, command line) pairs."""

    commands: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Download:
    """The whole result, as a file of this name."""

    file: str
    result: Mapping[str, Any]


Block = (
    Paragraph
    | Bullets
    | Heading
    | Facts
    | Tiles
    | SpaceMap
    | Glossary
    | Data
    | RowFilter
    | Table
    | Plot
    | Gallery
    | Fold
    | Commands
    | Download
)


def walk(blocks: Iterable[Block], kind: type[ShownAs]) -> Iterator[ShownAs]:
    """Every block of one kind, also those within others and the data of tables."""
    for block in blocks:
        if isinstance(block, kind):
            yield block
        inside: Sequence[Any] = ()
        if isinstance(block, Fold):
            inside = block.blocks
        elif isinstance(block, Gallery):
            inside = block.plots
        elif isinstance(block, SpaceMap):
            inside = [block.plot]
        elif isinstance(block, Table | Plot) and block.data is not None:
            inside = [block.data]
        yield from walk(inside, kind)
