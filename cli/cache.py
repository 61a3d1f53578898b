"""embgeo cache: the embeddings kept on disk."""

from __future__ import annotations

import click

from embgeo.cli.options import with_voice
from embgeo.cli.voice import Voice


@click.group(short_help="The embeddings kept on disk.")
def command() -> None:
    """List, empty or locate the cache of embeddings.

    It lives in EMBGEO_CACHE_DIR, or in the platform's cache folder.

    \b
    Examples:
      embgeo cache list
      embgeo cache clear
      EMBGEO_CACHE_DIR=/scratch/embgeo embgeo analyze minilm pydocs
    """


@command.command("path")
@with_voice
def path(voice: Voice) -> None:
    """Print the folder of the cache."""
    from embgeo.encoders.cache import cache_directory

    folder = cache_directory()
    voice.line(str(folder))
    voice.json({"path": str(folder)})


@command.command("list")
@with_voice
def list_entries(voice: Voice) -> None:
    """List what is cached, newest first."""
    from dataclasses import asdict

    from embgeo.cli.tables import table
    from embgeo.cli.words import figure, plain, size
    from embgeo.encoders.cache import cache_entries

    entries = cache_entries()
    rows = [
        [
            entry.key[:12],
            plain(entry.model) or "unreadable",
            entry.role,
            figure(entry.texts),
            size(entry.bytes),
            f"{entry.modified:%Y-%m-%d %H:%M}",
            "" if entry.finished else "unfinished",
        ]
        for entry in entries
    ]
    columns = [("key", "left"), ("model", "text"), ("role", "left"), ("texts", "right"), ("size", "right")]
    if entries:
        voice.show(table("", [*columns, ("changed, UTC", "left"), ("", "left")], rows))
        voice.line()
    voice.line(f"{count(len(entries))}, {size(sum(entry.bytes for entry in entries))}")
    voice.json([asdict(entry) for entry in entries])


@command.command("clear")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@with_voice
def clear(keys: tuple[str, ...], voice: Voice) -> None:
    """Remove the entries whose keys begin with KEY...; all of them without one.

    Nothing but time is lost: what is missing is encoded again.
    """
    from dataclasses import asdict

    from embgeo.cli.words import size
    from embgeo.encoders.cache import cache_entries, clear_cache
    from embgeo.errors import unknown_name

    wanted = None
    if keys:
        entries = cache_entries()
        for key in keys:
            if not any(entry.key.startswith(key) for entry in entries):
                raise unknown_name("cache entry", key, [entry.key[:12] for entry in entries])
        wanted = [entry.key for entry in entries if entry.key.startswith(keys)]
    removed = clear_cache(keys=wanted)
    voice.line(f"removed {count(len(removed))}, {size(sum(entry.bytes for entry in removed))}")
    voice.json([asdict(entry) for entry in removed])


def count(entries: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}"
