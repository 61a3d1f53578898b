"""What a comparison compares: its runs with their labels, models and datasets."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Column, Data, Foreign, RowGroup, Strong, Table, TableRow
from embgeo.reports.heading import model_of, title_of
from embgeo.reports.numbers import MISSING, count
from embgeo.reports.plaintext import plain, visible
from embgeo.reports.section import Shown, section
from embgeo.results import CompareResult

TITLES = ("Run", "Model", "Dataset", "Run of", "Documents", "Dimension", "Similarity", "Folder")
COLUMNS = [Column(title, "number" if title in ("Documents", "Dimension") else "text") for title in TITLES]


@section("runs", "What is compared", of=CompareResult, order=100)
def runs(shown: Shown[CompareResult]) -> Iterator[Block]:
    listed = shown.result.runs
    rows = []
    for run in listed:
        about = [Foreign(name, 60) for name in (model_of(run), title_of(run.dataset) or MISSING)]
        sizes = [count(run.documents), count(run.dimension)]
        similarity, folder = visible(run.similarity or MISSING, 20), Cell(Foreign(run.folder, 80), style="note")
        rows.append(TableRow([label_cell(run.label), *about, visible(run.command, 20), *sizes, similarity, folder]))
    data = Data("runs", "What is compared", [run.to_json() for run in listed])
    yield Table("runs", "Runs compared", COLUMNS, [RowGroup(rows)], data=data, style="runs")


def label_cell(*labels: str) -> Cell:
    """The head of a row about one run, or a pair of them."""
    return Cell(Strong(", ".join(visible(label, 8) for label in labels)), head=True)


def legend(result: CompareResult) -> list[str]:
    """For the terminal one line a run: its letter, what it is about, how it was made."""
    lines = []
    for run in result.runs:
        what = " × ".join(plain(name) for name in (run.model, run.dataset) if name)
        what += f" ({plain(run.variant)})" if run.variant else ""
        documents = "" if run.documents is None else f", {run.documents:,} documents"
        lines.append(f"{run.label:<3} {run.command:<8}  {what}{documents}")
    return lines
