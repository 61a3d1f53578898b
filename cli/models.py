"""embgeo models: available models."""

from __future__ import annotations

from dataclasses import asdict

import click

from embgeo.cli import completion
from embgeo.cli.options import with_voice
from embgeo.cli.voice import Voice


@click.command(short_help="Available models.")
@click.argument("name", required=False, shell_complete=completion.models)
@with_voice
def command(name: str | None, voice: Voice) -> None:
    """List what MODEL can be, in the order of lookup; with NAME, find registered models by part of a name.

    \b
    Examples:
      embgeo models
      embgeo models bge-small
    """
    from embgeo.cli.tables import table
    from embgeo.encoders.resolve import known_models

    if name is None:
        known = known_models()
        rows = [[model.name, "hub" if model.needs_hub else "", model.summary] for model in known]
        voice.show(table("", [("MODEL", "left"), ("needs", "left"), ("what it is", "text")], rows))
        voice.json([asdict(model) for model in known])
        return
    from embgeo.encoders.resolve import model_names
    from embgeo.errors import unknown_name

    names = model_names()
    found = [model for model in names if name.casefold() in model.casefold()]
    if not found:
        raise unknown_name("model", name, names, "A folder, vectors:PATH or any hub name ORG/NAME works too.")
    for model in found:
        voice.line(model)
    voice.json(found)
