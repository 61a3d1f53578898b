"""The Vendi columns of the published table, which feed distances to a score made for similarities."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import measure
from embgeo.space.space import Space

HIGHEST = math.exp(1 / math.e)
SUMMARY = "The published Vendi column by {}, kept for comparison with the table; read vendi_score instead."
SOURCE = "UTS table (vendi.score_K on distances)"


@measure(
    "vendi_score_distance_euclidean",
    family="diversity",
    summary=SUMMARY.format("distance"),
    range=(0.0, HIGHEST),
    invariances={"rotation", "translation", "row_order", "duplicates"},
    cost="n² d",
    source=SOURCE,
)
def vendi_score_distance_euclidean(space: Space) -> float:
    """exp(−p log p), p = λ / n with λ the one positive eigenvalue of the Euclidean distance matrix.

    A matrix of Euclidean distances has exactly one positive eigenvalue (Schoenberg 1937), and the published arithmetic
    drops the others: so the column is a function of one number, near the mean distance, and no diversity. 1 when all
    rows are equal.

    >>> import numpy as np
    >>> round(vendi_score_distance_euclidean(Space(np.array([[0.0], [2.0]], np.float32))), 6)  # λ = 2, p = 1
    1.0
    """
    D = space.distance_handle("euclidean")
    return _score(_largest_eigenvalue(lambda v: space.kernels.product(D, v[:, None])[:, 0], space.n), space.n)


@measure(
    "vendi_score_distance_cosine",
    family="diversity",
    summary=SUMMARY.format("angle"),
    range=(0.0, HIGHEST),
    invariances={"rotation", "scale", "row_order", "duplicates"},
    cost="n d",
    source=SOURCE,
)
def vendi_score_distance_cosine(space: Space) -> float:
    """exp(−p log p), p = λ / n with λ the one positive eigenvalue of the cosine distance matrix 1 − U Uᵀ.

    The matrix is never formed: its product with v is (Σ v) − U (Uᵀ v). Raises `Undefined` for zero rows.

    >>> import numpy as np
    >>> round(vendi_score_distance_cosine(Space(np.array([[1, 0], [-1, 0]], np.float32))), 6)  # λ = 2, p = 1
    1.0
    """
    U = space.unit

    def multiply(v: np.ndarray) -> np.ndarray:
        return v.sum() - (U @ (v.astype(np.float32) @ U)).astype(np.float64)

    return _score(_largest_eigenvalue(multiply, space.n), space.n)


def _score(eigenvalue: float, n: int) -> float:
    p = eigenvalue / n
    if not math.isfinite(p):
        raise Undefined("distances overflow float32; scale the vectors")
    if p <= 0:
        return 1.0
    exponent = -p * math.log(p)
    return math.exp(exponent) if exponent > -700 else 0.0


def _largest_eigenvalue(multiply: Callable[[np.ndarray], np.ndarray], n: int) -> float:
    """Largest eigenvalue of a symmetric matrix with non-negative entries, by shifted power iteration in float64.

    Its eigenvector is non-negative (Perron), so the ones vector meets it; the shift by half the eigenvalue keeps the
    negative end of the spectrum from competing.
    """
    v = np.full(n, 1 / math.sqrt(n))
    eigenvalue = 0.0
    for _ in range(500):
        w = multiply(v)
        if not np.isfinite(w).all():
            return math.inf
        before, eigenvalue = eigenvalue, float(v @ w)
        if abs(eigenvalue - before) <= 1e-9 * abs(eigenvalue):
            break
        w += 0.5 * eigenvalue * v
        v = w / np.linalg.norm(w)
    return eigenvalue
