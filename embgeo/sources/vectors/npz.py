"""NumPy's archive of arrays, read into memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from embgeo.sources.vector_files import vectors
from embgeo.sources.vectors.npy import npy_header


@vectors(".npz")
def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name; one whose size differs from its archive entry is refused before it is read."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as file:
                npy_header(file, path, name, info.file_size)
            with archive.open(info) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays
