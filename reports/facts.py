"""Stored facts of any shape (protocol, environment, retrievability) as label–text pairs and small tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embgeo.reports.csvtext import file_names
from embgeo.reports.numbers import MISSING, bare, byte_size, count, duration, finite
from embgeo.reports.wording import LABELS

LONGEST_TABLE = 50


@dataclass(frozen=True)
class Fact:
    label: str
    text: str


@dataclass(frozen=True)
class FactTable:
    """Rows of a stored list of objects; `left_out` of them are not shown, `records` are all as they were stored."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    left_out: int
    records: list[Mapping[str, Any]]


def by_file_name(tables: list[FactTable], prefix: str) -> dict[str, FactTable]:
    """The tables under names for the page and for files, `prefix` and their captions."""
    return dict(zip(file_names(f"{prefix} {table.caption}" for table in tables), tables, strict=True))


def facts(entry: Any) -> list[Fact]:
    """Everything in `entry` but its lists of objects, one fact a leaf; nested names are joined."""
    if isinstance(entry, Mapping):
        return list(_walk(entry, ""))
    if isinstance(entry, list | tuple):
        return [Fact("", str(item)) for item in entry if not isinstance(item, Mapping | list)]
    return [] if entry is None else [Fact("", str(entry))]


def fact_tables(entry: Any) -> list[FactTable]:
    """Each list of objects directly in `entry` (hubs, unretrieved documents) as a table of at most 50 rows."""
    if not isinstance(entry, Mapping):
        return []
    return [_table(str(name), value) for name, value in entry.items() if _is_table(value)]


def leaf(name: str, value: Any) -> str:
    """One stored value as text, its unit taken from its name."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if finite(value) is not None:
        if name.endswith("bytes"):
            return byte_size(value)
        if name.endswith("seconds"):
            return duration(value)
        return count(value) if float(value) == int(value) else bare(value)
    if isinstance(value, list | tuple):
        return ", ".join(leaf(name, item) for item in value) or MISSING
    return str(value)


def label(name: str) -> str:
    """`never_retrieved` as `Never retrieved`; names that are words of their own (nDCG@10, faiss-cpu, k) stay.

    A few keys that say too little have words of their own.
    """
    if name in LABELS:
        return LABELS[name]
    words = name.replace("_", " ").strip()
    if len(words) < 2 or not words.islower() or "-" in words or "@" in words:
        return words
    words = " ".join(word.upper() if word in ("cpu", "gpu", "id", "ram", "qps") else word for word in words.split())
    return words[:1].upper() + words[1:]


def _walk(entry: Mapping[str, Any], prefix: str) -> Iterator[Fact]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{label(str(name))}: ")
        elif not _is_table(value):
            yield Fact(
                prefix + (label(str(name)) if not prefix else str(name).replace("_", " ")), leaf(str(name), value)
            )


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def _table(name: str, items: list[Mapping[str, Any]]) -> FactTable:
    keys = list(dict.fromkeys(str(key) for item in items[:LONGEST_TABLE] for key in item))
    rows = [[leaf(key, item.get(key)) for key in keys] for item in items[:LONGEST_TABLE]]
    return FactTable(label(name), [label(key) for key in keys], rows, max(0, len(items) - LONGEST_TABLE), items)
