"""Typed errors. Each message says what is required, what was found, where, and what to do.

The command line prints the message as one line and exits with `exit_code`; `--debug` shows the traceback.
A user error (a bad name, file or budget, a missing package, a full disk) is an `EmbgeoError` with exit code 2; an
unmet condition (`--strict`, `--fail-if`) exits with 3; any other exception is a bug in embgeo and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

TOO_LARGE = "these are too large. Divide documents and queries by one number, which leaves every ranking as it is"


class EmbgeoError(Exception):
    """Base class of all errors that embgeo raises deliberately."""

    exit_code = 2


class InputError(EmbgeoError, ValueError):
    """An argument, array or option cannot be used as given."""


class DataError(InputError):
    """A file is missing or malformed; the message names file and line."""


class UnknownNameError(InputError, LookupError):
    """A model, dataset, measure or codec of that name does not exist."""


class SpecError(InputError):
    """A codec spec cannot be parsed; the message points at the part."""


class BudgetError(InputError):
    """No codec fits the budget; the message gives the smallest reachable size."""


class MissingExtraError(EmbgeoError, ImportError):
    """An optional package is not installed; the message gives the pip command."""


class HubError(EmbgeoError):
    """A model or data hub could not be reached or does not have the name."""


class Undefined(ValueError):
    """A measure has no value on this space: the result stores the reason, and the other measures still run."""


class StorageError(EmbgeoError, OSError):
    """Writing or reading back failed: disk full, no permission, damaged file."""


class DeployError(EmbgeoError):
    """A store could not be reached, refused what it was asked, or does not hold what it was asked for."""


class EngineError(EmbgeoError):
    """What runs the tasks of a large corpus did not start, or a task failed again and again."""


class RunFormatError(EmbgeoError):
    """A run folder or store is damaged or was written by a newer embgeo."""


class CellsError(EmbgeoError):
    """Some cells of a grid failed; the others are written. The exit code is 1 if a bug in embgeo was a cause."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class GateError(EmbgeoError):
    """A condition that the user set (`--strict`, `--fail-if`) is not met. All results are written first."""

    exit_code = 3


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """For a name that does not exist: names that hold it and near matches first, then the whole list if short."""
    names = sorted(set(known))
    whole = [each for each in names if len(name) > 3 and name.casefold() in each.casefold()]  # a model without its ORG/
    near = [*sorted(whole, key=len), *difflib.get_close_matches(name, names, n=3, cutoff=0.65)]
    near = list(dict.fromkeys(near))[:3]
    message = f"unknown {kind} {name!r}"
    message += f"; did you mean {' or '.join(near)}?" if near else "."
    if len(names) <= 40:
        message += f" Known: {', '.join(names)}."
    if hint:
        message += f" {hint}"
    return UnknownNameError(message)
