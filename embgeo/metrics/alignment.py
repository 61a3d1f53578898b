"""Alignment: how close queries lie to the documents that answer them."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space


@measure(
    "alignment",
    family="retrievability",
    summary="How far queries are from the documents that answer them: lower is better; read together with uniformity.",
    range=(0.0, 4.0),
    better="lower",
    invariances={"rotation", "scale", "row_order"},
    cost="judgements · d",
    source="Wang & Isola 2020, eq. 1 (α = 2)",
    needs={"queries", "judgements"},
    quick=True,
)
def alignment(space: Space) -> float:
    """Mean squared distance of unit query and unit document over the relevant pairs: 2 (1 − mean cosine).

    0 when every query coincides with its answers, 2 when they are orthogonal. Raises `Undefined` when no relevant
    document is in the sample or a vector of a pair is zero.

    >>> X = np.array([[1, 0], [0, 1]], np.float32)
    >>> alignment(Space(X, queries=X, relevant=np.array([[0, 0], [1, 0]])))  # squared distances 0 and 2
    1.0
    """
    if space.queries is None or space.relevant is None or len(space.relevant) == 0:
        raise Undefined("no relevant document of any query is in the sample")
    Q = space.queries[space.relevant[:, 0]].astype(np.float64)
    X = space.X[space.relevant[:, 1]].astype(np.float64)
    norms = np.linalg.norm(Q, axis=1) * np.linalg.norm(X, axis=1)
    if (norms == 0).any():
        raise Undefined("a judged query or document vector is zero and has no direction")
    cosines = np.einsum("ij,ij->i", Q, X) / norms
    return float(np.clip(2 - 2 * cosines.mean(), 0.0, 4.0))
