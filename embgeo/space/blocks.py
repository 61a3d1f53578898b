"""Large matrices in row blocks that stay in cache, shared by the cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from embgeo.environment import usable_cpus

BLOCK_ELEMENTS = 1 << 19  # elements of a float32 row block that stay in cache


def row_blocks(n: int, columns: int) -> list[slice]:
    """Row blocks of an (n, columns) matrix that stay in cache."""
    size = max(1, BLOCK_ELEMENTS // max(1, columns))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def in_threads(work: Callable[[slice], Any], blocks: list[slice]) -> list[Any]:
    """`work` on every block, results in order; NumPy releases the GIL, so that the cores share the blocks."""
    threads = min(_threads(), len(blocks))
    if threads <= 1:
        return [work(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, blocks))


def _threads() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    available = usable_cpus()
    return min(available, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else available
