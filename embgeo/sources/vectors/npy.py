"""NumPy's array file: one matrix, memory-mapped; nothing is unpickled, and every size is checked before use."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import numpy as np

from embgeo.errors import DataError
from embgeo.sources.vector_files import ID_KEYS, vectors


@vectors(".npy")
def read_npy(path: Path) -> dict[str, np.ndarray]:
    """The array as a read-only memory map."""
    with path.open("rb") as file:
        shape, dtype = npy_header(file, path, "the array", path.stat().st_size)
    if 0 in shape:  # nothing to map
        return {"": np.empty(shape, dtype)}
    return {"": np.load(path, mmap_mode="r", allow_pickle=False)}


def npy_header(file: IO[bytes], path: Path, name: str, size: int) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the array `name` in an open file of `size` bytes, checked against the bytes that follow."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} is not supported")
    if dtype.hasobject:
        plain = f"{name}.astype(str)" if name in ID_KEYS else "numpy.array(X.tolist(), numpy.float32)"
        raise DataError(f"{name} in {path} must not be Python objects (they would be unpickled); save {plain} instead")
    needed, found = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or needed != found:
        raise ValueError(f"{name} declares {needed} bytes (shape {shape}, {dtype}), the file has {found}")
    return shape, dtype
