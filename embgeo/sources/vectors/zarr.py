"""Zarr: a matrix, or the matrices of a group, in a folder NAME.zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.files.rows import Rows
from embgeo.sources.vector_files import vectors


@vectors(".zarr", columns=True, folder=True)
def read_zarr(path: Path, column: str) -> dict[str, Rows]:
    """The matrix, the one named, or the only one of the group."""
    try:
        import zarr
    except ImportError:
        raise MissingExtraError("reading a Zarr folder needs zarr: pip install 'embgeo[zarr]'") from None
    found = zarr.open(path, mode="r")
    if isinstance(found, zarr.Array):
        if column:
            raise DataError(f"{path} is one array and has no {column!r}")
        return {"": ZarrRows(found)}
    matrices: dict[str, Any] = {name: one for name, one in found.arrays() if one.ndim == 2}
    if not column and len(matrices) == 1:
        column = next(iter(matrices))
    if column not in matrices:
        listed = ", ".join(f"{name} {one.shape} {one.dtype}" for name, one in matrices.items()) or "none"
        what = f"no matrix {column!r}" if column else "several matrices, or none"
        raise DataError(f"{path} has {what}; name one as PATH#ARRAY: {listed}")
    return {"": ZarrRows(matrices[column])}


class ZarrRows(Rows):
    """The rows of an array in compressed chunks."""

    in_order = True

    def __init__(self, data: Any) -> None:
        if data.ndim != 2:
            raise ValueError(f"it must be a matrix (rows, dimension); got shape {data.shape}")
        self._data, self.shape, self.dtype = data, data.shape, data.dtype

    def between(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._data[start:stop])

    def release(self) -> None:
        """Nothing: no chunk is kept."""
