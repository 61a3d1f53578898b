"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from embgeo.errors import StorageError

SUFFIX = ".tmp"


def write_whole(folder: Path, fill: Callable[[BinaryIO], str]) -> Path:
    """Let `fill` write a temporary file in `folder` and name it; sync it, and move it to that name.

    The temporary name is unique, so two processes never share one. Whatever goes wrong, the temporary is removed.

    Raises
    ------
    StorageError
        When the disk is full or the place cannot be written to.
    """
    temporary = folder / f".~{_here()}~{os.getpid()}~{secrets.token_hex(4)}{SUFFIX}"
    with storage_errors(folder):
        try:
            with temporary.open("xb+") as file:
                path = folder / fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


def write_text(path: Path, text: str) -> None:
    """A small text file, whole or not at all."""

    def fill(file: BinaryIO) -> str:
        file.write(text.encode())
        return path.name

    write_whole(path.parent, fill)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals inside into a `StorageError` that says what to do."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "Free some space or point EMBGEO_CACHE_DIR elsewhere; finished batches are kept."
        else:
            advice = "Make it writable or point EMBGEO_CACHE_DIR elsewhere."
        raise StorageError(f"the cache must be able to write to {path}; got: {reason}. {advice}") from error


def remove_orphans(folder: Path) -> None:
    """Remove temporaries in `folder` whose process, on this host, is gone: what a `kill -9` leaves."""
    for path in folder.glob(f".~*{SUFFIX}"):
        parts = path.name.removesuffix(SUFFIX).split("~")
        if len(parts) == 4 and parts[1] == _here() and parts[2].isdigit() and not _alive(int(parts[2])):
            path.unlink(missing_ok=True)


def _here() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum() or c in "-.")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
