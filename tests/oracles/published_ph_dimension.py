"""The persistent homology dimension as the published table has it: one draw a size."""

from __future__ import annotations

import numpy as np

from embgeo.space.minimum_spanning_tree import tree_lengths


def published_ph_dimension(D: np.ndarray, cap: int = 5000, seed: int = 24) -> float:
    """The published estimate: one legacy-seeded draw at each of the sizes 500, 1000, … below `cap`.

    D is (n, n) with n ≥ cap − 500. One draw a size leaves a seed-to-seed spread of several percent.
    """
    draw = np.random.RandomState(seed)
    sizes = range(500, cap, 500)
    members = [draw.choice(len(D), size, replace=False) for size in sizes]
    sums = [tree_lengths(D, rows).sum(dtype=np.float64) for rows in members]
    slope = float(np.polyfit(np.log10(list(sizes)), np.log10(sums), 1)[0])
    return 1 / (1 - slope)
