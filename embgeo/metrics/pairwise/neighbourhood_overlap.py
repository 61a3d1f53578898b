"""Neighbourhood overlap: how many nearest neighbours survive from one representation to the other."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.pairwise.registry import pairwise
from embgeo.space.pairs import check_pairing
from embgeo.space.space import Metric, Space


@pairwise("neighbourhood_overlap@10", place=2, chance=lambda n: 10 / (n - 1))
def neighbourhood_overlap(a: Space, b: Space, k: int = 10, metric: Metric | None = None) -> float:
    """Mean share of a document's k nearest neighbours in one space that are among its k nearest in the other.

    1 all survive; k / (n − 1) by chance. Symmetric. Neighbours by each space's own similarity unless `metric` is
    given; ties by row. O(n² d). Raises `Undefined` when k ≥ n, `InputError` for different row counts. About neighbours
    of documents, not search results: recall against the exact neighbours of real queries is a different number.

    >>> line = np.arange(6, dtype=np.float32)[:, None] ** 2
    >>> neighbourhood_overlap(Space(line), Space(-3 * line), k=2, metric="euclidean")
    1.0
    """
    check_pairing(a, b)
    I, J = (s.neighbours(k, metric or s.neighbour_metric)[1] for s in (a, b))  # noqa: E741 - the house letter
    rows = np.arange(a.n, dtype=np.int64)[:, None] * a.n
    return float(np.isin(I + rows, J + rows).mean())
