"""embgeo deploy: load the documents of a run into a store, and measure it there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embgeo.cli import completion
from embgeo.cli.options import FILE, device_options, find_option, option_for, stacked, with_output
from embgeo.cli.output import Output
from embgeo.requests import DeployRequest, options_of

if TYPE_CHECKING:
    from embgeo.results.deployment import Deployment

OPTIONS = [option_for(one) for one in options_of(DeployRequest) if "help" in one.metadata]


@click.command(short_help="Load a store with the documents of a run, and measure it there.")
@click.argument("run", type=FILE, shell_complete=completion.runs)
@click.argument("target", metavar="TARGET[=URL|PATH]")
@stacked(*OPTIONS, find_option, device_options)
@with_output
def command(run: Path, target: str, output: Output, **options: object) -> None:
    """Load the documents of RUN, a run of `embgeo compress`, into a vector store, and measure what it delivers there.

    TARGET alone is a store in the folder of the run (no server needed); TARGET=URL is your server, TARGET=PATH a file
    or folder of an embedded store. `embgeo targets` lists the targets and what each holds. Documents are projected here
    and loaded by blocks; if interrupted, the same command goes on. Then the configuration and the number of rows are
    read back, and nDCG@10, recall@10 and bytes are measured: by codes alone, as configured, and with the store's
    defaults, beside what embgeo predicted.

    Besides the store, a kit is written to RUN/deploy: projection, configuration, and scripts to ingest, query and check
    the collection, which need NumPy and the store's client only. Existing collections are never changed unless embgeo
    made them and --append or --replace says so. A password is taken from the URL or the client's environment variables,
    and is never stored.

    \b
    Examples:
      embgeo deploy 1a2b3c4d pgvector --spec f16
      embgeo deploy 1a2b3c4d pgvector=postgresql://me@db/search --spec pca192,f16 --name articles
      embgeo deploy 1a2b3c4d qdrant=http://localhost:6333 --spec rot,int4
    """
    from embgeo.cli.outcome import logged
    from embgeo.pipelines.deploy import deploy
    from embgeo.reports import write_report
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.deployed import measured_sentence, measured_table
    from embgeo.run import DEPLOYMENTS, find_run, path_text

    found_run = find_run(run, options["out"])  # type: ignore[arg-type]
    options["out"], home = None, found_run.folder / DEPLOYMENTS
    request = DeployRequest(found_run, target, **options)  # type: ignore[arg-type]
    log = found_run.folder / f"deploy-{target.partition('=')[0]}.log"
    found = logged(output, log, lambda progress: deploy(request, progress), lambda one: home / _folder(one))
    output.sentence(measured_sentence(found))
    output.show("", draw(measured_table(found)))
    output.line()
    for warning in found.warnings:
        output.sentence(f"Warning: {warning}")
    if (found_run.folder / "report.html").exists():
        write_report([found_run], found_run.folder / "report.html")
        output.line(f"report  {plain(path_text(found_run.folder / 'report.html'))}")
    output.line(f"kit     {plain(path_text(home / _folder(found)))}")
    output.json(found.to_json())


def _folder(found: Deployment) -> str:
    return f"{found.target}-{found.name}"
