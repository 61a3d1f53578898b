"""The minimum spanning tree of a distance matrix: every H0 bar of the Rips filtration dies at one of its edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from embgeo.errors import InputError


@dataclass(frozen=True)
class SpanningTree:
    """A minimum spanning tree of n points.

    Attributes
    ----------
    edges : (n − 1, 2) int64 rows of the points that each edge joins, shortest edge first.
    lengths : (n − 1,) float32 edge lengths, ascending: the deaths of the finite H0 bars, all born at 0.
    """

    edges: np.ndarray
    lengths: np.ndarray


def minimum_spanning_tree(D: np.ndarray, members: np.ndarray | None = None) -> SpanningTree:
    """Prim's algorithm on a dense matrix, O(n²) time and O(n) memory besides the matrix (n = 5,182: 0.07 s).

    Parameters
    ----------
    D : (n, n) float32 symmetric distances.
    members : rows to span, all different; None spans all. The submatrix is never copied, so that the trees of many
        subsamples cost one distance matrix.

    A spanning tree need not be unique under ties; its sorted lengths are.
    """
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"distances must be a square matrix; got shape {D.shape}")
    rows = np.arange(len(D)) if members is None else np.asarray(members, dtype=np.int64)
    if len(rows) < 2:
        return SpanningTree(np.empty((0, 2), np.int64), np.empty(0, np.float32))
    if rows.min() < 0 or rows.max() >= len(D):
        raise InputError(f"members must be rows of the matrix, 0 to {len(D) - 1}; got {rows.min()} to {rows.max()}")
    edges, lengths = _prim()(np.ascontiguousarray(D, dtype=np.float32), rows)
    order = np.argsort(lengths, kind="stable")
    return SpanningTree(edges[order], lengths[order])


@cache
def _prim() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def prim(D: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = len(members)
        outside = members.copy()  # points not yet in the tree fill the first `left` places
        nearest = np.full(n, np.inf, np.float32)  # their distance to the tree
        link = np.empty(n, np.int64)  # the tree point at that distance
        edges = np.empty((n - 1, 2), np.int64)
        lengths = np.empty(n - 1, np.float32)
        newest = outside[0]
        left = n - 1
        outside[0] = outside[left]
        for step in range(n - 1):
            row = D[newest]
            best = np.float32(np.inf)
            place = 0
            for j in range(left):
                distance = row[outside[j]]
                if distance < nearest[j]:
                    nearest[j] = distance
                    link[j] = newest
                else:
                    distance = nearest[j]
                if distance < best:
                    best = distance
                    place = j
            edges[step, 0] = link[place]
            edges[step, 1] = outside[place]
            lengths[step] = nearest[place]
            newest = outside[place]
            left -= 1
            outside[place] = outside[left]
            nearest[place] = nearest[left]
            link[place] = link[left]
        return edges, lengths

    return prim
