"""Information imbalance: which of two representations knows more about the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from embgeo.metrics.comparison.pairing import check_pairing
from embgeo.space.space import Metric, Space


class Imbalance(NamedTuple):
    """Both directions: 0 predicts the other's neighbours fully, 1 not at all."""

    a_to_b: float
    b_to_a: float


def information_imbalance(a: Space, b: Space, metric: Metric | None = None) -> Imbalance:
    """2/n times the mean rank, in the one space, of a document's nearest neighbour in the other.

    Δ(a → b) near 0 and Δ(b → a) large: a holds what b holds and more. Both near 0: equivalent; both near 1:
    independent. Not symmetric on purpose. Ties share the middle of their ranks. O(n² d). Raises `Undefined` for fewer
    than 2 rows, `InputError` for different row counts. Source: Glielmo et al. 2022, eq. 1.

    >>> X = np.random.default_rng(0).random((200, 2)).astype(np.float32)
    >>> both, one = Space(X), Space(X[:, :1])  # the plane knows the line, the line not the plane
    >>> found = information_imbalance(both, one, "euclidean")
    >>> found.a_to_b < 0.2 < found.b_to_a
    True
    """
    check_pairing(a, b)
    metrics = [metric or s.neighbour_metric for s in (a, b)]
    nearest = [s.neighbours(1, m)[1][:, 0] for s, m in zip((a, b), metrics, strict=True)]
    return Imbalance(_mean_rank(b, nearest[0], metrics[1]), _mean_rank(a, nearest[1], metrics[0]))


def _mean_rank(space: Space, chosen: np.ndarray, metric: Metric) -> float:
    total = 0.0
    for start, rows in space.iter_distance_blocks(metric):
        own = np.arange(len(rows))
        distance = rows[own, chosen[start : start + len(rows)]][:, None]
        # the row itself is at distance 0: below, or tied with a copy; either way it is not counted
        below = (rows < distance).sum(axis=1) - (distance[:, 0] > 0)
        tied = (rows == distance).sum(axis=1) - (distance[:, 0] == 0)
        total += float((below + (tied + 1) / 2).sum())
    return 2 * total / space.n**2
