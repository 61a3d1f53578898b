"""Numbers, names and sentences as the terminal shows them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embgeo.reports import numbers

PLAIN = str.maketrans({numbers.MINUS: "-", numbers.NARROW: " "})


def figure(value: Any, ci: Any = None, places: int | None = None, signed: bool = False) -> str:
    """A number as reports show it, with an ASCII minus so that piped output can be parsed."""
    return numbers.number(value, ci, places, signed).translate(PLAIN)


def interval(ci: Any, places: int | None = None, signed: bool = False) -> str:
    """`low…high`, "" where there is no interval."""
    ends = numbers.bounds(ci)
    return "…".join(figure(end, ends, places, signed) for end in ends) if ends else ""


def size(count: Any) -> str:
    """Bytes in decimal units."""
    return numbers.byte_size(count).translate(PLAIN)


def plain(text: str, limit: int | None = None) -> str:
    """Text of strangers on one line: control and direction characters become spaces, at most `limit` long."""
    # Cc, Cf: escape sequences and bidi overrides would act on the terminal; Cs cannot be written at all
    harmless = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    line = " ".join(harmless.split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def name_of(entry: Any) -> str:
    """The name in a `model` or `dataset` entry of a result, "" where it has none."""
    if isinstance(entry, Mapping):
        entry = entry.get("name")
    return "" if entry is None else plain(str(entry))


def path_text(path: Path) -> str:
    """`path` relative to the working directory when it lies below it."""
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def title(result: Mapping[str, Any]) -> str:
    """One line: model, dataset, counts, similarity."""
    dataset = result.get("dataset")
    parts = [name_of(result.get("model")), name_of(dataset)]
    counts = dataset if isinstance(dataset, Mapping) else {}
    facts = [f"{counts[key]:,} {key}" for key in ("documents", "queries") if counts.get(key)]
    if result.get("similarity"):
        facts.append(str(result["similarity"]))
    return " × ".join(part for part in parts if part) + (f": {', '.join(facts)}" if facts else "")


def recommendation(result: Mapping[str, Any]) -> str:
    """The recommendation of a compress result, which words it itself, as one sentence."""
    return f"Recommended: {plain(str(result['recommendation']['reason'])).rstrip('.')}."
