"""Checks that a file or folder can be written, before the work whose result goes there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from embgeo.errors import StorageError


def check_writable_file(path: Path, option: str) -> None:
    """Raise StorageError if `path`, which the user gave as `option`, is a folder or cannot be made or written."""
    _check(path, option, folder=False)


def check_writable_folder(path: Path, option: str) -> None:
    """Raise StorageError if `path`, which the user gave as `option`, is a file or cannot be made or written into."""
    _check(path, option, folder=True)


def _check(path: Path, option: str, folder: bool) -> None:
    try:
        reason = _obstacle(Path(path), folder)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
    if reason:
        kind = "folder" if folder else "file"
        raise StorageError(f"{option} must name a writable {kind}; {path}: {reason}. Choose another {kind}")


def _obstacle(path: Path, folder: bool) -> str:
    if path.exists():
        if path.is_dir() != folder:
            return "is a file" if folder else "is a folder"
        return "" if os.access(path, os.W_OK) else os.strerror(errno.EACCES)
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir():
        return f"{parent} is a file"
    return "" if os.access(parent, os.W_OK | os.X_OK) else f"{parent}: {os.strerror(errno.EACCES)}"
