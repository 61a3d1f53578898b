"""Local intrinsic dimension of every document."""

from __future__ import annotations

import math

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import CurveFacts, DocumentFacts, Reading, measure
from embgeo.space.space import Space

K = 20


@measure(
    "lid",
    family="dimension",
    summary="Degrees of freedom around a document (harmonic mean): if high, its neighbours are hard to tell apart.",
    range=(0.0, math.inf),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² d",
    source="Levina & Bickel 2004, eq. 8; averaged as MacKay & Ghahramani 2005",
    curve=CurveFacts(
        "distribution",
        x="local dimension",
        y="documents",
        title="Local dimension",
        note="Number of documents by their local dimension.",
        marks=(("lid", "harmonic mean"),),
        place=3,
    ),
    documents=DocumentFacts(
        "local_dimension",
        value="local dimension",
        largest="highest local dimension",
        colour="local_dimension",
        label="local dimension",
    ),
)
def lid(space: Space) -> Reading:
    """Harmonic mean over documents of (1/(k−1) Σ_{j<k} log(r_k / r_j))⁻¹, r_j the distance of neighbour j, k = 20.

    The per-document values are in `rows` (indexed by distinct rows; copies get their first occurrence's value), their
    quantiles in the details, their histogram in the curve. Copies (up to rounding) are taken out first; Euclidean.

    Raises `Undefined` for fewer than 22 distinct rows and if all neighbours are equidistant (a lattice, a simplex).

    >>> X = (2.0 ** np.arange(30))[:, None].astype(np.float32)  # powers of two on a line
    >>> 0 < lid(Space(X)).value < 1.5
    True
    """
    distinct = space.distinct
    if distinct.n < K + 2:
        raise Undefined(f"the local dimension needs at least {K + 2} distinct rows; got {distinct.n}")
    r = distinct.neighbours(K, "euclidean")[0].astype(np.float64)
    r = np.maximum(r, np.finfo(np.float32).tiny)  # distances below the smallest float32
    inverse = np.log(r[:, -1:] / r[:, :-1]).mean(axis=1)
    if not inverse.mean() > 0:
        raise Undefined("all neighbours are at equal distances, as on a lattice or simplex")
    local = 1 / np.maximum(inverse, 1e-12)
    low, first, middle, third, high = np.quantile(local, [0.05, 0.25, 0.5, 0.75, 0.95])
    counts, edges = np.histogram(np.log2(local), bins=24)
    return Reading(
        float(1 / inverse.mean()),
        curves={"distribution": {"x": 2 ** ((edges[1:] + edges[:-1]) / 2), "y": counts}},
        details={"k": K, "quantiles": {"5%": low, "25%": first, "50%": middle, "75%": third, "95%": high}},
        rows={"local_dimension": local[space.duplicates.group]},
    )
