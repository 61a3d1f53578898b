"""Rows as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """One line a record, columns in the order they first appear; intervals become two columns, null an empty cell.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    flat = [_flat(record) for record in records]
    columns = list(dict.fromkeys(key for record in flat for key in record))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    if columns:
        writer.writeheader()
        writer.writerows(flat)
    return out.getvalue()


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if (key == "ci" or key.endswith("_ci")) and (value is None or (isinstance(value, list) and len(value) == 2)):
            flat[f"{key}_low"], flat[f"{key}_high"] = ("", "") if value is None else value
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
