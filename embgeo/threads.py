"""One switch for how many threads NumPy, FAISS, numba and torch use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from threadpoolctl import threadpool_limits

from embgeo.environment import usable_cpus
from embgeo.errors import InputError


@contextlib.contextmanager
def one_numba_thread() -> Iterator[None]:
    """Run the block's compiled loops on this thread only: for blocks so small that waking others takes longer."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def one_blas_thread(size: int = 0) -> threadpool_limits:
    """For factorisations of (size, size), whose last bits depend on the number of threads, which no result should.

    At small sizes threads only cost time (d = 384: 0.025 s with one, 1.5 s with two beside another process);
    beyond 2,048 they pay off, and results may differ between thread counts.
    """
    return threadpool_limits(1 if size <= 2048 else None, user_api="blas")


@contextlib.contextmanager
def limited_threads(threads: int | None) -> Iterator[int]:
    """Run the block with `threads` threads (default: the processors this process may use); yields the number.

    BLAS and OpenMP are limited through threadpoolctl, even if they are loaded later; numba, FAISS and, if it is
    already loaded, torch here.
    """
    if threads is not None and threads < 1:
        raise InputError(f"--threads must be at least 1; got {threads}")
    count = threads or usable_cpus()
    import numba

    pools: list[Any] = [(numba.get_num_threads, numba.set_num_threads, min(count, numba.config.NUMBA_NUM_THREADS))]
    with contextlib.suppress(ImportError):
        import faiss

        pools.append((faiss.omp_get_max_threads, faiss.omp_set_num_threads, count))
    if (torch := sys.modules.get("torch")) is not None:
        pools.append((torch.get_num_threads, torch.set_num_threads, count))
    with contextlib.ExitStack() as restored:
        for current, change, number in pools:
            restored.callback(change, current())
            change(number)
        with threadpool_limits(count):
            yield count
