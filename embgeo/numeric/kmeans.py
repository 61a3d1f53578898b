"""Lloyd's k-means: one loop, and one rule for clusters that lose all their rows.

Its three users differ in ways that affect their numbers. Clusters of documents match scikit-learn's, from precomputed
distances (here). Inverted lists are centroids under a store's similarity (`ivf.py`). Codebooks are hundreds of small
k-means at once: their passes are compiled, and an emptied centroid there takes the farthest row whatever its cluster
(`codebooks.py`). So each passes its own assignment and its own means to the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

MAX_PASSES = 300
TOLERANCE = 1e-4

Assign = Callable[[np.ndarray], tuple[np.ndarray, Any]]
Move = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]


def kmeans(
    centroids: np.ndarray, assign: Assign, move: Move, passes: int, tolerance: float | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Assign rows and move centroids in turn, until no row changes cluster; at most `passes` times.

    `assign` returns the labels of the rows and whatever else `move` needs; `move` returns the centroids and may change
    the labels, with which the next pass is then compared. Also ends when all centroids together move by at most
    `tolerance` (squared). Returns the centroids, and their labels if the loop ended because none changed, else None.
    """
    before = None
    for _ in range(passes):
        labels, beside = assign(centroids)
        if before is not None and np.array_equal(labels, before):
            return centroids, labels
        held, before, centroids = centroids, labels, move(centroids, labels, beside)
        if tolerance is not None and float(np.square(centroids - held).sum()) <= tolerance:
            break
    return centroids, None


def fill_empty(labels: np.ndarray, sizes: np.ndarray, farthest: Iterable[int]) -> list[tuple[int, int, int]]:
    """Give each empty cluster the first row of `farthest` that is not alone in its own; [(row, from, to), …].

    Changes `labels` and `sizes`; clusters stay empty where rows are too few.
    """
    rows = (row for row in farthest if sizes[labels[row]] > 1)
    moves = []
    for cluster, row in zip(np.flatnonzero(sizes == 0), rows, strict=False):
        moves.append((int(row), int(labels[row]), int(cluster)))
        sizes[labels[row]] -= 1
        labels[row], sizes[cluster] = cluster, 1
    return moves


def cluster_labels(X: np.ndarray, D: np.ndarray, k: int, seed: int) -> np.ndarray:
    """(n,) labels 0 … k − 1 of one k-means run on centred float32 rows with Euclidean distances D.

    Greedy k-means++ (Arthur & Vassilvitskii 2007) and Lloyd's steps, drawing from `RandomState(seed)` in the order of
    scikit-learn's KMeans, so that the published clusterings are reproduced; rounding decides ties. Seeding reads its
    distances from D, and centres are updated only by the rows that changed cluster, which saves most of the time. A
    cluster that becomes empty takes the row farthest from its centre. k must not exceed the number of distinct rows.
    """
    centres = X[seed_rows(D, k, np.random.RandomState(seed))].astype(np.float64)
    tolerance = TOLERANCE * float(X.var(axis=0, dtype=np.float64).mean())
    sums, sizes = np.zeros_like(centres), np.zeros(k)
    held = np.full(len(X), -1)

    def move(centres: np.ndarray, labels: np.ndarray, _: None) -> np.ndarray:
        nonlocal held
        _move_sums(sums, sizes, X, np.flatnonzero(labels != held), held, labels)
        held = labels
        if (sizes == 0).any():
            distance = np.square(X - centres[labels]).sum(axis=1)
            for row, old, new in fill_empty(labels, sizes, np.argsort(-distance, kind="stable")):
                sums[old] -= X[row]
                sums[new] = X[row]
            sizes[sizes == 0] = 1  # only where rows are too few to fill every cluster
        return sums / sizes[:, None]

    centres, labels = kmeans(centres, lambda centres: (_nearest(X, centres), None), move, MAX_PASSES, tolerance)
    return _nearest(X, centres) if labels is None else labels


def seed_rows(D: np.ndarray, k: int, random: np.random.RandomState) -> np.ndarray:
    """(k,) rows drawn one by one, more likely the farther from earlier ones, each the best of 2 + ⌊log k⌋ draws."""
    n, trials = len(D), 2 + int(np.log(k))
    chosen = [int(random.choice(n, p=np.full(n, 1 / n)))]
    closest = np.square(D[chosen[0]], dtype=np.float64)
    for _ in range(1, k):
        total = np.cumsum(closest)
        candidates = np.minimum(np.searchsorted(total, random.uniform(size=trials) * total[-1]), n - 1)
        nearer = np.minimum(np.square(D[candidates], dtype=np.float64), closest)
        best = int(np.argmin(nearer.sum(axis=1)))
        closest = nearer[best]
        chosen.append(int(candidates[best]))
    return np.array(chosen)


def _nearest(X: np.ndarray, centres: np.ndarray) -> np.ndarray:
    C = centres.astype(np.float32)
    return np.argmax(X @ C.T - 0.5 * np.einsum("ij,ij->i", C, C), axis=1)


def _move_sums(
    sums: np.ndarray, sizes: np.ndarray, X: np.ndarray, changed: np.ndarray, old: np.ndarray, new: np.ndarray
) -> None:
    """Take the changed rows out of their old clusters and into the new; float64, so that moving back is exact."""
    from scipy.sparse import csc_matrix

    k, m, into = len(sizes), len(changed), new[changed]
    sizes += np.bincount(into, minlength=k)
    signs, clusters = np.ones(m), into
    if old[changed[0]] >= 0:  # all rows have a cluster from the first step on
        left = old[changed]
        sizes -= np.bincount(left, minlength=k)
        signs, clusters = np.tile([1.0, -1.0], m), np.stack([into, left], axis=1).ravel()
    ends = np.arange(m + 1) * (len(signs) // m)
    sums += csc_matrix((signs, clusters, ends), shape=(k, m)) @ X[changed].astype(np.float64)
