"""Numbers, names and sentences as the terminal shows them."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MISSING = "–"


def figure(value: float | None, digits: int = 4) -> str:
    """`value` with `digits` significant digits, never in a form longer than 10 characters; – for none."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 10**digits:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{decimals}f}"
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e7 else f"{value:.{digits - 1}g}"


def fixed(value: float | None, decimals: int = 4, sign: bool = False) -> str:
    """`value` with fixed decimals, with + or - when `sign`; – for none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:{'+' if sign else ''}.{decimals}f}"


def interval(bounds: Sequence[float | None] | None, decimals: int | None = None, sign: bool = False) -> str:
    """`low…high` in the format of the value beside it; – where there is no interval."""
    if bounds is None or any(bound is None for bound in bounds):
        return MISSING
    low, high = (figure(b) if decimals is None else fixed(b, decimals, sign) for b in bounds)
    return f"{low}…{high}"


def byte_text(count: float | None) -> str:
    """Bytes with a decimal unit (GB = 10⁹), three digits: 96 B, 20.3 kB, 154 GB."""
    if count is None or not math.isfinite(count):
        return MISSING
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


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
    """The recommendation of a compress result in one sentence with its numbers."""
    row = result.get("recommendation")
    if not row:
        return "No recommendation: no spec meets the budget and what is to be kept."
    size = f"{figure(row.get('bytes_per_vector'))} bytes per vector"
    if row.get("ratio"):
        size += f", a store {figure(row['ratio'], 3)} times smaller than float32"
    quality = row.get("ndcg@10")
    if quality is not None:
        kept = f"nDCG@10 {fixed(quality)}"
        if row.get("difference") is not None:
            kept += f", {fixed(row['difference'], sign=True)} against float32"
        if row.get("difference_ci"):
            kept += f" (95 % interval {interval(row['difference_ci'], 4, sign=True)})"
    else:
        kept = f"{fixed(row.get('recall@10_exact'), 3)} of the ten exact neighbours found (no relevance judgements)"
    return f"Recommended: {row['spec']}: {size}; {kept}."
