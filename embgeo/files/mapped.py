"""Memory maps that do not stay in memory."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def release_pages(X: np.ndarray) -> None:
    """Let the pages of a memory map that were read go again; they come back from the file when they are needed.

    Without it a pass over a mapped corpus leaves all of it counted as this process's memory. Other arrays stay.
    """
    mapped = getattr(X, "_mmap", None)  # numpy.memmap keeps its mmap there, and has no public name for it
    if mapped is not None and hasattr(mapped, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
