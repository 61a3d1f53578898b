"""Hubness: whether a few documents crowd everyone's result lists."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import DocumentFacts, Reading, measure
from embgeo.space.space import Space

K = 10


@measure(
    "hubness",
    family="hubs",
    summary="How unevenly documents appear among each other's neighbours: high means a few hubs crowd the results.",
    range=(-math.inf, math.inf),
    better="lower",
    invariances={"rotation", "scale", "row_order"},
    cost="n² d",
    source="Radovanović et al. 2010, eq. 1 (k = 10)",
    quick=True,
    documents=DocumentFacts(
        "count",
        value="neighbour of",
        largest="hubs: most often among the neighbours of others",
        colour="hub_count",
        label="hub count (neighbour of how many)",
    ),
)
def hubness(space: Space) -> Reading:
    """Skewness of N_10, the number of documents that have a document among their 10 nearest.

    0 when every document is found equally often; text embeddings often reach 2–6. Neighbours by the similarity of the
    model (cosine for dot). Details: the largest N_10, the share of anti-hubs (N_10 = 0), and Spearman correlations of
    N_10 with centrality (closeness to the mean) and density (closeness of the 10th neighbour).

    Raises `Undefined` for 10 rows or fewer.

    >>> hubness(Space(np.eye(11, dtype=np.float32))).value  # everyone is everyone's neighbour
    0.0
    """
    if space.n <= K:
        raise Undefined(f"hubness needs more than {K} rows; got {space.n}")
    D, indices = space.neighbours(K, space.neighbour_metric)
    counts = np.bincount(indices.ravel(), minlength=space.n).astype(np.float64)
    centred = counts - K  # the mean of N_k is k
    variance = (centred**2).mean()
    value = float((centred**3).mean() / variance**1.5) if variance > 0 else 0.0
    V = space.unit if space.neighbour_metric == "cosine" else space.X
    distance_to_mean = np.linalg.norm(V - V.mean(axis=0, dtype=np.float64), axis=1)
    return Reading(
        value,
        details={
            "k": K,
            "largest_count": int(counts.max()),
            "anti_hub_share": float((counts == 0).mean()),
            "correlation_with_centrality": rank_correlation(counts, -distance_to_mean),
            "correlation_with_density": rank_correlation(counts, -D[:, -1]),
        },
        rows={"count": counts.astype(np.int64)},
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's correlation; None when one side is constant."""
    x, y = (ranks - ranks.mean() for ranks in (_mean_ranks(a), _mean_ranks(b)))
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y / length) if length > 0 else None


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks with ties sharing their mean (scipy.stats has it too, at 0.5 s of import)."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]
