"""Topology and magnitude as slowly and plainly as their definitions read."""

from __future__ import annotations

import gudhi
import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree as scipy_tree


def spanning_lengths(D: np.ndarray) -> np.ndarray:
    """Sorted edge lengths of a minimum spanning tree of distinct points, by SciPy (Kruskal)."""
    return np.sort(scipy_tree(D.astype(np.float64)).data)


def rips_bar_counts(D: np.ndarray) -> tuple[int, int]:
    """(H0 bars, H1 bars) of positive length from a whole Rips complex up to triangles, by gudhi's simplex tree."""
    tree = gudhi.RipsComplex(distance_matrix=D.astype(np.float64)).create_simplex_tree(max_dimension=2)
    tree.compute_persistence(homology_coeff_field=2, min_persistence=0.0)
    counts = []
    for dimension in (0, 1):
        bars = tree.persistence_intervals_in_dimension(dimension)
        counts.append(int((bars[:, 1] > bars[:, 0]).sum()) if len(bars) else 0)
    return counts[0], counts[1]


def lunes(D: np.ndarray) -> tuple[int, int]:
    """(edges with an empty open lune, those of them with a point on its boundary), triple loop."""
    n, edges, ties = len(D), 0, 0
    for i in range(n):
        for j in range(i + 1, n):
            others = [max(D[i, k], D[j, k]) for k in range(n) if k not in (i, j)]
            if not any(other < D[i, j] for other in others):
                edges += 1
                ties += any(other == D[i, j] for other in others)
    return edges, ties


def magnitude(D: np.ndarray, t: float) -> float:
    """Σ w with exp(−t D) w = 1, by a dense solve in float64."""
    return float(np.linalg.solve(np.exp(-t * D.astype(np.float64)), np.ones(len(D))).sum())


def convergence_scale(D: np.ndarray, share: float = 0.95) -> float:
    """The scale where the magnitude is `share` · n, by bisection."""
    low, high = 0.0, 1.0
    while magnitude(D, high) < share * len(D):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if magnitude(D, middle) < share * len(D) else (low, middle)
    return high


def magnitude_summaries(D: np.ndarray, scales: int = 30) -> tuple[float, float]:
    """(dimension, area): largest slope of log M over log t without t = 0, and the mean of M over the scales' range."""
    ts = np.linspace(0, convergence_scale(D), scales)
    values = np.array([1.0, *(magnitude(D, t) for t in ts[1:])])
    slopes = [np.log(values[s + 1] / values[s]) / np.log(ts[s + 1] / ts[s]) for s in range(1, scales - 1)]
    area = sum((values[s] + values[s + 1]) / 2 * (ts[s + 1] - ts[s]) for s in range(scales - 1)) / ts[-1]
    return float(max(slopes)), float(area)
