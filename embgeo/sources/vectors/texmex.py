"""The files of the TEXMEX corpora (SIFT, GIST): each row is preceded by its dimension as an int32; memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.errors import DataError
from embgeo.files.mapped import release_pages
from embgeo.files.rows import Rows
from embgeo.sources.vector_files import vectors

PREFIX = 4


@vectors(".fvecs")
def read_fvecs(path: Path) -> dict[str, Rows]:
    """Rows of float32."""
    return {"": PrefixedRows(path, np.dtype("<f4"))}


@vectors(".bvecs")
def read_bvecs(path: Path) -> dict[str, Rows]:
    """Rows of uint8."""
    return {"": PrefixedRows(path, np.dtype("u1"))}


class PrefixedRows(Rows):
    """Rows that are each preceded by the dimension; DataError when a row that is read has another than the first."""

    def __init__(self, path: Path, dtype: np.dtype) -> None:
        size, self._path, self.dtype = path.stat().st_size, path, dtype
        dimension = int(np.fromfile(path, "<i4", 1)[0]) if size >= PREFIX else 0
        width = PREFIX + dimension * dtype.itemsize
        if dimension < 1 or size % width:
            raise ValueError(f"rows of {dimension} {dtype} take {width} bytes each, the file has {size}")
        self.shape = (size // width, dimension)
        self._bytes = np.memmap(path, np.uint8, "r", shape=(size // width, width))

    def between(self, start: int, stop: int) -> np.ndarray:
        return self._values(self._bytes[start:stop], np.arange(start, stop))

    def at(self, rows: np.ndarray) -> np.ndarray:
        return self._values(self._bytes[rows], rows)

    def release(self) -> None:
        release_pages(self._bytes)

    def _values(self, block: np.ndarray, rows: np.ndarray) -> np.ndarray:
        sizes = np.ascontiguousarray(block[:, :PREFIX]).view("<i4")[:, 0]
        if (sizes != self.shape[1]).any():
            at = int(np.flatnonzero(sizes != self.shape[1])[0])
            raise DataError(
                f"every vector of {self._path} must have {self.shape[1]} dimensions; row {rows[at]} has {sizes[at]}"
            )
        return np.ascontiguousarray(block[:, PREFIX:]).view(self.dtype)
