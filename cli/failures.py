"""From exceptions to one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import click

from embgeo.errors import EmbgeoError

INTERRUPTED = 130
# what an interrupted command keeps for the next run
KEPT = {
    "analyze": "Texts encoded so far are kept",
    "compress": "Texts encoded and specs evaluated so far are kept",
    "grid": "Finished cells, and texts encoded and specs evaluated so far, are kept",
}
FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass
class State:
    """What the error handler needs to know about the options; `--debug` sets it while they are parsed."""

    debug: bool = False


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; only a pipe closed by the reader raises (SystemExit)."""
    from embgeo.cli.group import embgeo

    state = State()
    if "_EMBGEO_COMPLETE" in os.environ:
        from embgeo.cli.completion import switch_on

        switch_on()
    try:
        done = embgeo.main(list(arguments), prog_name="embgeo", standalone_mode=False, obj=state)
        return done if isinstance(done, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns EOFError into Abort too, but a truncated file is not Ctrl-C
        if isinstance(error.__cause__, EOFError):
            return report(error.__cause__, state)
        return say(interrupted(arguments), INTERRUPTED)
    except Exception as error:
        return report(error, state)


def interrupted(arguments: Sequence[str]) -> str:
    """What is kept, and the command that resumes."""
    kept = next((KEPT[word] for word in arguments if word in KEPT), "No partial result is kept")
    return f"interrupted. {kept}. To resume, run the same command again: {shlex.join(['embgeo', *arguments])}"


def report(error: BaseException, state: State) -> int:
    """Print one line for `error` (and its traceback under --debug); return the exit code."""
    if state.debug:
        traceback.print_exception(error)
    if isinstance(error, EmbgeoError):
        return say(str(error), error.exit_code)
    if isinstance(error, OSError) and error.errno in FULL | FORBIDDEN:
        return say(os_line(error), 2)
    return say(
        f"internal error: {type(error).__name__}: {error}. This is a bug in embgeo: run the command again with "
        "--debug and report the traceback.",
        1,
    )


def os_line(error: OSError) -> str:
    where = f" while writing {error.filename}" if error.filename else ""
    if error.errno in FULL:
        return (
            f"the disk is full{where}. Free some space, or write elsewhere with --out and EMBGEO_CACHE_DIR "
            "(`embgeo cache clear` empties the embedding cache)."
        )
    reason = os.strerror(error.errno or 0)
    at = f": {error.filename}" if error.filename else ""
    return f"{reason}{at}. Change its permissions, or write elsewhere with --out and EMBGEO_CACHE_DIR."


def say(message: str, code: int) -> int:
    """Print the message as one line on stderr; return the exit code."""
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(f"embgeo: {line}", file=sys.stderr, flush=True)
    return code
