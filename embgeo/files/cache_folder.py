"""The cache folder for results that are slow to compute: encodings, and the findings of unfinished sweeps."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from pathlib import Path

import platformdirs

from embgeo.files.atomic import remove_orphans, storage_errors


def cache_directory() -> Path:
    """`EMBGEO_CACHE_DIR`, or the platform's cache folder for embgeo; not created here."""
    if given := os.environ.get("EMBGEO_CACHE_DIR"):
        return Path(given).expanduser()
    return platformdirs.user_cache_path("embgeo")


def cache_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    """Turn an `OSError` into a `StorageError` that says what to do about the cache."""
    return storage_errors(
        "the cache", path, "Free some space or point EMBGEO_CACHE_DIR elsewhere; finished work is kept"
    )


def make_entry(folder: Path) -> None:
    """Create the folder of an entry, and remove what killed processes left in it."""
    with cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_orphans(folder)


def entry_folders(place: Path) -> list[Path]:
    """The folders in `place`, one per entry; [] if `place` does not exist."""
    return [folder for folder in place.iterdir() if folder.is_dir()] if place.is_dir() else []


def entry_extent(folder: Path) -> tuple[datetime.datetime, int]:
    """When an entry was last written to, and its size in bytes."""
    stats = [path.stat() for path in folder.iterdir()]
    changed = max((stat.st_mtime for stat in stats), default=folder.stat().st_mtime)
    return datetime.datetime.fromtimestamp(changed, datetime.UTC), sum(stat.st_size for stat in stats)


def remove_entry(folder: Path) -> None:
    with cache_errors(folder):
        shutil.rmtree(folder)
