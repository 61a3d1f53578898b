"""k-means for the silhouette: the draws and stopping rule of scikit-learn, from a distance matrix at hand."""

from __future__ import annotations

import numpy as np

STEPS = 300
TOLERANCE = 1e-4


def kmeans_labels(X: np.ndarray, D: np.ndarray, k: int, seed: int) -> np.ndarray:
    """(n,) labels 0 … k − 1 of one k-means run on centred float32 rows with Euclidean distances D.

    Greedy k-means++ (Arthur & Vassilvitskii 2007) and Lloyd's steps, drawing from `RandomState(seed)` in the order of
    scikit-learn's KMeans, so that the published clusterings come out; rounding decides ties. Seeding reads its
    distances from D, and centres move by the rows that changed sides, which is where the time goes otherwise. A
    cluster that empties takes the row farthest from its centre. k must not exceed the number of distinct rows.
    """
    centres = X[seed_rows(D, k, np.random.RandomState(seed))].astype(np.float64)
    tolerance = TOLERANCE * float(X.var(axis=0, dtype=np.float64).mean())
    labels = np.full(len(X), -1)
    sums, sizes = np.zeros_like(centres), np.zeros(k)
    for _ in range(STEPS):
        nearest = _assign(X, centres)
        changed = np.flatnonzero(nearest != labels)
        if len(changed) == 0:
            return labels
        _move(sums, sizes, X, changed, labels, nearest)
        labels = nearest
        _fill_empty(sums, sizes, X, labels, centres)
        before, centres = centres, sums / sizes[:, None]
        if float(np.square(centres - before).sum()) <= tolerance:
            break
    return _assign(X, centres)


def seed_rows(D: np.ndarray, k: int, random: np.random.RandomState) -> np.ndarray:
    """(k,) rows drawn one by one, likelier the farther from those before, each the best of 2 + ⌊log k⌋ draws."""
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


def _assign(X: np.ndarray, centres: np.ndarray) -> np.ndarray:
    C = centres.astype(np.float32)
    return np.argmax(X @ C.T - 0.5 * np.einsum("ij,ij->i", C, C), axis=1)


def _move(
    sums: np.ndarray, sizes: np.ndarray, X: np.ndarray, changed: np.ndarray, old: np.ndarray, new: np.ndarray
) -> None:
    """Take the changed rows out of their old clusters and into the new; float64, so that moving back leaves nothing."""
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


def _fill_empty(sums: np.ndarray, sizes: np.ndarray, X: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> None:
    empty = np.flatnonzero(sizes == 0)
    if len(empty) == 0:
        return
    distance = np.square(X - centres[labels]).sum(axis=1)
    farthest = np.argsort(-distance, kind="stable")
    for cluster, row in zip(empty, (r for r in farthest if sizes[labels[r]] > 1), strict=False):
        sums[labels[row]] -= X[row]
        sizes[labels[row]] -= 1
        labels[row] = cluster
        sums[cluster] = X[row]
        sizes[cluster] = 1
    sizes[sizes == 0] = 1  # only where rows are too few to fill every cluster
