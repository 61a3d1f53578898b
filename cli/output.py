"""Where output goes: results to stdout, progress and messages to stderr, JSON as --json says."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embgeo.cli.progress_lines import DETAIL, LONG_SECONDS, Lines, ProgressLog, rate_text, ticking
from embgeo.errors import StorageError
from embgeo.progress import NOTE, SAID, Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_WIDTH = 80
UNBOUNDED = 1000
SEPARATOR = " · "
BESIDE_A_BAR = 42  # columns for the shortest bar, the count, the rate and the time


class Output:
    """The output of one command, configured by --json, --quiet, --verbose and --debug.

    With `--json -` everything but the JSON goes to stderr, including what other libraries print.
    """

    def __init__(
        self, json_target: str | None = None, quiet: bool = False, verbose: bool = False, debug: bool = False
    ) -> None:
        if quiet and (verbose or debug):
            raise click.UsageError("--quiet cannot be combined with --verbose or --debug; give one of them")
        self.json_target = json_target
        self.quiet = quiet
        self.verbose = verbose or debug
        self.debug = debug
        self._stdout = sys.stdout

    @property
    def results(self) -> Console:
        """The console for what the user asked to see."""
        return _console(stderr=self.json_target == "-", quiet=self.quiet)

    @contextmanager
    def configured(self) -> Iterator[None]:
        """Configure logging, warnings and the output of other libraries while a command runs, then restore them."""
        with ExitStack() as stack:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")
            stack.enter_context(_logging(self._level()))
            if not self.verbose:
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                # read when transformers and huggingface_hub are imported
                stack.enter_context(_defaults(HF_HUB_DISABLE_PROGRESS_BARS="1", TRANSFORMERS_VERBOSITY="error"))
            if self.json_target == "-":
                self._stdout = sys.stdout
                stack.enter_context(redirect_stdout(sys.stderr))
            yield

    def _level(self) -> int:
        if self.quiet:
            return logging.ERROR
        return logging.DEBUG if self.debug else logging.INFO if self.verbose else logging.WARNING

    def show(self, *parts: RenderableType) -> None:
        """Print tables and paragraphs."""
        from rich.measure import Measurement

        console = self.results
        for part in parts:
            # a part wider than the terminal is wrapped by it: cropping would lose digits
            least = Measurement.get(console, console.options.update(width=UNBOUNDED), part).minimum
            console.width = max(console.width, least)
            if console.is_terminal:
                console.print(part, crop=False)
                continue
            # cells are padded to the column width; files and pipes get no trailing spaces
            with console.capture() as captured:
                console.print(part, crop=False)
            for line in captured.get().splitlines():
                self.line(line.rstrip())

    def line(self, text: str = "") -> None:
        """Print one line as it is: no markup, no wrapping, so that paths can be copied."""
        self.results.print(text, markup=False, highlight=False, soft_wrap=True)

    def sentence(self, text: str) -> None:
        """Print a sentence: wrapped between words on a terminal, one line elsewhere."""
        console = self.results
        console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)

    @contextmanager
    def progress(self, log: ProgressLog | None = None) -> Iterator[Progress]:
        """The progress callback: bars on a terminal, lines elsewhere, nothing with --quiet; also lines in `log`."""
        console = _console(stderr=True)
        drawn: list[Progress] = []
        lines = [] if log is None else [Lines(log)]
        with ExitStack() as stack:
            if sys.stderr.isatty() and not console.is_dumb_terminal and not self.quiet:
                drawn.append(stack.enter_context(Bars(console)))
            elif not self.quiet:
                lines.append(Lines(_lines_on(console), 0.0 if self.verbose else LONG_SECONDS))
            stack.enter_context(ticking(*lines))

            def report(stage: str, done: int, total: int) -> None:
                for each in (*drawn, *lines):
                    each(stage, done, total)

            yield report

    def json(self, result: Mapping[str, Any] | list[Any]) -> None:
        """Write the JSON that `--json` asked for, if it did."""
        if self.json_target is None:
            return
        from embgeo.files.jsontext import to_json_text

        text = to_json_text(result) + "\n"
        if self.json_target == "-":
            self._stdout.write(text)
            self._stdout.flush()
            return
        try:
            path = Path(self.json_target)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"--json must name a writable file; {self.json_target}: {error.strerror or error}"
            ) from error


class Bars:
    """Progress bars with rate and time left, one per stage, and below them the last note, shortened to the width."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="progress.data.speed"),
            TimeRemainingColumn(elapsed_when_finished=True, compact=True),
            console=console,
        )
        self._console = console
        self._note = ""
        self._tasks: dict[str, Any] = {}
        self._live = Live(console=console, refresh_per_second=10, get_renderable=self._drawn)

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        bars: RenderableType = self._bars
        if any(len(name) + BESIDE_A_BAR > self._console.width for name in self._tasks):
            bars = Group(
                *(
                    Text(f"{task.completed}/{task.total} {task.description}", no_wrap=True, overflow="ellipsis")
                    for task in self._bars.tasks
                )
            )
        if not self._note:
            return bars
        note = fitted_note(self._note, self._console.width)
        return Group(bars, Text(note, no_wrap=True, overflow="ellipsis"))

    def __call__(self, stage: str, done: int, total: int) -> None:
        stage, _, note = stage.partition(NOTE)
        self._note = note or self._note
        name = stage.partition(DETAIL)[0]
        if name in SAID:
            self._live.console.print(stage, markup=False, highlight=False)
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, rate="")
        task = self._tasks[name]
        fits = len(stage) + BESIDE_A_BAR <= self._console.width
        self._bars.update(task, completed=done, total=total, description=stage if fits and done < total else name)
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        self._bars.update(task, rate=rate_text(speed) if total > 1 else "")


def _lines_on(console: Console) -> Callable[[str, str], None]:
    def say(line: str, note: str) -> None:
        for text in (line, fitted_note(note, console.width)) if note else (line,):
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    return say


def fitted_note(note: str, width: int) -> str:
    """A note shortened to one line of `width`: parts between " · " are dropped evenly, but for the first and last."""
    parts = note.split(SEPARATOR)
    shown = parts
    for kept in range(len(parts) - 1, 1, -1):
        if len(SEPARATOR.join(shown)) <= width:
            break
        shown = [parts[round(place * (len(parts) - 1) / (kept - 1))] for place in range(kept)]
    line = SEPARATOR.join(shown)
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def _console(stderr: bool = False, quiet: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # piped output has one width, independent of the window, so that it can be compared and parsed
    piped = not stream.isatty()
    # COLUMNS=0 means unknown, as in shutil.get_terminal_size
    known = os.environ.get("COLUMNS", "").isdigit() and int(os.environ["COLUMNS"]) > 0
    width = None if known or not piped else PLAIN_WIDTH
    environ = os.environ if known else {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return Console(stderr=stderr, quiet=quiet, width=width, highlight=False, no_color=piped or None, _environ=environ)


@contextmanager
def _logging(level: int) -> Iterator[None]:
    logger = logging.getLogger("embgeo")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextmanager
def _defaults(**values: str) -> Iterator[None]:
    """Set environment variables during the block, unless the user has set them."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
