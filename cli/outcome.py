"""What follows a finished run: the report, the JSON, the paths."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from embgeo.cli.words import path_text, plain
from embgeo.errors import StorageError

if TYPE_CHECKING:
    from embgeo.cli.options import Common
    from embgeo.cli.voice import Voice
    from embgeo.runs import Run


def write_html(runs: list[Run], path: Path) -> Path:
    """Draw the report of `runs` at `path`, making its folder."""
    from embgeo.reports import write_report

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(runs, path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"the report must be written to {path}; {error.strerror or error}") from error
    return path


def finish(run: Run, common: Common) -> None:
    """Report into the run folder, copy to --html, JSON to --json."""
    if not common.no_html:
        report = write_html([run], run.folder / "report.html")
        if common.html is not None:
            try:
                common.html.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(report, common.html)
            except OSError as error:
                raise StorageError(
                    f"--html must name a file that can be written; {common.html}: {error.strerror or error}"
                ) from error
    common.voice.json(run.result)


def say_paths(run: Run, common: Common, voice: Voice) -> None:
    """Where the run and its report lie."""
    voice.line(f"run     {plain(path_text(run.folder))}")
    if not common.no_html:
        voice.line(f"report  {plain(path_text(common.html or run.folder / 'report.html'))}")
