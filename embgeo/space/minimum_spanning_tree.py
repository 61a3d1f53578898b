"""The minimum spanning tree of a distance matrix: every H0 bar of the Rips filtration dies at one of its edges."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from embgeo.errors import InputError


def tree_lengths(
    D: np.ndarray, members: np.ndarray | None = None, neighbours: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """(n − 1,) float32 ascending edge lengths of the minimum spanning tree: deaths of the H0 bars, all born at 0.

    Borůvka's algorithm: each component but the largest is joined along its shortest edge outwards. The rows' lists give
    that edge, unless one lies inside and ends before; then the row is read (n = 5,000: 0.002 s, 4 rows read; 0.1 s or
    more without lists, O(n² log n)). O(n) memory besides the matrix.

    Parameters
    ----------
    D : (n, n) float32 symmetric distances.
    members : rows to span, all different; None spans all. The submatrix is never copied, so that the trees of many
        subsamples cost one distance matrix.
    neighbours : (n, k) ascending distances of D and their columns, the nearest of each row without itself.

    A spanning tree need not be unique under ties; its lengths are.
    """
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"distances must be a square matrix; got shape {D.shape}")
    rows = np.arange(len(D)) if members is None else np.asarray(members, dtype=np.int64)
    if len(rows) < 2:
        return np.empty(0, np.float32)
    if rows.min() < 0 or rows.max() >= len(D):
        raise InputError(f"members must be rows of the matrix, 0 to {len(D) - 1}; got {rows.min()} to {rows.max()}")
    D = np.ascontiguousarray(D, dtype=np.float32)
    if neighbours is None:
        return np.sort(_prim()(D, rows))
    reach, near = neighbours
    return np.sort(_join()(D, rows, np.ascontiguousarray(near), np.ascontiguousarray(reach[:, -1])))


@cache
def _prim() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def prim(D: np.ndarray, members: np.ndarray) -> np.ndarray:
        n = len(members)
        outside = members.copy()  # points not yet in the tree fill the first `left` places
        nearest = np.full(n, np.inf, np.float32)  # their distance to the tree
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
                else:
                    distance = nearest[j]
                if distance < best:
                    best = distance
                    place = j
            lengths[step] = nearest[place]
            newest = outside[place]
            left -= 1
            outside[place] = outside[left]
            nearest[place] = nearest[left]
        return lengths

    return prim


@cache
def _join() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def join(D: np.ndarray, members: np.ndarray, near: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """Points are named by their place among the members; `reach` bounds what a row's list leaves out from below."""
        n, listed = len(members), near.shape[1]
        where = np.full(len(near), -1, np.int64)
        where[members] = np.arange(n)
        bound = reach[members]
        label = np.arange(n)  # the component, named after one of its points
        size = np.ones(n, np.int64)
        following = np.arange(n)  # the points of a component in a circle
        place = np.zeros(n, np.int64)  # how far a point's list lies inside its component
        beyond = np.full(n, -1, np.int64)  # the nearest point outside when the row was last read
        lengths = np.empty(n - 1, np.float32)
        largest = name = made = 0
        while made < n - 1:
            name = (name + 1) % n
            if label[name] != name or name == largest:  # the largest waits for the others
                continue
            best = np.float32(np.inf)
            target = -1
            u = name
            for _ in range(size[name]):
                row = D[members[u]]
                v = beyond[u]
                if v < 0:
                    while place[u] < listed and v < 0:
                        v = where[near[members[u], place[u]]]
                        if v < 0 or label[v] == name:
                            v = -1
                            place[u] += 1
                elif label[v] == name:
                    v = -1
                if v < 0 and (target < 0 or bound[u] < best):
                    for w in range(n):
                        if label[w] != name and (v < 0 or row[members[w]] < bound[u]):
                            v = w
                            bound[u] = row[members[w]]
                    beyond[u] = v
                if v >= 0 and (target < 0 or row[members[v]] < best):
                    best = row[members[v]]
                    target = v
                u = following[u]
            lengths[made] = best
            made += 1
            small, large = name, label[target]
            if size[small] > size[large]:
                small, large = large, small
            u = small
            for _ in range(size[small]):
                label[u] = large
                u = following[u]
            size[large] += size[small]
            following[small], following[large] = following[large], following[small]
            if size[large] > size[largest]:
                largest = large
        return lengths

    return join
