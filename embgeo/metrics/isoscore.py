"""IsoScore: how evenly the variance fills the dimensions."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "iso_score",
    family="isotropy",
    summary="Isotropy, how evenly the variance fills the dimensions: 1 if all are used equally, 0 if only one is.",
    range=(0.0, 1.0),
    better="higher",
    invariances={"rotation", "translation", "scale", "row_order"},
    cost="n d² + d³",
    source="Rudman et al. 2022, algorithm 1",
    quick=True,
)
def iso_score(space: Space) -> float:
    """IsoScore of the covariance spectrum.

    The spectrum λ is scaled to norm √d; its distance to the all-ones vector, in units of the largest possible, is the
    isotropy defect δ; φ = (d − δ² (d − √d))² / d² is the share of dimensions used, and (d φ − 1) / (d − 1) the score.

    Raises `Undefined` for d = 1, one row, and rows that are all equal.

    >>> iso_score(Space(np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)))  # equal variances
    1.0
    """
    return isoscore_of_spectrum(np.pad(space.covariance_spectrum, (0, max(0, space.d - space.n))))


def isoscore_of_spectrum(spectrum: np.ndarray) -> float:
    """IsoScore of d variances (zeros included)."""
    d = len(spectrum)
    if d < 2:
        raise Undefined("isotropy needs at least 2 dimensions; the space has 1")
    length = np.linalg.norm(spectrum)
    if length == 0:
        raise Undefined("all rows are equal: no variance to distribute")
    scaled = np.sqrt(d) * spectrum / length
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    share = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    return float(np.clip((d * share - 1) / (d - 1), 0.0, 1.0))
