"""embgeo report: draw the HTML again from stored results."""

from __future__ import annotations

from pathlib import Path

import click

from embgeo.cli.options import FILE, with_voice
from embgeo.cli.voice import Voice


@click.command(short_help="Draw the HTML again from stored runs.")
@click.argument("folders", metavar="RUN...", type=FILE, nargs=-1, required=True)
@click.option("--html", type=FILE, metavar="FILE", help="Where to write it.  [default: report.html in the first RUN]")
@with_voice
def command(folders: tuple[Path, ...], html: Path | None, voice: Voice) -> None:
    """Draw one HTML report of the run folders RUN...; nothing is computed or encoded again.

    \b
    Examples:
      embgeo report embgeo-runs/compress-minilm-pydocs-1a2b3c4d
      embgeo report embgeo-runs/* --html all.html
    """
    from embgeo.cli.words import path_text, plain
    from embgeo.reports import write_report
    from embgeo.runs import load_run

    runs = [load_run(folder) for folder in folders]
    path = write_report(runs, html or runs[0].folder / "report.html")
    voice.line(f"report  {plain(path_text(path))}")
    voice.json({"report": str(path), "runs": [str(run.folder) for run in runs]})
