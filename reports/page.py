"""One self-contained HTML file from stored runs: nothing is computed again, nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
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
from embgeo.reports.commands import compare_command
from embgeo.reports.csvtext import Table
from embgeo.reports.islands import content_security_policy, island, script_text
from embgeo.reports.plaintext import shown, visible
from embgeo.reports.sections import Section, section
from embgeo.reports.signature_table import side_by_side
from embgeo.reports.stored import entry
from embgeo.runs import Run

BESIDE = 4  # other runs in a signature table


def write_report(runs: Sequence[Run], path: Path) -> Path:
    """Draw `runs` into one HTML file at `path`, whole or not at all, and return the path.

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
    sections, together = contents(runs)
    scripts, policy = _scripts()
    first = sections[0]
    title = f"{first.model} on {first.dataset}" if len(sections) == 1 else f"{len(sections)} runs"
    page = (
        _templates()
        .get_template("page.html")
        .render(
            title=title,
            sections=sections,
            together=together,
            compared=[s for s in sections if s.command == "analyze"],
            pairing=compare_command([run for run in runs if run.command != "compare"]),
            policy=policy,
            style=_static("report.css"),
            scripts=scripts,
            version=__version__,
        )
    )
    # what is left of half surrogate pairs would not encode
    return page.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Together:
    """What a page shows of several analyze runs at once: (measure, one value a run), and the same as a table."""

    rows: list[tuple[str, list[str]]]
    tables: dict[str, Table]
    id: str = "together"
    file: str = "embgeo"


def contents(runs: Sequence[Run]) -> tuple[list[Section], Together]:
    """All that a page of `runs` shows."""
    analyzed = [run for run in runs if run.command == "analyze"]
    sections = [
        section(run, f"run-{number}", [other for other in analyzed if other is not run][:BESIDE])
        for number, run in enumerate(runs, 1)
    ]
    rows = side_by_side(analyzed) if len(analyzed) > 1 else []
    records = [
        {
            "measure": name,
            **{run.name: entry(entry(run.result.get("signature")).get(name)).get("value") for run in analyzed},
        }
        for name, _ in rows
    ]
    return sections, Together(rows, {"signatures": Table("Signatures side by side", records)})


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
    environment.filters["island"] = island
    environment.filters["short"] = _short
    return environment


@cache
def _scripts() -> tuple[list[Markup], str]:
    """The inline scripts and the policy that allows them alone; checking and hashing 1.2 MB is done once."""
    scripts = [
        script_text(_static("plotly-basic.min.js")),
        *(script_text(_static(name)) for name in ("map.js", "report.js")),
    ]
    return scripts, content_security_policy(scripts)


def _short(text: Any, longest: int = 80) -> str:
    return visible(str(text), longest)


def _static(name: str) -> str:
    return (files("embgeo.reports") / "static" / name).read_text(encoding="utf-8")
