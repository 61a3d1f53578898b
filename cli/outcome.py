"""What follows a finished run: the report, the JSON, the paths."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from embgeo.cli.words import plain
from embgeo.errors import StorageError
from embgeo.runs import path_text

if TYPE_CHECKING:
    from embgeo.cli.options import Common
    from embgeo.runs import Run


def finish(run: Run, common: Common) -> None:
    """Draw the report into the run folder, copy it to --html, write the JSON to --json, and say where the run lies."""
    if not common.no_html:
        from embgeo.reports import write_report

        report = write_report([run], run.folder / "report.html")
        if common.html is not None:
            try:
                common.html.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(report, common.html)
            except OSError as error:
                raise StorageError(
                    f"--html must name a file that can be written; {common.html}: {error.strerror or error}"
                ) from error
    common.voice.json(run.result)
    common.voice.line(f"run     {plain(path_text(run.folder))}")
    if not common.no_html:
        common.voice.line(f"report  {plain(path_text(common.html or run.folder / 'report.html'))}")
