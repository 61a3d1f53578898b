"""One switch for how many threads NumPy, FAISS, numba and torch use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

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
    from threadpoolctl import threadpool_limits

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
