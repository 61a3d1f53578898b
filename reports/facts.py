"""Stored facts of any shape (protocol, environment, retrievability) as label–text pairs and small tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from embgeo.reports.blocks import Cell, Column, Data, Fact, Foreign, RowGroup, Table, TableRow
from embgeo.reports.drawing.csv import file_names
from embgeo.reports.numbers import MISSING, bare, byte_size, count, duration, finite

MAX_ROWS = 50
MAX_WORD = 16  # characters of a cell that is not broken
# stored keys that need more words
LABELS = {
    "gini": "Gini coefficient (0: all found equally often)",
    "gini_found": "Gini among those found at least once",
    "gini_random": "Gini of random results",
    "never_retrieved": "Share of documents never found",
    "never_retrieved_random": "The same for random results",
    "most_retrieved": "Documents found by the most queries",
    "never_retrieved_documents": "Documents found by no query (the first ones)",
    "out_of_sample": "Out of sample",
    "fit_rows": "Documents trained on",
    "fit_rows_most": "Documents trained on at most",
    "document_overlap@10": "Ten nearest documents kept",
    "probes": "Documents probed",
    "reachable@100": "Documents that the queries can reach",
    "newly_unreachable": "No longer reachable",
    "batch_size": "Texts per batch",
    "cpu_count": "CPU cores",
    "memory_bytes": "Memory",
}


def facts(entry: Any) -> list[Fact]:
    """Everything in `entry` except lists of objects, one fact per leaf; nested names are joined."""
    if isinstance(entry, Mapping):
        return list(_walk(entry, ""))
    if isinstance(entry, list | tuple):
        return [Fact("", str(item)) for item in entry if not isinstance(item, Mapping | list)]
    return [] if entry is None else [Fact("", str(entry))]


def fact_tables(named: Iterable[tuple[str, Any]], prefix: str) -> list[Table]:
    """Each list of objects (hubs, unretrieved documents) among named values as a table of at most 50 rows.

    Their names, on the page and as files, are made from `prefix` and their captions.
    """
    found = [(label(str(name)), items) for name, items in named if _is_table(items)]
    names = file_names(f"{prefix} {caption}" for caption, _ in found)
    return [_table(name, *each) for name, each in zip(names, found, strict=True)]


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
    """`never_retrieved` as `Never retrieved`; names that are proper names or symbols (nDCG@10, faiss-cpu, k) stay.

    A few keys have longer labels.
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
            words = str(name).replace("_", " ") if prefix else label(str(name))
            yield Fact(prefix + words, leaf(str(name), value))


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def _table(name: str, caption: str, items: list[Mapping[str, Any]]) -> Table:
    keys = list(dict.fromkeys(str(key) for item in items[:MAX_ROWS] for key in item))
    rows = [TableRow([_cell(leaf(key, item.get(key))) for key in keys]) for item in items[:MAX_ROWS]]
    more = max(0, len(items) - MAX_ROWS)
    columns = [Column(label(key)) for key in keys]
    return Table(name, f"{caption}, {name}", columns, [RowGroup(rows)], caption, Data(name, caption, items), more)


def _cell(text: str) -> Cell:
    return Cell(Foreign(text, 300), style="nowrap" if len(text) <= MAX_WORD else "")
