"""embgeo schema: print the JSON schema of results."""

from __future__ import annotations

from importlib import resources

import click


@click.command(short_help="Print the JSON schema of results.")
def command() -> None:
    """Print the JSON schema (draft 2020-12) of what --json writes and of run.json in a run folder.

    \b
    Examples:
      embgeo schema > embgeo.schema.json
      embgeo compress minilm pydocs --json out.json && check-jsonschema --schemafile embgeo.schema.json out.json
    """
    click.echo(resources.files("embgeo").joinpath("result.schema.json").read_text(encoding="utf-8"), nl=False)
