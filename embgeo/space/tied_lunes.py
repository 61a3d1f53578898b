"""Ties in lune tests, resolved by linear algebra over Z/2: the exact number of H1 bars of data with equal distances.

Let E be the edges of one length d. By the exact sequence of the pair (Rips complex at d, Rips complex just below), the
H1 bars born at d number dim H₁(at d, below d) minus the components that merge at d, and the relative H₁ is the span of
E modulo the triangles of diameter d, each read as the sum of those of its edges that have length d:

- one such edge: the edge is 0 (a point in its open lune);
- two: the edges are equal; three: their sum is 0 (points on the boundary of a lune).

So the number of H1 bars over all d is |RNG| − (n − 1) − rank, where the relations are those among edges with an empty
open lune and the other edges count as 0. Edges without a point on their lune's boundary are in no relation.
"""

from __future__ import annotations

import numpy as np

MAX_RELATIONS = 500_000


def tied_relations_rank(D: np.ndarray, tied: np.ndarray) -> int | None:
    """Rank over Z/2 of the triangle relations among the tied edges; None when there are more than 500,000.

    Parameters
    ----------
    D : (n, n) float32 symmetric distances.
    tied : (ties, 2) edges i < j with an empty open lune and a point on its boundary, all of them.
    """
    names = {(int(i), int(j)): name for name, (i, j) in enumerate(tied)}
    relations: set[frozenset[int]] = set()
    seen = 0
    for name, (i, j) in enumerate(tied):
        d = D[i, j]
        boundary = np.maximum(D[i], D[j]) == d
        boundary[[i, j]] = False
        points = np.flatnonzero(boundary)
        seen += len(points)
        if seen > MAX_RELATIONS:
            return None
        for k in points.tolist():
            # an edge of length d that is not tied has a point in its open lune: it is 0
            others = [names.get((min(a, k), max(a, k))) for a in (int(i), int(j)) if D[a, k] == d]
            relations.add(frozenset([name, *(other for other in others if other is not None)]))
    return _rank(relations)


def _rank(relations: set[frozenset[int]]) -> int:
    """Gaussian elimination over Z/2 with sparse rows: short relations first, each kept under its largest variable."""
    pivots: dict[int, frozenset[int]] = {}
    for relation in sorted(relations, key=lambda one: (len(one), sorted(one))):
        row = relation
        while row and (pivot := pivots.get(max(row))) is not None:
            row = row ^ pivot
        if row:
            pivots[max(row)] = row
    return len(pivots)
