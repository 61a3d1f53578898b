"""IsoScore*: IsoScore corrected for small samples."""

from __future__ import annotations

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.isoscore import isoscore_of_spectrum
from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space


@measure(
    "iso_score_star",
    family="isotropy",
    summary="IsoScore corrected for small samples: 1 if all dimensions are used equally, 0 if only one is.",
    range=(0.0, 1.0),
    better="higher",
    invariances={"rotation", "translation", "scale", "row_order"},
    cost="n d² + d³",
    source="Rudman & Eickhoff 2024, algorithm 1; shrinkage of Ledoit & Wolf 2004, lemma 3.1",
)
def iso_score_star(space: Space) -> Reading:
    """IsoScore of the eigenvalues of a shrunk covariance (1 − ζ) Σ + ζ μ I, μ the mean variance.

    With few rows a covariance looks less isotropic than it is; shrinkage pulls the other way (beyond the truth when
    there are hardly more rows than dimensions). The paper takes ζ and the
    target from earlier training batches; a space has none, so ζ is Ledoit and Wolf's optimum, in the details. ζ → 0
    and the value → `iso_score` as n grows. Raises `Undefined` for d = 1, one row and rows that are all equal.

    >>> X = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    >>> iso_score_star(Space(X)).value
    1.0
    """
    spectrum = np.pad(space.covariance_spectrum, (0, max(0, space.d - space.n)))
    if space.d < 2:
        raise Undefined("isotropy needs at least 2 dimensions; the space has 1")
    if spectrum[0] == 0:
        raise Undefined("all rows are equal: no variance to distribute")
    spectrum = spectrum / spectrum[0] * (space.n - 1) / space.n  # the estimator divides by n
    level = spectrum.mean()
    distance = ((spectrum - level) ** 2).sum()
    # mean of ‖x xᵀ − Σ‖² / n with centred x in the same unit
    V, factor = space.rows_for("euclidean")
    squares = np.einsum("ij,ij->i", V, V, dtype=np.float64)
    unit = float(space.covariance_spectrum[0]) / factor**2
    noise = ((squares / unit) ** 2).mean() - (spectrum**2).sum()
    weight = 1.0 if distance <= 0 else float(np.clip(noise / space.n / distance, 0.0, 1.0))
    return Reading(isoscore_of_spectrum((1 - weight) * spectrum + weight * level), details={"shrinkage": weight})
