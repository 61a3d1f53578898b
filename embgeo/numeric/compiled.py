"""Compiled loops: machine code that is kept on disk where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with these options and without the lock of the interpreter.

    Machine code is kept beside the source, or in the user's cache; where neither can be written, every process compiles
    again. A loop that calls another must find it among the globals of its module: one that it captures would be
    compiled anew by every process.
    """
    import numba

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # no folder for its code
            return numba.njit(nogil=True, **options)(function)

    return decorate
