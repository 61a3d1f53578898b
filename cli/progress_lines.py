"""Progress as lines of text: for a pipe, for a file, and for the log that is kept while a run is made."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from embgeo.progress import NOTE, SAID, duration_text

LONG_SECONDS = 2.0  # shorter stages get no line
PERIOD_SECONDS = 30.0  # the longest silence
WAKE_SECONDS = 5.0
DETAIL = ": "  # "trade-offs: int8" is the stage "trade-offs", now at int8
LOG_FILE = "progress.log"


@dataclass
class _Stage:
    """A running stage: when it began, how much was done then, and how much is done now."""

    begun: float
    first: int
    stage: str = ""
    done: int = 0
    total: int = 0


class Lines:
    """Print a line when a stage of at least `shortest` seconds ends, and whenever 30 s pass without a line.

    `say(line, note)` gets the line and the findings so far ("" if there is nothing new). `tick` may be called from
    another thread, so that work that makes no progress calls is not silent.
    """

    def __init__(self, say: Callable[[str, str], None], shortest: float = LONG_SECONDS) -> None:
        self._say = say
        self._shortest = shortest
        self._lock = threading.Lock()
        self._running: dict[str, _Stage] = {}  # the most recently updated is last
        self._idle, self._since = "starting", time.monotonic()  # printed while no stage runs
        self._said = self._since

    def __call__(self, stage: str, done: int, total: int) -> None:
        stage, _, note = stage.partition(NOTE)
        name = stage.partition(DETAIL)[0]
        with self._lock:
            now = time.monotonic()
            if name in SAID:
                self._line(stage, "")
                return
            running = self._running.pop(name, None) or _Stage(now, done)
            running.stage, running.done, running.total = stage, done, total
            if done < total:
                self._running[name] = running
            else:
                self._idle, self._since = f"after {name}", now
                if now - running.begun >= self._shortest:
                    self._line(_ended(name, total, now - running.begun), note)
        self.tick()

    def tick(self) -> None:
        """Print the progress, unless a line was printed in the last 30 s."""
        with self._lock:
            now = time.monotonic()
            if now - self._said < PERIOD_SECONDS:
                return
            latest = next(reversed(self._running.values()), None)
            self._line(_so_far(latest, now) if latest else f"{self._idle}: {duration_text(now - self._since)}", "")

    def _line(self, line: str, note: str) -> None:
        self._said = time.monotonic()
        self._say(line, note)


@contextmanager
def ticking(*lines: Lines, seconds: float = WAKE_SECONDS) -> Iterator[None]:
    """Tick from a thread while the block runs, so that a stage of one long step reports progress too."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            for each in lines:
                each.tick()

    thread = threading.Thread(target=beat, name="embgeo-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class ProgressLog:
    """A file of progress lines with UTC times. The first line creates it, so short work leaves no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made_folder = False

    def __call__(self, line: str, note: str) -> None:
        # failing to write the log must not stop the work
        with contextlib.suppress(OSError):
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True)
                self._made_folder = True
            with self.path.open("a", encoding="utf-8") as file:
                for text in filter(None, (line, note)):
                    file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")

    def keep(self, folder: Path) -> None:
        """Move the log into the finished run."""
        with contextlib.suppress(OSError):
            shutil.move(self.path, folder / LOG_FILE)

    def discard(self) -> None:
        """Remove the log, and its folder if the log created it."""
        with contextlib.suppress(OSError):
            self.path.unlink()
            if self._made_folder:
                self.path.parent.rmdir()


def _ended(name: str, total: int, seconds: float) -> str:
    counted = f"{total} in " if total > 1 else ""
    rate = rate_text(total / seconds) if counted and seconds else ""
    return f"{name}: {counted}{seconds:.1f} s{rate and ', '}{rate}"


def _so_far(running: _Stage, now: float) -> str:
    elapsed = now - running.begun
    if running.total <= 1:
        return f"{running.stage}: {duration_text(elapsed)}"
    text = f"{running.stage}: {running.done} of {running.total} in {duration_text(elapsed)}"
    moved = running.done - running.first
    if moved <= 0:
        return text
    return f"{text}, about {duration_text(elapsed / moved * (running.total - running.done))} left"


def rate_text(speed: float | None) -> str:
    """Items per second as progress shows them, "" when unknown."""
    if not speed:
        return ""
    return f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s"
