"""The relative neighbourhood graph: counts the loops (H1 bars) of a point cloud without building triangles.

Two points are relative neighbours when no third one lies in their lune, that is, is closer to both than they are to
each other. In the Rips filtration an edge enters at its length d. With a point inside its lune it is filled at once
and gives birth to nothing. With an empty lune, boundary included, no triangle holds it at scale d: it either merges
two components (n − 1 edges do) or gives birth to an H1 bar that lives on past d. So, whatever other ties there are,

    number of H1 bars = |RNG| − (n − 1)

as long as no edge has an empty open lune with a point exactly on its boundary. Such an edge is a *tie* here: it forms
triangles with other edges of its own length, which `tied_lunes.py` resolves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from embgeo.errors import InputError
from embgeo.space.blocks import in_threads

HUBS = 8  # central points tried first as witnesses against all edges of a row
NEAREST = 16  # then neighbours of the row
ROWS_AT_ONCE = 64
TIES_KEPT = 20_000  # of a block of rows


@dataclass(frozen=True)
class LuneCount:
    """How many edges of a distance matrix have an empty open lune (`edges`), and how many of those are ties.

    `tied` holds the ties as (ties, 2) rows, or fewer of them when a block of rows had more than TIES_KEPT.
    """

    edges: int
    ties: int
    tied: np.ndarray


def count_relative_neighbours(D: np.ndarray, near: np.ndarray | None = None) -> LuneCount:
    """Count the edges of the relative neighbourhood graph of distinct points.

    `D` is (n, n) float32, symmetric, zero on the diagonal and positive elsewhere. Comparisons are exact: the count is
    that of this matrix, as a persistence program would read it. `near`, (n, k) neighbours of each row, saves time.

    Nearly every edge has one of a few witnesses in its lune (the most central points, the row's nearest neighbours),
    which leaves a few edges a row for a full scan: about n² · 12 comparisons, O(n³) at worst (n = 5,000: 0.17 s on one
    core). O(n) memory besides the matrix.
    """
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"distances must be a square matrix; got shape {D.shape}")
    n = len(D)
    if n < 2:
        return LuneCount(0, 0, np.empty((0, 2), np.int64))
    D = np.ascontiguousarray(D, dtype=np.float32)
    near = np.empty((n, 0), np.int64) if near is None else np.ascontiguousarray(near[:, :NEAREST])
    hubs = np.argsort(D.sum(axis=0), kind="stable")[:HUBS]
    kernel = _lunes()

    def count(block: slice) -> tuple[int, int, np.ndarray]:
        tied = np.empty((TIES_KEPT, 2), np.int64)
        edges, ties = kernel(D, hubs, near, block.start, block.stop, tied)
        return edges, ties, tied[:ties].copy()

    # compiled before the threads start; they share small blocks, because early rows hold more pairs than late ones
    counts = [count(slice(0, 1))]
    blocks = [slice(start, min(start + ROWS_AT_ONCE, n)) for start in range(1, n, ROWS_AT_ONCE)]
    counts += in_threads(count, blocks)
    edges, ties, tied = zip(*counts, strict=True)
    return LuneCount(sum(edges), sum(ties), np.concatenate(tied))


@cache
def _lunes() -> Callable[..., Any]:
    from numba import njit

    # reassociation of max and min only: no sum is taken, so that comparisons stay exact
    @njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
    def lunes(
        D: np.ndarray, hubs: np.ndarray, near: np.ndarray, first: int, stop: int, tied: np.ndarray
    ) -> tuple[int, int]:
        n = D.shape[0]
        alive = np.empty(n, np.int64)
        lowest = np.empty(n, np.float32)
        edges = 0
        ties = 0
        for i in range(first, stop):
            Di = D[i]
            later = lowest[i + 1 :]  # slices, since indices that may be negative keep a loop from being vectorised
            later[:] = np.inf
            for witness in range(len(hubs) + near.shape[1]):
                k = hubs[witness] if witness < len(hubs) else near[i, witness - len(hubs)]
                from_k = D[k, i + 1 :]
                dk = Di[k]
                for j in range(len(later)):
                    later[j] = min(later[j], max(dk, from_k[j]))
            left = 0
            for j in range(i + 1, n):
                alive[left] = j
                left += not (lowest[j] < Di[j])
            for a in range(left):
                j = alive[a]
                Dj = D[j]
                d = Di[j]
                inside = 0
                within = 0
                for start in range(0, n, 256):
                    one = Di[start : start + 256]
                    other = Dj[start : start + 256]
                    for k in range(len(one)):
                        farther = max(one[k], other[k])
                        inside += farther < d
                        within += farther <= d
                    if inside > 0:
                        break
                if inside > 0:
                    continue
                edges += 1
                if within > 2:  # i and j themselves, and a point on the boundary
                    if ties < len(tied):
                        tied[ties, 0] = i
                        tied[ties, 1] = j
                    ties += 1
        return edges, ties

    return lunes
