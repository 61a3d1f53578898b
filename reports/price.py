"""What the recommended store costs, in the user's own price; nothing without one."""

from __future__ import annotations

from typing import Any

from embgeo.reports.numbers import bare, byte_size, count, finite, number
from embgeo.results.compress import Price


def price_sentence(price: Price | None) -> str:
    """`At 0.25 per GB, 100 million vectors cost 5.00 instead of 38.40.`, and what it is computed from; "" without."""
    if price is None or None in (price.per_gb, price.cost, price.float32_cost, price.vectors):
        return ""
    if price.ram_bytes is None or price.float32_ram_bytes is None:
        return ""
    measured = price.measured_at
    scaled = f", measured at {count(measured)} vectors and scaled" if measured and measured != price.vectors else ""
    return (
        f"At {bare(price.per_gb)} per GB, {amount(price.vectors)} vectors cost {money(price.cost)} instead of "
        f"{money(price.float32_cost)}. That is the RAM that a search holds, {byte_size(price.ram_bytes)} instead "
        f"of {byte_size(price.float32_ram_bytes)}{scaled}; GB = 10⁹ bytes, ids are not counted."
    )


def amount(vectors: Any) -> str:
    """`100 million`, `5,183`."""
    x = finite(vectors)
    return f"{number(x / 1e6)} million" if x is not None and x >= 1e6 else count(x)


def money(value: Any) -> str:
    """Two decimals, more where they would show nothing."""
    x = finite(value)
    return number(x, places=2) if x is None or x == 0 or x >= 0.1 else number(x)
