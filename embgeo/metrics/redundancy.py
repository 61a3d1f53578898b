"""Redundancy: how much dimensions repeat each other."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "redundancy",
    family="isotropy",
    summary="How much dimensions repeat each other: 0 not at all (truncation loses most), 1 if all are the same.",
    range=(0.0, 1.0),
    better="lower",
    invariances={"translation", "scale", "row_order", "duplicates"},
    cost="n d²",
    source="mean squared off-diagonal correlation (Zbontar et al. 2021, eq. 1, second term)",
)
def redundancy(space: Space) -> float:
    """Mean squared correlation of pairs of dimensions; constant dimensions are left out.

    About 1/n for independent dimensions. Depends on the axes: PCA makes it 0. Raises `Undefined` with fewer than two
    dimensions that vary.

    >>> redundancy(Space(np.array([[0, 0, 7], [1, -2, 7], [2, -4, 7]], np.float32)))
    1.0
    """
    covariance = space.covariance
    variance = np.diag(covariance)
    # below the rounding of the mean a "variance" is none
    scale = np.square(np.abs(space.X).max(axis=0).astype(np.float64))
    varying = np.flatnonzero(variance > 1e-13 * scale)
    if len(varying) < 2:
        raise Undefined(f"correlations need 2 dimensions that vary; {len(varying)} of {space.d} do")
    deviation = np.sqrt(variance[varying])
    R = covariance[np.ix_(varying, varying)] / deviation[:, None] / deviation[None, :]
    k = len(varying)
    return float(np.clip((np.square(R).sum() - k) / (k * (k - 1)), 0.0, 1.0))
