"""embgeo cache: the embeddings kept on disk, and what unfinished sweeps have evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embgeo.cli.options import with_output
from embgeo.cli.output import Output

if TYPE_CHECKING:
    from embgeo.compression.judging.checkpoint import UnfinishedSweep
    from embgeo.encoders.cache import CachedEncoding


@click.group(short_help="List, clear or locate the embedding cache.")
def command() -> None:
    """List, clear or locate the cache of embeddings and unfinished sweeps.

    The cache is in EMBGEO_CACHE_DIR or, by default, in the platform's cache folder.

    \b
    Examples:
      embgeo cache list
      embgeo cache clear
      EMBGEO_CACHE_DIR=/scratch/embgeo embgeo analyze minilm pydocs
    """


@command.command("path")
@with_output
def path(output: Output) -> None:
    """Print the cache folder."""
    from embgeo.files.cache_folder import cache_directory

    folder = cache_directory()
    output.line(str(folder))
    output.json({"path": str(folder)})


@command.command("list")
@with_output
def list_entries(output: Output) -> None:
    """List what is cached, newest first."""
    from dataclasses import asdict

    from embgeo.cli.words import size
    from embgeo.compression.judging.checkpoint import unfinished_sweeps
    from embgeo.encoders.cache import cache_entries
    from embgeo.files.cache_folder import cache_directory
    from embgeo.reports.drawing.terminal import table
    from embgeo.reports.numbers import figure
    from embgeo.reports.plaintext import plain

    entries, sweeps = cache_entries(), unfinished_sweeps(cache_directory())
    held: list[CachedEncoding | UnfinishedSweep] = [*entries, *sweeps]
    what = [(plain(e.model) or "unreadable", e.role, e.texts, "" if e.finished else "unfinished") for e in entries]
    what += [("sweep", count(s.specs, "spec", "specs"), s.documents, "unfinished") for s in sweeps]
    rows = [
        [entry.key[:12], model, role, figure(texts), size(entry.bytes), f"{entry.modified:%Y-%m-%d %H:%M}", state]
        for entry, (model, role, texts, state) in zip(held, what, strict=True)
    ]
    columns = [("key", "left"), ("model", "text"), ("role", "left"), ("texts", "right"), ("size", "right")]
    if rows:
        output.show(table("", [*columns, ("changed, UTC", "left"), ("", "left")], rows))
        output.line()
    output.line(f"{count(len(held))}, {size(sum(entry.bytes for entry in held))}")
    output.json([asdict(entry) for entry in held])


@command.command("clear", short_help="Remove some or all entries.")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@with_output
def clear(keys: tuple[str, ...], output: Output) -> None:
    """Remove the entries whose keys start with KEY..., or all entries if no KEY is given.

    Only time is lost: texts are encoded again, and the specs of an unfinished sweep are evaluated again.
    """
    from dataclasses import asdict

    from embgeo.cli.words import size
    from embgeo.compression.judging.checkpoint import clear_sweeps, unfinished_sweeps
    from embgeo.encoders.cache import cache_entries, clear_cache
    from embgeo.errors import unknown_name
    from embgeo.files.cache_folder import cache_directory

    wanted = None
    if keys:
        entries: list[CachedEncoding | UnfinishedSweep] = [*cache_entries(), *unfinished_sweeps(cache_directory())]
        for key in keys:
            if not any(entry.key.startswith(key) for entry in entries):
                raise unknown_name("cache entry", key, [entry.key[:12] for entry in entries])
        wanted = [entry.key for entry in entries if entry.key.startswith(keys)]
    removed: list[CachedEncoding | UnfinishedSweep] = [
        *clear_cache(keys=wanted),
        *clear_sweeps(cache_directory(), wanted),
    ]
    output.line(f"removed {count(len(removed))}, {size(sum(entry.bytes for entry in removed))}")
    output.json([asdict(entry) for entry in removed])


def count(number: int, one: str = "entry", many: str = "entries") -> str:
    return f"{number} {one if number == 1 else many}"
