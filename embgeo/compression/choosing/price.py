"""What a recommendation costs where the user names a price: the RAM that a search holds, at the planned size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from embgeo.errors import InputError

GB = 1e9


def check_price(price: float | None) -> None:
    """InputError unless the price is None or a finite number of at least 0."""
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise InputError(f"--price-per-gb must be a finite number of at least 0; got {price}")


def ram_at(row: Mapping[str, Any], documents: int, vectors: int) -> float:
    """RAM bytes of a row's search at `vectors` vectors: what it held at `documents`, scaled, its constants once.

    >>> ram_at({"ram_bytes": 1_100, "constant_bytes": 100}, documents=10, vectors=1_000)
    100100.0
    """
    constant = min(row["constant_bytes"], row["ram_bytes"])
    return float((row["ram_bytes"] - constant) / documents * vectors + constant)


def price_account(
    best: Mapping[str, Any], baseline: Mapping[str, Any], documents: int, vectors: int, price_per_gb: float
) -> dict[str, Any]:
    """Cost of the recommended row and of float32 at `vectors` vectors; JSON values, no currency.

    Keys: `per_gb` (of 10⁹ bytes, for whatever period the price is for), `vectors`, `measured_at` (vectors),
    `ram_bytes`, `float32_ram_bytes`, `cost`, `float32_cost`. Ids are not counted.
    """
    ours, theirs = (ram_at(row, documents, vectors) for row in (best, baseline))
    return {
        "per_gb": price_per_gb,
        "vectors": vectors,
        "measured_at": documents,
        "ram_bytes": ours,
        "float32_ram_bytes": theirs,
        "cost": price_per_gb * ours / GB,
        "float32_cost": price_per_gb * theirs / GB,
    }
