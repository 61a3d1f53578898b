"""How an object of run.json becomes a frozen dataclass and back: the one place that guards against damaged fields.

A class lists its fields; their types say how values are read. `stored(…)` says more: another key in the file, and, if
the field is shown, its title, unit, digits and which end is better. What is missing or unreadable in a file is None (or
an empty text, list or object); keys that this version does not know are kept and written again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, partial
from types import UnionType
from typing import Any, Self, dataclass_transform, get_args, get_origin, get_type_hints

Interval = tuple[float, float]
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Shown:
    """How a field reads in tables: the same for HTML, terminal, CSV and pandas.

    Attributes
    ----------
    title : its heading; `short`, the one in the terminal's table, which shows only fields that have one.
    explain : a sentence on what it is.
    unit : "bytes", "share of float32"; "" for a plain number or a word.
    digits : decimals; None where the number itself, or its unit, decides. `signed` for a difference.
    better : "higher", "lower" or "".
    place : which column of the full table it is, from 1; 0 for none.
    interval : the key of the interval shown beside it.
    words : it is text, not a number.
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
        """Whether it is shown by default: what the terminal shows too, or what has an interval."""
        return bool(self.short or self.interval)


@dataclass(frozen=True)
class Field:
    """One declared field: its attribute, its key in the file, how it is read and shown.

    `optional` fields are left out of the file if they are None; the others are written as null. A comparison of runs
    stores the `compared` ones.
    """

    name: str
    key: str
    read: Read
    optional: bool
    shown: Shown
    compared: bool


def stored(
    shown: Shown | None = None,
    *,
    key: str | None = None,
    read: Read | None = None,
    optional: bool = False,
    compared: bool = False,
) -> Any:
    """A field of a `Stored` class; `key` if it differs from the name, `read` if it differs from the type's reader."""
    return key, read, optional, shown or Shown(), compared


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object of run.json; its subclasses are frozen dataclasses whose defaults are what an empty object gives.

    Attributes
    ----------
    keys : those that the file holds, in its order; None for an object that was not read from one.
    extra : what the file holds under keys that this version does not know.
    """

    keys: tuple[str, ...] | None = field(default=None, repr=False, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __init_subclass__(cls) -> None:
        kinds = get_type_hints(cls)
        for name in cls.__annotations__:
            told = getattr(cls, name)
            key, read, *more = told if isinstance(told, tuple) else stored()
            declared = Field(name, key or name, read or reader(kinds[name]), *more)
            setattr(cls, name, field(default_factory=partial(declared.read, None), metadata={"stored": declared}))
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The object that `value` holds; an empty one if it is not an object."""
        held = value if isinstance(value, Mapping) else {}
        known = cls.declared()
        return cls(
            **{each.name: each.read(held.get(each.key)) for each in known.values()},
            keys=tuple(held),
            extra={key: item for key, item in held.items() if key not in known},
        )

    def to_json(self) -> Any:
        """What the file holds: the declared keys in order, or, for an object that was read, its own keys."""
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
        known = [each.metadata["stored"] for each in fields(cls) if "stored" in each.metadata]
        return {each.key: each for each in known}

    def at(self, key: str) -> Any:
        """The value of a key in the file, declared or not; None if it is missing."""
        known = self.declared()
        return getattr(self, known[key].name) if key in known else self.extra.get(key)


def _plain(value: Any) -> Any:
    """Objects in their stored form, tuples as lists."""
    if isinstance(value, Stored):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def finite(value: Any) -> float | None:
    """`value` as a float, or None if it is not a finite number."""
    return None if (known := number(value)) is None else float(known)


def number(value: Any) -> Any:
    """`value` if it is a finite number, as stored (an int stays an int); else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def interval(value: Any) -> Interval | None:
    """A stored [low, high], or None if it is not one."""
    if not isinstance(value, list | tuple) or len(value) != 2 or None in map(number, value):
        return None
    return value[0], value[1]


def mapping(value: Any) -> Mapping[str, Any]:
    """A stored object with arbitrary keys, unchanged; an empty one if it is not an object."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> Sequence[Any]:
    """A stored list, unchanged; an empty one if it is not a list."""
    return value if isinstance(value, list | tuple) else []


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects of a stored list, unchanged."""
    return [item for item in listed(value) if isinstance(item, Mapping)]


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


SCALARS: Mapping[Any, Read] = {int: number, float: number, bool: _flag, Interval: interval, Any: lambda value: value}


def reader(kind: Any) -> Read:
    """How a value of this type is read: a value of another kind becomes None for `X | None`, and empty for X.

    Numbers and flags become None in both cases, as does an object without keys for `X | None`.
    """
    some = isinstance(kind, UnionType)
    held = get_args(kind)[0] if some else kind
    if held in SCALARS:
        return SCALARS[held]
    form: Any
    read: Read
    parts = get_args(held)
    if held is str:
        form, read = str, _text
    elif get_origin(held) is list:
        form, read = list | tuple, _listed(parts[0])
    elif parts:
        form, read = Mapping, _named(reader(parts[1]))
    else:
        return (lambda value: held.from_json(value) if mapping(value) else None) if some else held.from_json
    return (lambda value: read(value) if isinstance(value, form) else None) if some else read


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _listed(kind: Any) -> Read:
    """Reads the entries of a list; in a list of objects, entries that are not objects are left out."""
    if isinstance(kind, type) and issubclass(kind, Stored):
        return lambda value: [kind.from_json(item) for item in objects(value)]
    read = str if kind is str else reader(kind)
    return lambda value: [read(item) for item in listed(value)]


def _named(read: Read) -> Read:
    """Reads the entries of an object with arbitrary keys."""
    return lambda value: {str(name): read(item) for name, item in mapping(value).items()}
