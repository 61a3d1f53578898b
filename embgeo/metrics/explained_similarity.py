"""Effective-rank region and knee: at which ranks the similarities are kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.space import Space

SOURCE = "share of ‖X‖² kept by the best approximation of each rank (Eckart & Young 1936), monotone interpolation"
FACTS: dict[str, Any] = {
    "family": "spectrum",
    "range": (0.0, math.inf),
    "invariances": {"rotation", "scale", "row_order", "duplicates"},
    "cost": "n d² + d³",
    "source": SOURCE,
}


def explained_similarity(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Ranks 0, 1, …, and the share of Σ ‖x‖² that the best approximation of that rank keeps, from 0 to 1."""
    spectrum = space.gram_spectrum
    if spectrum[0] == 0:
        raise Undefined("all rows are zero: no similarity to explain")
    share = np.concatenate([[0.0], np.cumsum(spectrum / spectrum[0])])
    return np.arange(len(share)), share / share[-1]


def rank_at(ranks: np.ndarray, share: np.ndarray, level: float) -> float:
    """The (fractional) rank at which a monotone cubic through the shares reaches `level`.

    >>> round(rank_at(np.array([0, 1, 2]), np.array([0.0, 0.5, 1.0]), 0.75), 9)
    1.5
    """
    from scipy.interpolate import PchipInterpolator

    first = int(np.searchsorted(share, level))
    if share[first] == level or first == 0:
        return float(ranks[first])
    curve = PchipInterpolator(ranks, share)
    low, high = float(ranks[first - 1]), float(ranks[first])
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if curve(middle) < level else (low, middle)
    return (low + high) / 2


@measure(
    "effective_rank_85",
    summary="The rank that keeps 85 % of the similarities: below it a shorter vector starts to lose results.",
    **FACTS,
)
def effective_rank_85(space: Space) -> float:
    """Lower end of the effective-rank region; fractional. Not centred, unlike `pca_dim_85`.

    >>> round(effective_rank_85(Space(np.eye(4, dtype=np.float32))), 6)  # 4 equal directions: 0.85 · 4
    3.4
    """
    return rank_at(*explained_similarity(space), 0.85)


@measure(
    "effective_rank_95",
    summary="The rank that keeps 95 % of the similarities: above it longer vectors add little.",
    **FACTS,
)
def effective_rank_95(space: Space) -> float:
    """Upper end of the effective-rank region; fractional. Not centred, unlike `pca_dim_95`.

    >>> round(effective_rank_95(Space(np.eye(4, dtype=np.float32))), 6)
    3.8
    """
    return rank_at(*explained_similarity(space), 0.95)


@measure(
    "effective_rank_knee",
    summary="The rank beyond which each further dimension adds less than average: where shortening starts to pay off.",
    curve=CurveFacts(
        "rank",
        x="rank",
        y="explained similarity",
        title="Rank region",
        note="Share of the similarities that the first components explain, with the 85 % and 95 % points and the knee.",
        marks=(("effective_rank_knee", "knee"), ("effective_rank_85", "85 %"), ("effective_rank_95", "95 %")),
        place=1,
    ),
    **FACTS,
)
def effective_rank_knee(space: Space) -> Reading:
    """Rank at which the explained similarity lies farthest above the straight line from rank 0 to full rank.

    The last rank whose own share exceeds the average share; a whole number, and the full rank when all are equal. The
    curve is in the result.

    >>> X = np.diag([3, 1, 1, 1]).astype(np.float32)  # 9, 1, 1, 1: only the first exceeds the mean of 3
    >>> effective_rank_knee(Space(X)).value
    1.0
    """
    ranks, share = explained_similarity(space)
    full = int(np.count_nonzero(space.gram_spectrum))
    above = share[: full + 1] - ranks[: full + 1] / full
    # with equal directions the curve is a line, and the knee is its end
    knee = full if above.max() < 1e-9 else int(np.argmax(above))
    return Reading(
        float(knee), curves={"rank": {"x": ranks, "y": share}}, details={"explained_at_knee": float(share[knee])}
    )
