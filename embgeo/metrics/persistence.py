"""Persistence diagrams: the components (H0) and loops (H1) of the corpus, and the scales between which they exist."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.space import Space

ROWS = 500  # H1 diagrams cost about n³: 0.2 s at 500 points, 1 s at 1,000, 7 s at 2,000
POINTS_DRAWN = 1000  # the longest bars are what a reader looks at


def rips_bars(D: np.ndarray, dimension: int) -> list[np.ndarray]:
    """[(bars, 2) births and deaths] for H0 … H`dimension` of the Rips filtration of (n, n) distances, by gudhi.

    Coefficients in Z/2; bars of length zero are left out; the infinite H0 bar is kept.
    """
    from gudhi.sklearn import RipsPersistence

    if len(D) < 3:  # gudhi needs 3 points; one bar dies at the only edge, and there are no loops
        deaths = [D[0, 1]] if len(D) == 2 and D[0, 1] > 0 else []
        h0 = np.array([[0.0, death] for death in [*deaths, np.inf]])
        return [h0, *(np.empty((0, 2)) for _ in range(dimension))]
    rips = RipsPersistence(
        list(range(dimension + 1)), input_type="full distance matrix", num_collapses=0, homology_coeff_field=2
    )
    diagrams = rips.fit_transform([np.asarray(D)])[0]
    return [bars[bars[:, 1] > bars[:, 0]] for bars in diagrams]


@measure(
    "h1_persistence",
    family="topology",
    summary="Size of the largest hole in the cloud of documents: near 0 there is none.",
    range=(0.0, 1.0),
    invariances={"rotation", "translation", "scale", "duplicates"},
    cost="n³ at 500 rows",
    source="Edelsbrunner & Harer 2010, ch. VII; bars by gudhi",
    cap=5000,
    interval=False,
    curve=(
        CurveFacts("persistence_diagram_h0", x="birth", y="death"),
        CurveFacts("persistence_diagram_h1", x="birth", y="death"),
    ),
)
def h1_persistence(space: Space) -> Reading:
    """Largest (death − birth) / death over the H1 bars of at most 500 distinct rows, with both diagrams as curves.

    0 when there is no loop. The H0 diagram is for the whole sample (deaths of the finite bars, births are 0).
    Rows for H1 are drawn without replacement by the measure's generator, so that row order matters slightly.

    >>> square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # born at 1, filled at √2
    >>> round(h1_persistence(Space(square)).value, 4)
    0.2929
    """
    D = space.distinct_distances("euclidean")
    rows = np.sort(space.rng.choice(len(D), ROWS, replace=False)) if len(D) > ROWS else np.arange(len(D))
    bars = rips_bars(D[np.ix_(rows, rows)], 1)[1].astype(np.float64)
    share = 1 - bars[:, 0] / bars[:, 1]
    bars = bars[np.argsort(share)[::-1]][:POINTS_DRAWN]
    deaths = space.positive_deaths("euclidean")
    drawn = deaths[np.unique(np.linspace(0, len(deaths) - 1, POINTS_DRAWN).astype(int))]
    curves = {
        "persistence_diagram_h0": {"x": [0.0] * len(drawn), "y": drawn.tolist()},
        "persistence_diagram_h1": {"x": bars[:, 0].tolist(), "y": bars[:, 1].tolist()},
    }
    value = float(share.max()) if len(share) else 0.0
    return Reading(value, curves=curves, details={"h1_bars": len(share), "h1_rows": len(rows), "h0_bars": len(deaths)})
