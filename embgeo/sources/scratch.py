"""Copies that a run works on: files without names in the cache folder, gone when the process ends, however it ends."""

from __future__ import annotations

import shutil
import tempfile
from typing import IO

import numpy as np

from embgeo.files.cache_folder import cache_directory, cache_errors
from embgeo.files.mapped import release_pages
from embgeo.files.rows import WINDOW_ROWS, Opening, Rows, StackedRows
from embgeo.progress import Progress, silent


def unnamed_file() -> IO[bytes]:
    """A new file in the cache folder that has no name; raises StorageError if there can be none."""
    folder = cache_directory()
    with cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)


class CopiedRows(Rows):
    """Rows that are read from a copy (n, d); another process opens the original, if it is a `Rows` that says how."""

    def __init__(self, original: np.ndarray | Rows, copy: np.ndarray) -> None:
        self.shape, self.dtype = (len(copy), copy.shape[1]), copy.dtype
        self._original, self._copy = original, copy

    def between(self, start: int, stop: int) -> np.ndarray:
        return self._copy[start:stop]

    def at(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._copy[rows])

    def release(self) -> None:
        release_pages(self._copy)

    def opening(self) -> Opening | None:
        return self._original.opening() if isinstance(self._original, Rows) else None


def copied(X: Rows, name: str, progress: Progress = silent) -> tuple[Rows, tuple[str, ...]]:
    """The rows, file by file, read from a memory map of one copy, as stored; without a copy, and with a warning, if the
    disk has no room for it.

    A run passes over its vectors some twenty times, and a compressed file is decoded each time.
    """
    size = X.dtype.itemsize * X.shape[0] * X.shape[1]
    folder = cache_directory()
    with unnamed_file() as file:
        if shutil.disk_usage(folder).free < size + size // 10:
            return X, (
                f"{name} is decoded anew for every pass, which is slow: its copy of {size / 1e9:,.1f} GB does not fit "
                "the cache folder (EMBGEO_CACHE_DIR)",
            )
        stage = f"reading vectors: {len(X):,} × {X.shape[1]}, {size / 1e6:,.1f} MB in the cache folder"
        for start in range(0, len(X), WINDOW_ROWS):
            block = np.ascontiguousarray(X[start : start + WINDOW_ROWS])
            X.release()
            with cache_errors(folder):
                file.write(block.data)
            progress(stage, min(start + WINDOW_ROWS, len(X)), len(X))
        with cache_errors(folder):
            file.flush()
        whole, parts, start = np.memmap(file, X.dtype, "r", shape=X.shape), list[Rows](), 0
    for piece in X.pieces:
        parts.append(CopiedRows(piece, whole[start : start + len(piece)]))
        start += len(piece)
    return parts[0] if len(parts) == 1 else StackedRows(parts), ()
