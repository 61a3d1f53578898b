"""Silhouette: whether the documents fall into clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, DocumentFacts, Reading, measure
from embgeo.numeric.kmeans import cluster_labels
from embgeo.space.space import Space

CLUSTER_COUNTS = (3, 5, 10, 20, 50, 99)
KMEANS_SEED = 42  # of the published table


@measure(
    "silhouette",
    family="clustering",
    summary="How clearly documents fall into clusters: near 0 there are none, so cluster-based indexes gain little.",
    range=(-1.0, 1.0),
    invariances={"rotation", "translation", "scale"},
    cost="n² k + n d k per k-means step",
    source="Rousseeuw 1987; UTS table (best of k = 3, 5, 10, 20, 50, 99, k-means seed 42)",
    interval=False,
    curve=CurveFacts(
        "clusters",
        x="clusters",
        y="silhouette",
        title="Silhouette against the number of clusters",
        note="Higher means clearer clusters; near 0 there are none.",
        place=6,
    ),
    documents=DocumentFacts("cluster", colour="cluster", label="cluster ({count}, k-means)", clusters=True),
)
def silhouette(space: Space) -> Reading:
    """Largest mean silhouette over k-means clusterings with 3, 5, 10, 20, 50 and 99 clusters, Euclidean.

    A document's silhouette is (b − a) / max(a, b): a its mean distance to its own cluster, b to the nearest other; 0
    alone in a cluster. All k come from one distance matrix, since the distances to every cluster are one product. The
    row order enters through the seeds of k-means. k must stay below the number of distinct rows. No interval: the
    best of six local optima is not a smooth function of the sample. The labels of the best clustering are in `rows`.

    Raises `Undefined` for fewer than 4 distinct rows.

    >>> X = np.array([[0, 0], [0, 1], [9, 0], [9, 1], [0, 9], [0, 10]], np.float32)
    >>> silhouette(Space(X)).details["clusters"]
    3
    """
    distinct = len(space.duplicates.first)
    if distinct < 4:
        raise Undefined(f"a silhouette of 3 clusters needs at least 4 distinct rows; got {distinct}")
    D = space.distance_handle("euclidean")
    X, factor = space.rows_for("euclidean")  # the same rows up to shift and a power of two: safe at any norm
    distances = space.distances() if factor == 1 else space.distances() / np.float32(factor)
    counts = [k for k in CLUSTER_COUNTS if k < distinct]
    scores, clusters = [], []
    for k in counts:
        labels = cluster_labels(X, distances, k, KMEANS_SEED)
        scores.append(mean_silhouette(space, D, labels))
        clusters.append(labels)
    best = int(np.argmax(scores))
    return Reading(
        scores[best],
        curves={"clusters": {"x": counts, "y": scores}},
        details={"clusters": counts[best]},
        rows={"cluster": clusters[best].astype(np.int64)},
    )


def mean_silhouette(space: Space, D: Any, labels: np.ndarray) -> float:
    """Mean silhouette of a labelling from a distance handle; labels count from 0, at least two in use."""
    n, rows = len(labels), np.arange(len(labels))
    onehot = np.zeros((n, labels.max() + 1), np.float32)
    onehot[rows, labels] = 1
    sizes = onehot.sum(axis=0, dtype=np.float64)
    sums = space.kernels.product(D, onehot)
    own_size = sizes[labels]
    a = sums[rows, labels] / np.maximum(own_size - 1, 1)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    means[rows, labels] = np.inf
    b = means.min(axis=1)
    widest = np.maximum(a, b)
    scores = np.where((own_size > 1) & (widest > 0), (b - a) / np.where(widest > 0, widest, 1), 0.0)
    return float(scores.mean())
