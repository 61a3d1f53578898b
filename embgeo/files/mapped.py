"""Releasing the memory of memory maps."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from embgeo.files.rows import Rows


def release_pages(X: np.ndarray | Rows) -> None:
    """Release the pages of a memory map that were read; they are read from the file again when needed.

    Otherwise, after a pass over a mapped corpus, all of it counts as this process's memory. Other arrays are unchanged.
    """
    import numpy as np  # a caller with an array has loaded it; digests of files do not need it

    if not isinstance(X, np.ndarray):
        X.release()
    elif isinstance(X, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        # numpy has no public name for it; None in an array that was computed from a memory map
        mapped: mmap.mmap | None = X._mmap  # type: ignore[attr-defined]
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)
