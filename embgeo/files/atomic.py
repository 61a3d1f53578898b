"""Atomic writes of files and folders; the only place where embgeo replaces anything on disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from embgeo.errors import EmbgeoError, StorageError

SUFFIX = ".tmp"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """An open file for the block to fill; synced and moved to `path` when the block ends, removed if it raises."""
    with temporary_file(path.parent) as file:
        yield file
        publish(file, path)


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[BinaryIO]:
    """An open file in `folder` with a unique name, for `publish`; removed after the block if it was not published."""
    path = _temporary(folder)
    try:
        with path.open("xb+") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def publish(file: BinaryIO, path: Path) -> None:
    """Sync a `temporary_file` and move it to `path` in the same folder, replacing what was there."""
    file.flush()
    os.fsync(file.fileno())
    os.replace(file.name, path)


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 text file atomically."""
    with replacing(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing_folder(target: Path, keep: Sequence[str] = ()) -> Iterator[Path]:
    """A new folder for the block to fill, moved to `target` when the block ends, removed if it raises.

    What was at `target` stays until the new one is complete; its entries `keep` are moved to the new one. A kill
    between the renames is undone by the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_orphans(target.parent)
    old = target.with_name(f".{target.name}.old")
    if not target.exists() and old.exists():
        old.rename(target)
    _keep(old, target, keep)
    folder = _temporary(target.parent)
    folder.mkdir()
    try:
        yield folder
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        try:
            folder.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                old.rename(target)
            raise
        _keep(old, target, keep)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(old: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        if (old / name).exists() and target.exists() and not (target / name).exists():
            (old / name).rename(target / name)


def move(path: Path, target: Path) -> None:
    """Move a finished file or folder to `target`, which does not exist, on the same file system."""
    path.rename(target)


def link(path: Path, target: Path) -> bool:
    """Make `target` another name of a file that is never written to again; False where that is impossible."""
    try:
        os.link(path, target)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def storage_errors(what: str, path: Path, advice: str) -> Iterator[None]:
    """Turn an `OSError` into a `StorageError`: WHAT must be written to PATH; REASON. ADVICE."""
    try:
        yield
    except EmbgeoError:
        raise
    except OSError as error:
        raise StorageError(f"{what} must be written to {path}; {error.strerror or error}. {advice}") from error


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` that is removed at the end; after a kill, by the next call."""
    parent.mkdir(parents=True, exist_ok=True)
    remove_orphans(parent)
    folder = _temporary(parent)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(folder: Path) -> None:
    """Remove temporary files in `folder` whose process on this host no longer runs, as `kill -9` leaves them."""
    for path in folder.glob(f".~*{SUFFIX}"):
        parts = path.name.removesuffix(SUFFIX).split("~")
        if len(parts) == 4 and parts[1] == _host() and parts[2].isdigit() and not _alive(int(parts[2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _temporary(folder: Path) -> Path:
    return folder / f".~{_host()}~{os.getpid()}~{secrets.token_hex(4)}{SUFFIX}"


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum() or c in "-.")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
