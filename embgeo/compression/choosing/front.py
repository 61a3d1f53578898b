"""The Pareto front: the smallest store for each quality."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from embgeo.compression.judging.finding import Finding


def pareto_front(sizes: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """(rows,) bool: no other row is at most as large and better, or smaller and as good."""
    front = np.zeros(len(sizes), bool)
    best = -np.inf
    for row in np.lexsort((-quality, sizes)):
        if quality[row] > best:
            front[row], best = True, quality[row]
    return front


def front_note(findings: Iterable[Finding]) -> str:
    """`front: f16 .645@768 · int8 .646@384 · adaptive@48B .634@48`: quality at bytes per vector, largest first.

    The float32 baseline is included while nothing smaller is as good.
    """
    same = (finding for finding in findings if not finding.spec.own_metric)
    found = sorted(same, key=lambda finding: -finding.bytes_per_vector)
    means = np.array([float(finding.quality.mean()) for finding in found])
    front = pareto_front(np.array([float(finding.bytes_per_vector) for finding in found]), means)
    places = np.flatnonzero(front)
    points = (f"{found[i].spec} {means[i]:.3f}@{found[i].bytes_per_vector}" for i in places)
    return "front: " + " · ".join(points).replace(" 0.", " .")
