"""Parts of a stored result as what they should be: whatever a damaged file holds in their place is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]


def entry(value: Any) -> Entry:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def entries(value: Any) -> list[Entry]:
    """The objects of a list; nothing where it is none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
