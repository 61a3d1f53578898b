"""How an object of run.json becomes a frozen dataclass and back: the one place that guards against damaged fields.

A dataclass lists its fields with `stored(…)`: the key in the file, how a value is read, and, where it is shown, its
title, unit, digits and which end is better. What a file lacks, or holds in a form that cannot be read, is None (an
empty text, list or object); what this version does not know is kept and written again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Self

Interval = tuple[float, float]
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Shown:
    """How a field reads in tables: the same for HTML, terminal, CSV and pandas.

    Attributes
    ----------
    title : its heading; `short`, the one in the terminal's table, which has the fields with one.
    explain : a sentence on what it is.
    unit : "bytes", "share of float32"; "" for a plain number or a word.
    digits : decimals; None where the number itself, or its unit, decides. `signed` for a difference.
    better : "higher", "lower" or "".
    place : which column of the full table it is, from 1; 0 for none.
    interval : the key of the interval that stands beside it.
    words : it is text, no number.
    """

    title: str = ""
    explain: str = ""
    unit: str = ""
    digits: int | None = None
    better: str = ""
    short: str = ""
    place: int = 0
    interval: str = ""
    signed: bool = False
    words: bool = False

    @property
    def main(self) -> bool:
        """Whether it is shown unasked: what the terminal shows too, or what has an interval."""
        return bool(self.short or self.interval)


@dataclass(frozen=True)
class Field:
    """One declared field: its attribute, its key in the file, how it is read and shown.

    `optional` fields are left out of the file where they are None; the others are written as null. A comparison of
    runs keeps the `compared` fields of their rows.
    """

    name: str
    key: str
    read: Read
    optional: bool
    shown: Shown
    compared: bool


def stored(key: str, read: Read, shown: Shown | None = None, *, optional: bool = False, compared: bool = False) -> Any:
    """A field of a `Stored` dataclass, by default what `read` makes of nothing."""
    facts = (key, read, optional, shown or Shown(), compared)
    return field(default_factory=lambda: read(None), metadata={"stored": facts})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object of run.json.

    Attributes
    ----------
    keys : those that the file holds, in its order; None for an object that was not read from one.
    extra : what the file holds under keys that this version does not know.
    """

    keys: tuple[str, ...] | None = field(default=None, repr=False, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The object that `value` holds; an empty one where it is no object."""
        held = value if isinstance(value, Mapping) else {}
        known = cls.declared()
        return cls(
            **{each.name: each.read(held.get(each.key)) for each in known.values()},
            keys=tuple(held),
            extra={key: item for key, item in held.items() if key not in known},
        )

    def to_json(self) -> Any:
        """What the file holds: the declared keys in their order, or, of an object that was read, its own."""
        values = {
            each.key: _plain(getattr(self, each.name))
            for each in self.declared().values()
            if not (each.optional and getattr(self, each.name) is None)
        }
        values |= self.extra
        return values if self.keys is None else {key: values.get(key) for key in self.keys}

    @classmethod
    @cache
    def declared(cls) -> Mapping[str, Field]:
        """The fields by their keys."""
        found = [(each.name, each.metadata["stored"]) for each in fields(cls) if "stored" in each.metadata]
        return {key: Field(name, key, *rest) for name, (key, *rest) in found}

    def at(self, key: str) -> Any:
        """The value under a key of the file, declared or not; None without one."""
        known = self.declared()
        return getattr(self, known[key].name) if key in known else self.extra.get(key)


def _plain(value: Any) -> Any:
    """Objects as they are stored, tuples as lists."""
    if isinstance(value, Stored):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def finite(value: Any) -> float | None:
    """`value` as a float, or None when it is no finite number."""
    return None if (known := number(value)) is None else float(known)


def number(value: Any) -> Any:
    """`value` where it is a finite number, as it was stored (an int stays one); else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def interval(value: Any) -> Interval | None:
    """A stored [low, high], or None when it is not one."""
    if not isinstance(value, list | tuple) or len(value) != 2 or None in map(number, value):
        return None
    return value[0], value[1]


def text(value: Any) -> str:
    """`value` as text; "" for nothing."""
    return "" if value is None else str(value)


def some_text(value: Any) -> str | None:
    """`value` where it is text; else None, which stays out of the file or is null there."""
    return value if isinstance(value, str) else None


def flag(value: Any) -> bool | None:
    """True or False; None for anything else."""
    return value if isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """A stored object of free keys, as it is; an empty one where it is none."""
    return value if isinstance(value, Mapping) else {}


def some_mapping(value: Any) -> Mapping[str, Any] | None:
    """A stored object of free keys, as it is; None where it is none."""
    return value if isinstance(value, Mapping) else None


def amounts(value: Any) -> Mapping[str, Any]:
    """A stored object of numbers by free keys; what is none is None."""
    return {str(name): number(item) for name, item in value.items()} if isinstance(value, Mapping) else {}


def some_amounts(value: Any) -> Mapping[str, Any] | None:
    """A stored object of numbers by free keys; None where it is none."""
    return amounts(value) if isinstance(value, Mapping) else None


def texts(value: Any) -> list[str]:
    """The entries of a stored list as texts."""
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def some_texts(value: Any) -> list[str] | None:
    """The entries of a stored list as texts; None where it is none."""
    return texts(value) if isinstance(value, list | tuple) else None


def numbers(value: Any) -> list[Any]:
    """A stored list as numbers; what is missing stays None."""
    return [number(item) for item in value] if isinstance(value, list | tuple) else []


def some_numbers(value: Any) -> list[Any] | None:
    """A stored list as numbers; None where it is none."""
    return numbers(value) if isinstance(value, list | tuple) else None


def as_stored(value: Any) -> Any:
    """Anything, unread."""
    return value


def one(kind: type[Stored]) -> Read:
    """Reads an object, an empty one where there is none."""
    return kind.from_json


def maybe(kind: type[Stored]) -> Read:
    """Reads an object; None where there is none or it is empty."""
    return lambda value: kind.from_json(value) if isinstance(value, Mapping) and value else None


def listed(kind: type[Stored]) -> Read:
    """Reads the objects of a list; other entries are left out."""
    return lambda value: [kind.from_json(item) for item in objects(value)]


def each(kind: type[Stored]) -> Read:
    """Reads a list, each entry as an object; an empty one for an entry that is none."""
    return lambda value: [kind.from_json(item) for item in value] if isinstance(value, list | tuple) else []


def named(kind: type[Stored]) -> Read:
    """Reads an object of objects by name; None where it is none."""

    def read(value: Any) -> dict[str, Any] | None:
        return {str(name): kind.from_json(item) for name, item in value.items()} if isinstance(value, Mapping) else None

    return read


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects of a stored list, as they are."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []
