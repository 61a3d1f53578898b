"""The published Euler characteristic: H0 bars minus H1 bars of the Rips filtration."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.persistence import rips_bars
from embgeo.metrics.registry import Reading, measure
from embgeo.space.minimum_spanning_tree import tree_lengths
from embgeo.space.relative_neighbourhood import count_relative_neighbours
from embgeo.space.space import Space
from embgeo.space.tied_lunes import tied_relations_rank

LUNES, TIED_LUNES, RIPS = "relative neighbourhood graph", "relative neighbourhood graph, ties resolved", "gudhi"


def count_bars(D: np.ndarray, lists: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[int, int, dict[str, object]]:
    """(H0 bars, H1 bars, details) of an (n, n) float32 distance matrix; the infinite H0 bar counts.

    H1 through the relative neighbourhood graph; where lune tests are tied, less the rank of the ties' relations;
    through gudhi where there are too many of them. `details["route"]` says which. Exact for this matrix on every route;
    only bars of positive length count. `lists`, the neighbours of each row, save time.
    """
    components = 1 + int((tree_lengths(D, neighbours=lists) > 0).sum())
    lunes = count_relative_neighbours(D, lists[1] if lists else None)
    loops = lunes.edges - (len(D) - 1)
    if lunes.ties == 0:
        return components, loops, {"route": LUNES, "ties": 0}
    rank = tied_relations_rank(D, lunes.tied) if len(lunes.tied) == lunes.ties else None
    if rank is not None:
        return components, loops - rank, {"route": TIED_LUNES, "ties": lunes.ties}
    return components, len(rips_bars(D, 1)[1]), {"route": RIPS, "ties": lunes.ties}


@measure(
    "euler_characteristic",
    family="topology",
    summary="Components minus loops in the cloud of documents, over all scales: more negative per document means more "
    "loops.",
    range=(-float("inf"), float("inf")),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n², n³ at worst",
    source="Rottach et al. 2025 (UTS), as published: rows(H0) − rows(H1) of Ripser",
    cap=5000,
    interval=False,
)
def euler_characteristic(space: Space) -> Reading:
    """rows(H0) − rows(H1) of the Rips filtration under Euclidean distance, the infinite bar included.

    Not the Euler characteristic of any one complex: it counts bars over all scales, as the published study does, and
    falls about linearly with n, so it has no interval. Duplicates are joined first (they make no bars). With very many
    tied lune tests (one-hot vectors, grids) it takes gudhi's time, minutes at 5,000 rows.

    >>> square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # 4 pieces, 1 loop
    >>> euler_characteristic(Space(square)).value
    3.0
    """
    D = space.distinct_distances("euclidean", at_least=1)
    components, loops, details = count_bars(D, space.distinct.neighbour_lists())
    return Reading(float(components - loops), details={**details, "h0_bars": components, "h1_bars": loops})
