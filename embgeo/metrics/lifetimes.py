"""Mean lifetime and midlife of the H0 bars: the typical gap that must be bridged to join a document to the rest."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space

CAP = 5000


def positive_deaths(space: Space, metric: Literal["euclidean", "cosine"]) -> np.ndarray:
    """Ascending float64 deaths of the finite H0 bars of positive length; bars between duplicates have none."""
    deaths = space.minimum_spanning_tree(metric).lengths.astype(np.float64)
    deaths = deaths[deaths > 0]
    if not len(deaths):
        raise Undefined("H0 bars need two distinct documents; all are equal")
    return deaths


def _lifetimes(space: Space, metric: Literal["euclidean", "cosine"]) -> Reading:
    deaths = positive_deaths(space, metric)
    quantiles = np.quantile(deaths, [0.05, 0.5, 0.95])
    return Reading(float(deaths.mean()), details={"quantiles_5_50_95": quantiles.tolist(), "bars": len(deaths)})


_LIFETIME: dict[str, Any] = {
    "family": "topology",
    "summary": "The average distance at which a document joins the rest: small in a dense store, large when documents "
    "stand alone.",
    "range": (0.0, float("inf")),
    "better": "neither",
    "cost": "n²",
    "source": "Rottach et al. 2025 (UTS): mean length of the finite H0 bars",
    "cap": CAP,
    "interval": False,
}
_MIDLIFE: dict[str, Any] = {
    **_LIFETIME,
    "summary": "Half the average distance at which a document joins the rest; kept to compare with published tables.",
    "source": "Rottach et al. 2025 (UTS): mean of (birth + death) / 2 of the finite H0 bars",
}
_EUCLIDEAN = {"rotation", "translation", "row_order", "duplicates"}
_COSINE = {"rotation", "scale", "row_order", "duplicates"}


@measure("lifetime_mean_euclidean", invariances=_EUCLIDEAN, **_LIFETIME)
def lifetime_mean_euclidean(space: Space) -> Reading:
    """Mean positive minimum spanning tree edge, Euclidean. Falls as n grows, so it has no interval.

    Duplicates make no bar. Raises `Undefined` when all rows are equal.

    >>> lifetime_mean_euclidean(Space(np.array([[0], [1], [3]], np.float32))).value  # (1 + 2) / 2
    1.5
    """
    return _lifetimes(space, "euclidean")


@measure("lifetime_mean_cosine", invariances=_COSINE, **_LIFETIME)
def lifetime_mean_cosine(space: Space) -> Reading:
    """Mean positive minimum spanning tree edge, cosine distance 1 − cos, in [0, 2].

    >>> round(lifetime_mean_cosine(Space(np.eye(3, dtype=np.float32))).value, 4)  # right angles
    1.0
    """
    return _lifetimes(space, "cosine")


@measure("midlife_mean_euclidean", invariances=_EUCLIDEAN, **_MIDLIFE)
def midlife_mean_euclidean(space: Space) -> float:
    """Half of `lifetime_mean_euclidean`: H0 bars are born at 0.

    >>> midlife_mean_euclidean(Space(np.array([[0], [1], [3]], np.float32)))  # (1/2 + 2/2) / 2
    0.75
    """
    return float(positive_deaths(space, "euclidean").mean()) / 2


@measure("midlife_mean_cosine", invariances=_COSINE, **_MIDLIFE)
def midlife_mean_cosine(space: Space) -> float:
    """Half of `lifetime_mean_cosine`.

    >>> round(midlife_mean_cosine(Space(np.eye(3, dtype=np.float32))), 4)
    0.5
    """
    return float(positive_deaths(space, "cosine").mean()) / 2
