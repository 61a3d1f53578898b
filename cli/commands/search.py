"""embgeo search: search the store that `embgeo compress` built."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from embgeo.cli import completion
from embgeo.cli.configuration import config_option
from embgeo.cli.options import FILE, device_options, find_option, with_output
from embgeo.cli.output import Output
from embgeo.requests import SearchRequest


@click.command(short_help="Search the store that compress built.")
@click.argument("run", type=FILE, shell_complete=completion.runs)
@click.argument("query", required=False)
@click.option("--vector", type=FILE, metavar="FILE", help="Search with the first row of a vector file.")
@click.option(
    "-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Number of documents to return."
)
@device_options
@find_option
@config_option
@with_output
def command(output: Output, **asked: Any) -> None:
    """Search the store of RUN with the text QUERY or with a vector.

    RUN is a run folder, or the start of its name or id in --out. If the scores make the query uncertain, a note of low
    confidence says so; in --json every hit holds it as `doubt`, null without one.

    \b
    Examples:
      embgeo search embgeo-runs/compress-minilm-pydocs-1a2b3c4d "read a file line by line"
      embgeo search embgeo-runs/compress-minilm-pydocs-1a2b3c4d --vector query.npy -k 3 --json -
    """
    request = SearchRequest(**asked)
    if (request.query is None) == (request.vector is None):
        both = "" if request.query is None else ", not both"
        raise click.UsageError(f"give a QUERY text or --vector FILE{both}")
    from embgeo.pipelines.built_store import search
    from embgeo.reports.drawing.terminal import hits_table

    hits = search(request)
    output.show(hits_table(hits))
    if hits.doubt:
        output.sentence(hits.doubt)
    output.json([{**asdict(hit), "doubt": hits.doubt or None} for hit in hits])
