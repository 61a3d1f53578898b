"""The cells of a grid for the terminal: what was asked of each, what its run found, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from embgeo.reports.blocks import Column, Foreign, Line, RowGroup, Table, TableRow
from embgeo.reports.heading import title_of
from embgeo.reports.numbers import MISSING, number
from embgeo.results import NDCG, RECALL
from embgeo.results.grid import GridCell

# what a reader of a study looks for first; if others were measured, the first of those
HEADLINES = ("twonn_dim", "participation_ratio", "isoscore_star", "hubness")
QUALITIES = {NDCG: "nDCG@10", RECALL: "recall@10"}
SUBJECT = (Column("model"), Column("dataset"), Column("seed", "number"))


def cells_table(cells: Sequence[GridCell]) -> Table:
    """Every cell and its state."""
    columns = [Column("state", "word"), Column("command", "word"), *SUBJECT, Column("run", "word")]
    rows = [[cell.state, cell.command, *_subject(cell), _id(cell)] for cell in cells]
    return _table("cells", "", columns, rows)


def grid_tables(cells: Sequence[GridCell]) -> Iterator[Table]:
    """A table for each command: quality of exact search, then the recommended store, or a few measures."""
    made = sorted((cell for cell in cells if cell.run), key=_order(cells))
    for command, table in (("compress", _stores), ("analyze", _spaces)):
        if of_command := [cell for cell in made if cell.command == command]:
            yield table(of_command)


def _stores(cells: Sequence[GridCell]) -> Table:
    named = {QUALITIES.get(cell.quality or "", "quality") for cell in cells}
    columns = [*SUBJECT, Column("float32", "number"), Column("spec"), Column("B/vec", "number")]
    quality = named.pop() if len(named) == 1 else "quality"
    columns += [Column(quality, "number"), Column("kept %", "number"), Column("run", "word")]
    rows = []
    for cell in cells:
        kept = number(None if cell.retained is None else 100 * cell.retained, places=1)
        first, second = (number(value, places=4) for value in (cell.float32, cell.value))
        rows.append([*_subject(cell), first, cell.spec or "", number(cell.bytes_per_vector), second, kept, _id(cell)])
    return _table("stores", "Recommended stores", columns, rows)


def _spaces(cells: Sequence[GridCell]) -> Table:
    measured = list(dict.fromkeys(name for cell in cells for name in cell.measures or {}))
    shown = [name for name in HEADLINES if name in measured] or measured[: len(HEADLINES)]
    columns = [*SUBJECT, Column("nDCG@10", "number"), *(Column(name, "number") for name in shown)]
    columns.append(Column("run", "word"))
    rows = []
    for cell in cells:
        values = (number((cell.measures or {}).get(name)) for name in shown)
        rows.append([*_subject(cell), number(cell.float32, places=4), *values, _id(cell)])
    return _table("spaces", "Spaces", columns, rows)


def _table(name: str, title: str, columns: Sequence[Column], rows: Sequence[Sequence[Line]]) -> Table:
    """The table without the columns that are empty in every row."""
    kept = [place for place in range(len(columns)) if any(row[place] not in ("", MISSING) for row in rows)]
    drawn = [TableRow([row[place] for place in kept]) for row in rows]
    return Table(name, title, [columns[place] for place in kept], [RowGroup(drawn)], title)


def _order(cells: Sequence[GridCell]) -> Callable[[GridCell], tuple[int, int]]:
    """By dataset, then by model, both in the order of the file; seeds are in theirs."""
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    models = list(dict.fromkeys(cell.model for cell in cells))
    return lambda cell: (datasets.index(cell.dataset), models.index(cell.model))


def _subject(cell: GridCell) -> tuple[Line, Line, str]:
    model, dataset = (title_of(name).removeprefix("vectors:") for name in (cell.model, cell.dataset))
    return Foreign(model), Foreign(dataset) if dataset else "", str(cell.seed)


def _id(cell: GridCell) -> str:
    """The id by which commands find the run."""
    return (cell.identity or "")[:8]
