"""One switch for how many threads NumPy, FAISS, numba and torch use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from threadpoolctl import threadpool_limits

from embgeo.environment import usable_cpus
from embgeo.errors import InputError


@contextlib.contextmanager
def one_numba_thread() -> Iterator[None]:
    """Run the block's compiled loops on this thread: for blocks so small that waking others takes longer."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def one_blas_thread(size: int = 0) -> threadpool_limits:
    """For factorisations of (size, size), whose last bits follow the number of threads, as no result should.

    One this small only waits for its threads (d = 384: 0.025 s with one, 1.5 s with two beside another process);
    beyond 2,048 they are worth it, and other thread counts may differ.
    """
    return threadpool_limits(1 if size <= 2048 else None, user_api="blas")


@contextlib.contextmanager
def limited_threads(threads: int | None) -> Iterator[int]:
    """Run the block with `threads` threads (default: the processors this process may use); yields the number.

    Libraries that are not loaded yet are limited when they are: BLAS and OpenMP through threadpoolctl, numba and FAISS
    here, and torch only if it is loaded already.
    """
    if threads is not None and threads < 1:
        raise InputError(f"--threads must be at least 1; got {threads}")
    count = threads or usable_cpus()
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    with contextlib.suppress(ImportError):
        import faiss

        faiss.omp_set_num_threads(count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield count
    finally:
        numba.set_num_threads(before)
