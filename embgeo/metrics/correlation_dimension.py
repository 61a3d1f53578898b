"""Correlation dimension: how fast the number of close pairs grows with the radius."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.blocks import in_threads, row_blocks
from embgeo.space.space import Space

SHARE = 0.01
SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
MIN_PAIRS = 20  # for an estimate
SHIFT = 12  # float32 bits dropped: bins are 1/2048 of their radius wide


@measure(
    "correlation_dimension",
    family="dimension",
    summary="Dimension by how fast the number of documents within a radius grows; low means tight neighbourhoods.",
    range=(0.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² d",
    source="Grassberger & Procaccia 1983; Takens 1985",
    curve=CurveFacts(
        "share",
        x="share of pairs",
        y="dimension",
        title="Correlation dimension against scale",
        note="Growth rate of the number of pairs within a radius, by the share of all pairs within that radius.",
        place=5,
    ),
)
def correlation_dimension(space: Space) -> Reading:
    """Takens' estimator 1 / mean log(R / r_ij) over the closest 1 % of pairs, R the largest of their distances.

    Where 1 % is fewer than 20 pairs, the closest 20. The curve has the estimate for 0.1 % to 30 % of the pairs:
    without a plateau there is no single dimension. Copies, equal up to rounding, are taken out first; Euclidean.

    Raises `Undefined` for fewer than 20 pairs of distinct rows and where the close pairs are all at equal distances.

    >>> X = np.random.default_rng(0).random((1000, 1)).astype(np.float32)
    >>> abs(correlation_dimension(Space(X)).value - 1) < 0.05
    True
    """
    distinct = space.distinct
    pairs = distinct.n * (distinct.n - 1) // 2
    if pairs < MIN_PAIRS:
        raise Undefined(f"the correlation dimension needs {MIN_PAIRS} pairs of distinct rows; got {pairs}")
    edges, counts = _histogram(distinct)
    curve = [_takens(edges, counts, share) for share in SHARES]
    value = _takens(edges, counts, SHARE)
    if value is None:
        raise Undefined("the closest pairs are all at equal distances, as on a lattice or simplex")
    return Reading(
        value, curves={"share": {"x": SHARES, "y": curve}}, details={"share_of_pairs": max(SHARE, MIN_PAIRS / pairs)}
    )


def _takens(edges: np.ndarray, counts: np.ndarray, share: float) -> float | None:
    """The pairs of a bin are assumed to be spread evenly over it, and R is the distance of the last one.

    If R were the end of its bin, it would jump by a bin with the scale; in many dimensions a few bins hold all pairs.
    """
    below = np.cumsum(counts)
    wanted = np.ceil(max(share * below[-1], min(MIN_PAIRS, below[-1])))
    last = int(np.searchsorted(below, wanted))
    if last == 0:
        return None
    low, width = edges[: last + 1, 0], edges[: last + 1, 1] - edges[: last + 1, 0]
    used = counts[: last + 1].copy()
    used[last] -= below[last] - wanted
    largest = low[last] + width[last] * (used[last] - 0.5) / counts[last]
    means = low + width * used / counts[: last + 1] / 2
    return float(wanted / (used * np.log(largest / means)).sum())


def _histogram(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Bins that hold pairs, (bins, 2) their ends ascending, and how many, by the leading bits of float32 distances."""

    def count(start: int, rows: np.ndarray) -> np.ndarray:
        total = np.zeros(1 << (31 - SHIFT), np.int64)
        for block in row_blocks(*rows.shape):
            bits = rows[block].view(np.int32) >> SHIFT
            total += np.bincount(bits.ravel(), minlength=len(total))
        return total

    total = np.zeros(1 << (31 - SHIFT), np.int64)
    for start, rows in space.iter_distance_blocks("euclidean"):
        halves = [slice(0, len(rows) // 2), slice(len(rows) // 2, len(rows))]
        total += sum(in_threads(lambda half, start=start, rows=rows: count(start, rows[half]), halves))  # type: ignore[misc]
    total[0] -= space.n  # the diagonal
    held = np.flatnonzero(total)
    held = held[held > 0]
    ends = np.stack([held, held + 1], axis=1).astype(np.int32) << SHIFT
    return ends.view(np.float32).astype(np.float64), total[held] / 2
