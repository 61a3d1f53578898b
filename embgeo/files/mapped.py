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
    import numpy as np  # who hands over an array has it loaded; digests of files alone do not need it

    if isinstance(X, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        # numpy has no public name for it; None in an array that was computed from a memory map
        mapped: mmap.mmap | None = X._mmap  # type: ignore[attr-defined]
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)
