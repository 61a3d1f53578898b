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


def minimum_spanning_tree(
    D: np.ndarray, members: np.ndarray | None = None, neighbours: tuple[np.ndarray, np.ndarray] | None = None
) -> SpanningTree:
    """The minimum spanning tree of a dense matrix.

    Without `neighbours` by Prim's algorithm, O(n²) time (n = 5,000: 0.026 s). With them by joining the smallest
    components first, each along its shortest way out: a component knows that way from its rows' lists, unless a list
    lies wholly inside and ends before; then the row is read (n = 5,000: 0.002 s, 4 rows read). O(n) memory besides
    the matrix.

    Parameters
    ----------
    D : (n, n) float32 symmetric distances.
    members : rows to span, all different; None spans all. The submatrix is never copied, so that the trees of many
        subsamples cost one distance matrix.
    neighbours : (n, k) ascending distances of D and their columns, the nearest of each row without itself.

    A spanning tree need not be unique under ties; its sorted lengths are.
    """
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"distances must be a square matrix; got shape {D.shape}")
    rows = np.arange(len(D)) if members is None else np.asarray(members, dtype=np.int64)
    if len(rows) < 2:
        return SpanningTree(np.empty((0, 2), np.int64), np.empty(0, np.float32))
    if rows.min() < 0 or rows.max() >= len(D):
        raise InputError(f"members must be rows of the matrix, 0 to {len(D) - 1}; got {rows.min()} to {rows.max()}")
    D = np.ascontiguousarray(D, dtype=np.float32)
    if neighbours is None:
        edges, lengths = _prim()(D, rows)
    else:
        reach, near = neighbours
        edges, lengths = _join()(D, rows, np.ascontiguousarray(near), reach[:, -1].copy())
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


@cache
def _join() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def join(D: np.ndarray, members: np.ndarray, near: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`reach` is a lower bound of the distance from each row to what its list leaves out; it is overwritten."""
        n, listed = len(members), near.shape[1]
        parent = np.full(len(D), -1, np.int64)  # towards the root of the component; −1 for rows that are no members
        parent[members] = members
        size = np.ones(len(D), np.int64)
        following = np.arange(len(D))  # the rows of a component in a circle
        place = np.zeros(len(D), np.int64)  # how far a row's list lies inside its component
        beyond = np.full(len(D), -1, np.int64)  # the nearest row outside when the row was last read
        edges = np.empty((n - 1, 2), np.int64)
        lengths = np.empty(n - 1, np.float32)
        queue = members.copy()  # of roots, in a circle; the largest component waits for the others
        first = 0
        waiting = n
        largest = members[0]
        made = 0
        while made < n - 1:
            root = queue[first]
            first = (first + 1) % n
            waiting -= 1
            if parent[root] != root:
                continue
            if root == largest:
                queue[(first + waiting) % n] = root
                waiting += 1
                continue
            best = np.float32(np.inf)
            source = -1
            target = -1
            u = root
            for _ in range(size[root]):
                v = -1
                top = root
                if beyond[u] >= 0:
                    top = beyond[u]
                    while parent[top] != top:
                        parent[top] = parent[parent[top]]
                        top = parent[top]
                    if top != root:
                        v = beyond[u]
                else:
                    while v < 0 and place[u] < listed:
                        top = near[u, place[u]]
                        if parent[top] >= 0:
                            while parent[top] != top:
                                parent[top] = parent[parent[top]]
                                top = parent[top]
                            if top != root:
                                v = near[u, place[u]]
                        place[u] += v < 0
                if v < 0 and (source < 0 or reach[u] < best):
                    row = D[u]
                    for w in members:
                        if v < 0 or row[w] < row[v]:
                            top = w
                            while parent[top] != top:
                                parent[top] = parent[parent[top]]
                                top = parent[top]
                            if top != root:
                                v = w
                    beyond[u] = v
                    reach[u] = row[v]
                if v >= 0 and (source < 0 or D[u, v] < best):
                    best = D[u, v]
                    source = u
                    target = v
                u = following[u]
            edges[made, 0] = source
            edges[made, 1] = target
            lengths[made] = best
            made += 1
            other = target
            while parent[other] != other:
                other = parent[other]
            small, large = (root, other) if size[root] <= size[other] else (other, root)
            parent[small] = large
            size[large] += size[small]
            following[small], following[large] = following[large], following[small]
            if size[large] > size[largest]:
                largest = large
            if large == root:  # the other one is in the queue already
                queue[(first + waiting) % n] = root
                waiting += 1
        return edges, lengths

    return join
