"""Progress of long-running work: a callback, so that the library never prints."""

from __future__ import annotations

from typing import Protocol

NOTE = "\n"
PLAN = "plan"  # the stage "plan: …" says what will be done, once
CELL = "cell"  # "cell: …" says how a cell of a grid ended
SAID = (PLAN, CELL)  # stages that are a line of their own, not a bar


class Progress(Protocol):
    """Called as `progress(stage, done, total)`; `total` may grow, `done == total` ends the stage.

    A stage "name: detail" is one bar called "name" whose detail changes. Text after a newline (`NOTE`) is a separate
    line on the findings so far, its parts separated by " · "; it may be shown, shortened or left out.
    """

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def silent(stage: str, done: int, total: int) -> None:
    """The default callback: nothing."""


def duration_text(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
