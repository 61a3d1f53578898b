"""The command line: one file per command in `commands`, imported when it is used; it only calls the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `embgeo` with `arguments` (default: those of the process) and exit with its code."""
    import sys

    from embgeo.cli.failures import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
