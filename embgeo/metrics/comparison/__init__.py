"""Two representations of the same documents compared: how much of one survives in the other.

Each file holds one comparison, a function of two `Space`s whose rows are the same documents in the same order; the
dimensions may differ. `compare_spaces` runs them all.
"""

from __future__ import annotations

from embgeo.metrics.comparison.cka import linear_cka
from embgeo.metrics.comparison.information_imbalance import information_imbalance
from embgeo.metrics.comparison.neighbourhood_overlap import neighbourhood_overlap
from embgeo.metrics.comparison.procrustes import procrustes_error
from embgeo.metrics.comparison.svcca import svcca
from embgeo.metrics.comparison.table import COMPARISONS, compare_spaces

__all__ = [
    "COMPARISONS",
    "compare_spaces",
    "information_imbalance",
    "linear_cka",
    "neighbourhood_overlap",
    "procrustes_error",
    "svcca",
]
