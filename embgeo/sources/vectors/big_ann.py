"""The files of the big-ann benchmarks and of cuVS: two uint32, rows and dimension, then the matrix; memory-mapped."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from embgeo.sources.vector_files import vectors

DTYPES = {".fbin": np.float32, ".f16bin": np.float16, ".i8bin": np.int8, ".u8bin": np.uint8}
HEADER = 8


def read_bin(path: Path, dtype: type) -> dict[str, np.ndarray]:
    """The matrix as a read-only memory map, its size checked against that of the file."""
    size = path.stat().st_size
    rows, dimension = (int(each) for each in np.fromfile(path, "<u4", 2)) if size >= HEADER else (0, 0)
    needed = HEADER + rows * dimension * np.dtype(dtype).itemsize
    if needed != size or size < HEADER:
        raise ValueError(f"{rows} × {dimension} rows of {np.dtype(dtype)} take {needed} bytes, the file has {size}")
    if not rows * dimension:  # nothing to map
        return {"": np.empty((rows, dimension), dtype)}
    return {"": np.memmap(path, np.dtype(dtype).newbyteorder("<"), "r", HEADER, (rows, dimension))}


for _suffix, _dtype in DTYPES.items():
    vectors(_suffix)(partial(read_bin, dtype=_dtype))
