"""A reader of vector files in one file: a table of numbers, one row per document."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.sources.vector_files import vectors


@vectors(".csv")
def read_csv(path: Path) -> dict[str, np.ndarray]:
    return {"docs": np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)}
