"""Copies that a run works on: files without names in the cache folder, gone when the process ends, however it ends."""

from __future__ import annotations

import shutil
import tempfile
from typing import IO

import numpy as np

from embgeo.files.cache_folder import cache_directory, cache_errors
from embgeo.files.rows import WINDOW_ROWS, Rows
from embgeo.progress import Progress, silent


def unnamed_file() -> IO[bytes]:
    """A new file in the cache folder that has no name; raises StorageError if there can be none."""
    folder = cache_directory()
    with cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)


def copied(X: Rows, name: str, progress: Progress = silent) -> tuple[np.ndarray | Rows, tuple[str, ...]]:
    """The rows as a memory map of a copy, as stored; the rows themselves and a warning if the disk has no room for it.

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
        return np.memmap(file, X.dtype, "r", shape=X.shape), ()
