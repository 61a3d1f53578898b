"""Compiled loops: machine code that is kept on disk where a folder can be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import cache
from typing import Any


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with these options and without the lock of the interpreter.

    Machine code is kept beside the source, or in the user's cache; where neither can be written, every process compiles
    again. A loop that calls another must find it among the globals of its module: one that it captures would be
    compiled anew by every process.
    """
    import numba

    interrupts_wait()

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # no folder for its code
            return numba.njit(nogil=True, **options)(function)

    return decorate


@cache
def interrupts_wait() -> None:
    """From now on Ctrl-C waits while numba compiles or loads code: LLVM crashes if it raises in what it calls back."""
    from numba.core import event

    class Wait(event.Listener):
        def __init__(self) -> None:
            self.depth = 0
            self.before: Any = None
            self.came: tuple[Any, ...] | None = None

        def on_start(self, _: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                return
            if self.depth == 0 and callable(before := signal.getsignal(signal.SIGINT)):
                self.before, self.came = before, None
                signal.signal(signal.SIGINT, self.note)
            self.depth += 1

        def note(self, *came: Any) -> None:
            self.came = came

        def on_end(self, _: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                return
            self.depth = max(0, self.depth - 1)
            if self.depth == 0 and self.before is not None:
                before, self.before = self.before, None
                signal.signal(signal.SIGINT, before)
                if self.came is not None:
                    before(*self.came)

    event.register("numba:compiler_lock", Wait())
