"""Compiled loops work where no folder for their code can be written."""

from __future__ import annotations

import subprocess
import sys

SEARCH = """
import numba.core.caching
for kind in vars(numba.core.caching).values():
    if isinstance(kind, type) and "_locator_classes" in vars(kind):
        kind._locator_classes = []  # as where neither the package nor the home can be written
import numpy as np
from embgeo.retrieval.top_k import TopK
best = TopK.empty(1, 2)
best.merge(np.float32([[1, 3, 2]]), np.arange(3))
print(best.rows.tolist())
"""


def test_a_search_needs_no_folder_that_can_be_written() -> None:
    found = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True)
    assert found.stdout.strip() == "[[1, 2]]", found.stderr
