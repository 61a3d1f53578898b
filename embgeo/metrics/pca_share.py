"""How many principal components hold a given share of the variance."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


def _register(percent: int) -> None:
    @measure(
        f"pca_dim_{percent}",
        family="dimension",
        summary=f"Principal components that hold {percent} % of the variance; a cut to that length discards the rest.",
        range=(1.0, math.inf),
        invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
        cost="n d² + d³",
        source="Jolliffe 2002, §6.1.1",
        quick=percent == 95,
    )
    def pca_dim_share(space: Space) -> float:
        """Smallest number of covariance eigenvalues whose sum reaches the share; a whole number from 1 to d.

        Raises `Undefined` for one row and for rows that are all equal.

        >>> components_for(np.array([6.0, 3.0, 1.0]), 0.9)
        2
        """
        spectrum = space.covariance_spectrum
        if spectrum[0] == 0:
            raise Undefined("all rows are equal: no variance to share")
        return float(components_for(spectrum, percent / 100))


def components_for(spectrum: np.ndarray, share: float) -> int:
    """How many of the descending eigenvalues reach the share of their sum.

    >>> components_for(np.array([6.0, 3.0, 1.0]), 0.95)
    3
    """
    # a sum that equals the share up to rounding reaches it
    held = np.cumsum(spectrum) / spectrum.sum()
    return int(np.searchsorted(held, share - 1e-12) + 1)


for _percent in (85, 90, 95):
    _register(_percent)
