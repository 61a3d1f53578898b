"""The cost of a recommendation at a given price per GB: the RAM of its search at the planned size."""

from __future__ import annotations

import math
from dataclasses import replace

from embgeo.compression.judging.finding import Finding
from embgeo.errors import InputError
from embgeo.results.compress import Price

GB = 1e9


def check_price(price: float | None) -> None:
    """InputError unless the price is None or a finite number of at least 0."""
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise InputError(f"--price-per-gb must be a finite number of at least 0; got {price}")


def ram_at(store: Finding, documents: int, vectors: int) -> float:
    """RAM bytes of searching `vectors` vectors: measured at `documents` and scaled, constants counted once."""
    constant = min(store.constant_bytes, store.ram_bytes)
    return float((store.ram_bytes - constant) / documents * vectors + constant)


def price_account(best: Finding, baseline: Finding, documents: int, vectors: int, price_per_gb: float) -> Price:
    """Cost of the recommended store and of float32 at `vectors` vectors, measured at `documents`; no currency.

    `price_per_gb` is per 10⁹ bytes, over any period. Ids are not counted.
    """
    ours, theirs = (ram_at(store, documents, vectors) for store in (best, baseline))
    return replace(price_of(ours, theirs, vectors, price_per_gb), measured_at=documents)


def price_of(ours: float, theirs: float, vectors: int, price_per_gb: float) -> Price:
    """The cost of so many bytes of RAM for `vectors` vectors, beside those of float32."""
    return Price(
        per_gb=price_per_gb,
        vectors=vectors,
        ram_bytes=ours,
        float32_ram_bytes=theirs,
        cost=price_per_gb * ours / GB,
        float32_cost=price_per_gb * theirs / GB,
    )
