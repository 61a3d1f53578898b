"""Running the work of a command, then writing the report and the JSON and printing the paths."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from embgeo.cli.progress_lines import ProgressLog
from embgeo.errors import StorageError
from embgeo.progress import Progress
from embgeo.reports.plaintext import plain
from embgeo.run import Run, folder_name, path_text

if TYPE_CHECKING:
    from embgeo.cli.options import Common
    from embgeo.cli.output import Output

Done = TypeVar("Done")


def follow(
    output: Output, out: Path, command: str, model: str, dataset: str | None, work: Callable[[Progress], Run]
) -> Run:
    """Do `work`, showing and logging its progress; the log is in `out` during the work and in the run folder after it.

    The log is `COMMAND-MODEL-DATASET-PID.log`; it is removed if the work fails and stays if the process is killed.
    """
    named = {"command": command, "model": model, "dataset": dataset, "identity": os.getpid()}
    return logged(output, out / f"{folder_name(named)}.log", work, lambda run: run.folder)


def logged(output: Output, path: Path, work: Callable[[Progress], Done], home: Callable[[Done], Path | None]) -> Done:
    """Do `work`, showing its progress and logging it to `path`; afterwards the log is in the folder `home(done)`.

    It is removed if that is None.
    """
    log = ProgressLog(path)
    try:
        with output.progress(log) as progress:
            done = work(progress)
    except BaseException:
        log.discard()
        raise
    if (folder := home(done)) is None:
        log.discard()
    else:
        log.keep(folder)
    return done


def finish(run: Run, common: Common) -> None:
    """Write the report into the run folder, copy it to --html, write the JSON to --json, and print the paths."""
    write_html(run, common)
    common.output.json(run.result)
    common.output.line(f"run     {plain(path_text(run.folder))}")
    if not common.no_html:
        common.output.line(f"report  {plain(path_text(common.html or run.folder / 'report.html'))}")


def write_html(run: Run, common: Common) -> None:
    """Write the report into the run folder and copy it to --html, unless --no-html."""
    if common.no_html:
        return
    from embgeo.reports import write_report

    report = write_report([run], run.folder / "report.html")
    if common.html is not None:
        try:
            common.html.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(report, common.html)
        except OSError as error:
            raise StorageError(f"--html must name a writable file; {common.html}: {error.strerror or error}") from error
