"""One self-contained HTML file from stored runs: nothing is computed again, nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from embgeo import __version__
from embgeo.errors import InputError
from embgeo.files.atomic import storage_errors, write_text
from embgeo.reports.blocks import Cell, Code, Column, Data, Plot, RowGroup, Table, TableRow
from embgeo.reports.commands import compare_command
from embgeo.reports.drawing.csv import csv_text
from embgeo.reports.drawing.inline_data import content_security_policy, inline_json, script_text
from embgeo.reports.heading import heading
from embgeo.reports.plaintext import shown, visible
from embgeo.reports.section import Part, parts_of
from embgeo.reports.sections.signature import side_by_side, signature_of
from embgeo.run import Run

MAX_BESIDE = 4  # other runs in a signature table
KICKERS = {"compress": "Compression", "compare": "Comparison", "limits": "Limits", "reproduce": "Reproductions"}


@dataclass(frozen=True)
class RunView:
    """What the page shows of one run. `id` is unique on the page, `file` begins the names of its files."""

    id: str
    command: str
    model: str
    dataset: str
    corpus: str
    file: str
    warnings: list[str]
    parts: list[Part]
    plots: Mapping[str, Plot]
    tables: Mapping[str, Data]

    @property
    def kicker(self) -> str:
        return KICKERS.get(self.command, "Shape of the space")

    @property
    def lead(self) -> list[Part]:
        """The sections above the table of contents and the warnings."""
        return [part for part in self.parts if part.section.style == "lead"]

    @property
    def body(self) -> list[Part]:
        return [part for part in self.parts if part.section.style != "lead"]


@dataclass(frozen=True)
class Together:
    """What a page shows of several analyze runs at once."""

    table: Table | None
    id: str = "together"
    file: str = "embgeo"


def write_report(runs: Sequence[Run], path: Path) -> Path:
    """Write the report of `runs` as one HTML file at `path`, atomically, and return the path.

    The file opens from disk without a network, in light, dark and print.

    Raises
    ------
    InputError
        `runs` is empty.
    StorageError
        The file cannot be written.
    """
    text = report_html(runs)
    path = Path(path)
    with storage_errors("the report", path, "Free some space, or choose a writable file with --html"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return path


def report_html(runs: Sequence[Run]) -> str:
    """The page of `write_report` as text."""
    if not runs:
        raise InputError("a report needs at least one run; got none")
    views, together = contents(runs)
    scripts, policy = _scripts()
    first = views[0]
    template = _templates().get_template("page.html")
    page = template.render(
        title=" on ".join(filter(None, (first.model, first.dataset))) if len(views) == 1 else f"{len(views)} runs",
        views=views,
        together=together,
        pairing=compare_command([run for run in runs if run.command != "compare"]),
        policy=policy,
        style=_static("report.css"),
        scripts=scripts,
        version=__version__,
    )
    # unpaired surrogates cannot be encoded
    return page.encode("utf-8", "replace").decode()


def contents(runs: Sequence[Run]) -> tuple[list[RunView], Together]:
    """Everything that a page of `runs` shows; missing or damaged parts of a result are left out, never an error."""
    analyzed = [run for run in runs if run.command == "analyze"]
    views = [
        view(run, f"run-{number}", [other for other in analyzed if other is not run][:MAX_BESIDE])
        for number, run in enumerate(runs, 1)
    ]
    return views, Together(_signatures(analyzed, views) if len(analyzed) > 1 else None)


def view(run: Run, id: str, beside: Sequence[Run] = ()) -> RunView:
    """One run of the page; its signature has the values of the analyze runs `beside` it."""
    found, parts = run.findings, parts_of(run, beside)
    return RunView(
        id,
        run.command,
        *heading(found),
        run.name,
        found.warnings,
        parts,
        {plot.name: plot for part in parts for plot in part.plots},
        {data.name: data for part in parts for data in part.tables},
    )


def _signatures(runs: Sequence[Run], views: Sequence[RunView]) -> Table | None:
    rows = side_by_side(runs)
    if not rows:
        return None
    shown = [view for view in views if view.command == "analyze"]
    columns = [Column("Measure"), *(Column(v.model, "number", note=v.dataset, anchor=v.id) for v in shown)]
    records = [
        {"measure": name, **{run.name: value.value if (value := signature_of(run).get(name)) else None for run in runs}}
        for name, _ in rows
    ]
    drawn = [TableRow([Cell(Code(name, 2000), head=True), *values]) for name, values in rows]
    title = "Signatures side by side"
    return Table("signatures", title, columns, [RowGroup(drawn)], data=Data("signatures", title, records))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("embgeo.reports"),
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csv"] = csv_text
    environment.filters["inline_json"] = inline_json
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["pieces"] = lambda line: line if isinstance(line, tuple) else (line,)
    environment.filters["short"] = _short
    environment.filters["as_cell"] = lambda cell: cell if isinstance(cell, Cell) else Cell(cell)
    return environment


@cache
def _scripts() -> tuple[list[Markup], str]:
    """The inline scripts and the policy that allows only them; checking and hashing 1.2 MB is done once."""
    scripts = [
        script_text(_static("plotly-basic.min.js")),
        *(script_text(_static(name)) for name in ("map.js", "report.js")),
    ]
    return scripts, content_security_policy(scripts)


def _short(text: Any, longest: int = 80) -> str:
    return visible(str(text), longest)


def _static(name: str) -> str:
    return (files("embgeo.reports") / "static" / name).read_text(encoding="utf-8")
