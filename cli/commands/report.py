"""embgeo report: regenerate the HTML from stored results, and write its tables and figures as files."""

from __future__ import annotations

from pathlib import Path

import click

from embgeo.cli import completion
from embgeo.cli.configuration import config_option
from embgeo.cli.options import FILE, find_option, with_output
from embgeo.cli.output import Output
from embgeo.writable import check_writable_file


@click.command(short_help="Regenerate the report of stored runs.")
@click.argument("folders", metavar="RUN...", type=FILE, nargs=-1, required=True, shell_complete=completion.runs)
@click.option("--html", type=FILE, metavar="FILE", help="HTML file to write.  [default: report.html in the first RUN]")
@click.option("--csv", type=FILE, metavar="DIR", help="Also write every table to DIR as CSV.")
@click.option("--figures", type=FILE, metavar="DIR", help="Also write every figure to DIR as SVG (extra figures).")
@find_option
@config_option
@with_output
def command(
    folders: tuple[Path, ...], html: Path | None, csv: Path | None, figures: Path | None, out: Path, output: Output
) -> None:
    """Write one HTML report of the runs RUN...; nothing is recomputed or re-encoded.

    RUN is a run folder, or the start of its name or id in --out. Several runs are shown one after another;
    `embgeo compare` pairs them by query and document.

    \b
    Examples:
      embgeo report embgeo-runs/compress-minilm-pydocs-1a2b3c4d
      embgeo report embgeo-runs/* --html all.html
      embgeo report 1a2b3c4d 5e6f7a8b --html both.html
      embgeo report 1a2b3c4d --csv tables/ --figures figures/
    """
    if html is not None:
        check_writable_file(html, "--html")
    from embgeo.reports import write_report
    from embgeo.reports.commands import compare_command
    from embgeo.reports.drawing.files import write_figures, write_tables
    from embgeo.reports.plaintext import plain
    from embgeo.run import find_run, path_text

    runs = [find_run(folder, out) for folder in folders]
    path = write_report(runs, html or runs[0].folder / "report.html")
    output.line(f"report  {plain(path_text(path))}")
    tables = write_tables(runs, csv) if csv is not None else []
    drawn = write_figures(runs, figures) if figures is not None else []
    for kind, files, folder in (("csv", tables, csv), ("figures", drawn, figures)):
        if folder is not None:
            output.line(f"{kind:7} {len(files)} files in {plain(path_text(folder))}")
    if hint := compare_command([run for run in runs if run.command != "compare"]):
        output.line(f"compare {plain(hint)}")
    output.json(
        {
            "report": str(path),
            "runs": [str(run.folder) for run in runs],
            "csv": [str(file) for file in tables],
            "figures": [str(file) for file in drawn],
        }
    )
