"""embgeo report: regenerate the HTML from stored results."""

from __future__ import annotations

from pathlib import Path

import click

from embgeo.cli import completion
from embgeo.cli.configuration import config_option
from embgeo.cli.options import FILE, find_option, with_voice
from embgeo.cli.voice import Voice
from embgeo.writable import check_writable_file


@click.command(short_help="Regenerate the report of stored runs.")
@click.argument("folders", metavar="RUN...", type=FILE, nargs=-1, required=True, shell_complete=completion.runs)
@click.option("--html", type=FILE, metavar="FILE", help="Where to write it.  [default: report.html in the first RUN]")
@find_option
@config_option
@with_voice
def command(folders: tuple[Path, ...], html: Path | None, out: Path, voice: Voice) -> None:
    """Write one HTML report of the runs RUN...; nothing is computed or encoded again.

    RUN is a run folder, or the beginning of its name or id in --out. Several runs follow one another;
    `embgeo compare` pairs them by query and document.

    \b
    Examples:
      embgeo report embgeo-runs/compress-minilm-pydocs-1a2b3c4d
      embgeo report embgeo-runs/* --html all.html
      embgeo report 1a2b3c4d 5e6f7a8b --html both.html
    """
    if html is not None:
        check_writable_file(html, "--html")
    from embgeo.cli.words import plain
    from embgeo.reports import write_report
    from embgeo.reports.commands import compare_command
    from embgeo.runs import find_run, path_text

    runs = [find_run(folder, out) for folder in folders]
    path = write_report(runs, html or runs[0].folder / "report.html")
    voice.line(f"report  {plain(path_text(path))}")
    if hint := compare_command([run for run in runs if run.command != "compare"]):
        voice.line(f"compare {plain(hint)}")
    voice.json({"report": str(path), "runs": [str(run.folder) for run in runs]})
