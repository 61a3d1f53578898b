"""What the recommended store costs, in the user's own price; nothing without one."""

from __future__ import annotations

from typing import Any

from embgeo.reports.numbers import bare, byte_size, count, finite, number
from embgeo.reports.stored import entry


def price_sentence(stored: Any) -> str:
    """`At 0.25 per GB, 100 million vectors cost 5.00 instead of 38.40.`, and what it is computed from; "" without."""
    price = entry(stored)
    keys = ("per_gb", "vectors", "cost", "float32_cost", "ram_bytes", "float32_ram_bytes")
    known = {key: finite(price.get(key)) for key in keys}
    if any(value is None for value in known.values()):
        return ""
    measured = finite(price.get("measured_at"))
    scaled = f", measured at {count(measured)} vectors and scaled" if measured and measured != known["vectors"] else ""
    return (
        f"At {bare(known['per_gb'])} per GB, {amount(known['vectors'])} vectors cost {money(known['cost'])} instead of "
        f"{money(known['float32_cost'])}. That is the RAM that a search holds, {byte_size(known['ram_bytes'])} instead "
        f"of {byte_size(known['float32_ram_bytes'])}{scaled}; GB = 10⁹ bytes, ids are not counted."
    )


def amount(vectors: Any) -> str:
    """`100 million`, `5,183`."""
    x = finite(vectors)
    return f"{number(x / 1e6)} million" if x is not None and x >= 1e6 else count(x)


def money(value: Any) -> str:
    """Two decimals, more where they would show nothing."""
    x = finite(value)
    return number(x, places=2) if x is None or x == 0 or x >= 0.1 else number(x)
