"""HDF5 as ann-benchmarks writes it: the datasets train (documents) and test (queries)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.files.rows import Rows
from embgeo.sources.vector_files import vectors


def read_hdf5(path: Path, column: str) -> dict[str, np.ndarray | Rows]:
    """train and test, or the dataset named, or the only matrix; memory-mapped if its data lie in one piece."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading an HDF5 file needs h5py: pip install 'embgeo[hdf5]'") from None
    file = h5py.File(path, "r")
    matrices: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "fiu":
            matrices[name] = item

    file.visititems(visit)
    listed = ", ".join(f"{name} {one.shape} {one.dtype}" for name, one in matrices.items()) or "none"
    if not column and "train" in matrices:
        asked = {"docs": "train", "queries": "test"}
        return {key: _rows(path, matrices[name]) for key, name in asked.items() if name in matrices}
    if not column and len(matrices) == 1:
        column = next(iter(matrices))
    if column not in matrices:
        what = f"no matrix {column!r}" if column else "several matrices, none of them called train"
        raise DataError(f"{path} has {what}; name one as PATH#DATASET: {listed}")
    return {"": _rows(path, matrices[column])}


vectors(".hdf5", columns=True)(read_hdf5)
vectors(".h5", columns=True)(read_hdf5)


def _rows(path: Path, data: Any) -> np.ndarray | Rows:
    offset = data.id.get_offset()
    if offset is not None and data.chunks is None and 0 not in data.shape:
        return np.memmap(path, data.dtype, "r", offset, data.shape)
    return ChunkedRows(data)


class ChunkedRows(Rows):
    """The rows of a matrix in compressed or scattered chunks, which its library finds."""

    in_order = True

    def __init__(self, data: Any) -> None:
        self._data, self.shape, self.dtype = data, data.shape, data.dtype

    def between(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._data[start:stop])

    def release(self) -> None:
        """Nothing: the library holds no more than some chunks."""
