"""Information imbalance: which of two representations knows more about the other."""

from __future__ import annotations

from embgeo.metrics.pairwise.registry import pairwise
from embgeo.space.pairs import check_pairing
from embgeo.space.space import Metric, Space


@pairwise("information_imbalance_a_to_b", place=3, chance=lambda n: 1.0)
def information_imbalance(a: Space, b: Space, metric: Metric | None = None) -> float:
    """2/n times the mean rank, in b, of a document's nearest neighbour in a: 0 predicts it fully, 1 not at all.

    Δ(a → b) near 0 and Δ(b → a) large: a holds what b holds and more. Both near 0: equivalent; both near 1:
    independent. Asymmetric on purpose. Ties get their mean rank. O(n² d). Raises `Undefined` for fewer
    than 2 rows, `InputError` for different row counts. Source: Glielmo et al. 2022, eq. 1.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).random((200, 2)).astype(np.float32)
    >>> both, one = Space(X), Space(X[:, :1])  # the plane knows the line, the line not the plane
    >>> information_imbalance(both, one, "euclidean") < 0.2 < information_imbalance(one, both, "euclidean")
    True
    """
    check_pairing(a, b)
    nearest = a.neighbours(1, metric or a.neighbour_metric)[1][:, 0]
    total = 0.0
    for start, rows in b.iter_distance_blocks(metric or b.neighbour_metric):
        own = range(len(rows))
        distance = rows[own, nearest[start : start + len(rows)]][:, None]
        # the row itself is at distance 0: below, or tied with a copy; either way it is not counted
        below = (rows < distance).sum(axis=1) - (distance[:, 0] > 0)
        tied = (rows == distance).sum(axis=1) - (distance[:, 0] == 0)
        total += float((below + (tied + 1) / 2).sum())
    return 2 * total / b.n**2


@pairwise("information_imbalance_b_to_a", place=4, chance=lambda n: 1.0)
def information_imbalance_back(a: Space, b: Space) -> float:
    """The same in the other direction."""
    check_pairing(a, b)
    return information_imbalance(b, a)
