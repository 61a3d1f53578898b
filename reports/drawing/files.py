"""The tables and figures of a page as files, without a browser: CSV and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embgeo.files.atomic import storage_errors, write_text
from embgeo.reports.drawing.csv import csv_text, file_names
from embgeo.reports.drawing.page import contents
from embgeo.run import Run


def write_tables(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every table of the page of `runs` that has rows as `folder`/RUN-TABLE.csv, the names of the page's buttons.

    Raises
    ------
    StorageError
        A file cannot be written.
    """
    views, together = contents(runs)
    tables = [(view.file, data) for view in views for data in view.tables.values()]
    if together.table and together.table.data:
        tables.append((together.file, together.table.data))
    texts = {f"{file}-{data.name}.csv": csv_text(data.records) for file, data in tables if data.records}
    return _write(texts, folder)


def write_figures(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every figure of the page of `runs` as `folder`/RUN-FIGURE.svg, one for each choice where it has a switch.

    Raises
    ------
    MissingExtraError
        Matplotlib is not installed.
    StorageError
        A file cannot be written.
    """
    from embgeo.reports.drawing.svg import figure_svg

    views, _ = contents(runs)
    texts = {}
    for view in views:
        for name, plot in view.plots.items():
            for key, figure in plot.figures.items():
                chosen = f"-{file_names([key])[0]}" if len(plot.figures) > 1 else ""
                texts[f"{view.file}-{name}{chosen}.svg"] = figure_svg(figure, plot.title)
    return _write(texts, folder)


def _write(texts: dict[str, str], folder: Path) -> list[Path]:
    with storage_errors("tables and figures", folder, "Free some space or name another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
    return [folder / name for name in texts]
