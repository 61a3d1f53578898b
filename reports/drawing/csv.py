"""The tables of a page as CSV for a spreadsheet: rows of raw values, in the order of the page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from embgeo.results import Row

# units of columns that are not fields of a row
UNITS = {
    "flat_qps": "queries/s",
    "qps_range": "queries/s",
    "relative_bytes": "share of float32",
    "relative_quality": "share of float32",
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def file_names(titles: Iterable[str]) -> list[str]:
    """A name of small letters, digits and hyphens for each title; equal ones are numbered."""
    names: list[str] = []
    for title in titles:
        name = re.sub(r"[^a-z0-9]+", "-", title.lower())[:60].strip("-") or "untitled"
        taken = sum(other == name or other.startswith(f"{name}~") for other in names)
        names.append(f"{name}~{taken + 1}" if taken else name)
    return [name.replace("~", "-") for name in names]


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """One line a record, columns in the order they first appear; intervals become two columns, null an empty cell.

    The header adds the unit to names that lack it: `qps [queries/s]`.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    flat = [_flat(record) for record in records]
    columns = list(dict.fromkeys(key for record in flat for key in record))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    if columns:
        writer.writerow({column: _header(column) for column in columns})
        writer.writerows(flat)
    return out.getvalue()


def _header(column: str) -> str:
    """The column's name, with its unit unless the name has it (…_bytes, …_seconds, …_ms)."""
    name = re.sub("_(ci_)?(low|high)$", "", column)
    unit = UNITS.get(name) or (known[name].shown.unit if name in (known := Row.declared()) else "")
    return f"{column} [{unit}]" if unit and unit not in name else column


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if (key == "ci" or key.endswith("_ci")) and (value is None or (isinstance(value, list) and len(value) == 2)):
            flat[f"{key}_low"], flat[f"{key}_high"] = ("", "") if value is None else value
        elif isinstance(value, Mapping) and set(value) == {"name", "reason"}:
            flat[key], flat[f"{key}_reason"] = _cell(value["name"]), _cell(value["reason"])
        else:
            flat[key] = _cell(value)
    return flat


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value)
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        return "'" + value if value.startswith(FORMULA) else value
    return "" if value is None else value
