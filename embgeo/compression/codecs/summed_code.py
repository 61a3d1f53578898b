"""Codes whose product with a query is a sum over levels, one for each coordinate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Asked = tuple[np.ndarray, np.ndarray, np.ndarray]
LEVELS = 256


@dataclass(frozen=True)
class Blocks:
    """Scales of blocks of consecutive coordinates, which have the same bits.

    Attributes
    ----------
    size : coordinates of a block, a multiple of 8; the last block may have fewer.
    values : (256,) float32, the scale of each byte.
    codes : codes (n, b) → (n, ⌈r / size⌉) uint8.
    """

    size: int
    values: np.ndarray
    codes: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SummedCode:
    """⟨z, decoded⟩ = constant(z) + along(z) · offset + factor · Σ_j weight_j(z) · tables[j, level_j].

    Factor and offset are a row's own numbers, the rest depends on the query. In a code of blocks each level's value is
    multiplied by the scale of the row's block.

    Attributes
    ----------
    bits : (r,) integers, bits of each coordinate's level, 0 to 8; one of 0 bits always has level 0.
    tables : (r, 256) float32, the value of each level.
    levels : codes (n, b) → (n, r) uint8.
    numbers : codes (n, b) → (n, 2) float32, factor and offset; None: 1 and 0.
    queries : Z (m, r) → weights (m, r), along (m,) and constant (m,), float32; None: Z, 0 and 0.
    blocks : the scales of blocks of coordinates; None: there are none.
    """

    bits: np.ndarray
    tables: np.ndarray
    levels: Callable[[np.ndarray], np.ndarray]
    numbers: Callable[[np.ndarray], np.ndarray] | None = None
    queries: Callable[[np.ndarray], Asked] | None = None
    blocks: Blocks | None = None

    def ask(self, Z: np.ndarray) -> Asked:
        """Weights (m, r), along (m,) and constant (m,) of the queries Z (m, r)."""
        if self.queries is not None:
            return self.queries(Z)
        nothing = np.zeros(len(Z), np.float32)
        return np.ascontiguousarray(Z, np.float32), nothing, nothing


def with_factors(factors: np.ndarray) -> np.ndarray:
    """(n, 2) float32: `factors` (n,) and offsets of 0."""
    return np.stack([factors, np.zeros_like(factors)], axis=1).astype(np.float32)
