"""Compiled loops work where no folder for their code can be written, and while they are interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from embgeo.numeric.compiled import interrupts_wait

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


def test_an_interrupt_waits_until_code_is_loaded() -> None:
    """LLVM calls back into Python while it loads code, and crashes if that raises."""
    from numba.core.compiler_lock import global_compiler_lock

    interrupts_wait()
    before, reached = signal.getsignal(signal.SIGINT), list[str]()

    def load() -> None:
        with global_compiler_lock:
            with global_compiler_lock:
                signal.raise_signal(signal.SIGINT)
            reached.append("its end")

    with pytest.raises(KeyboardInterrupt):
        load()
    assert reached == ["its end"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with global_compiler_lock:
        pass
    assert signal.getsignal(signal.SIGINT) is before
