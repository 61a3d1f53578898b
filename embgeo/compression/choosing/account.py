"""The bytes of a vector as a store counts them: its codes, and all that the store writes around them.

An account is a pair of formulas that a store declares, with what they rest on. The sweep counts codes in embgeo's own
file; a table row, a page or a graph of another store may be several times as large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """One vector as a store keeps it.

    Attributes
    ----------
    name : the quantizer of the spec, such as `f16` or `binary`.
    width : coordinates.
    code_bytes : of the format that is searched.
    original_bytes : of the uncompressed vector beside it, 0 if none is kept.
    links : per document of a graph over the vectors, as `16` in `hnsw16`; 0 without a graph.
    lists : whether inverted lists hold the vectors.
    """

    name: str
    width: int
    code_bytes: int
    original_bytes: int
    links: int = 0
    lists: bool = False

    @property
    def scanned(self) -> bool:
        """Whether a search reads every vector."""
        return not self.links and not self.lists


@dataclass(frozen=True)
class Account:
    """How a store counts a vector.

    Attributes
    ----------
    hot : bytes per vector that a search reads, or that must be in memory for it.
    disk : everything per vector, on disk; in memory for a store that lives there.
    source : what the formulas rest on, and what they leave out.
    fixed_bytes : of a store without vectors.
    rows_at_once : space is taken for so many rows together.
    """

    hot: Callable[[Kept], float]
    disk: Callable[[Kept], float]
    source: str
    fixed_bytes: int = 0
    rows_at_once: int = 1

    def of(self, kept: Kept) -> Footprint:
        """What the store needs for vectors that it keeps like this."""
        hot, disk = round(self.hot(kept)), round(self.disk(kept))
        return Footprint(hot, disk, self.fixed_bytes, self.rows_at_once)


@dataclass(frozen=True)
class Footprint:
    """What a store needs: per vector while searching (`hot_bytes`) and in all (`disk_bytes`), and without vectors."""

    hot_bytes: int
    disk_bytes: int
    fixed_bytes: int = 0
    rows_at_once: int = 1

    def growing_bytes(self, vectors: int) -> int:
        """All that `vectors` vectors take, without `fixed_bytes`."""
        return math.ceil(vectors / self.rows_at_once) * self.rows_at_once * self.disk_bytes

    def whole_bytes(self, vectors: int) -> int:
        """The whole store of `vectors` vectors."""
        return self.growing_bytes(vectors) + self.fixed_bytes


CODES_ALONE = Account(
    lambda kept: kept.code_bytes,
    lambda kept: kept.code_bytes + kept.original_bytes,
    "codes and originals alone: what the store adds to them is not known",
)
