"""The constants of RaBitQ: how well signs keep a direction, and the error of its estimate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.reproductions.registry import at_most, near, reproduction
from embgeo.results.reproduce import Compared

DOCUMENTS, QUERIES, DIMENSION = 4000, 100, 768


@reproduction(
    "rabitq-constants",
    title="Cosine of a direction and its sign code, and the error of the estimated cosine, at 1 bit",
    source="Gao & Long 2024, RaBitQ, §3.2 and theorem 3.2",
)
def rabitq_constants(data: Path) -> Iterator[Compared]:
    """With o a unit vector, ō its code and q a unit query: E⟨o,ō⟩ is .798 to .800, and the estimate ⟨q,ō⟩/⟨o,ō⟩ of
    ⟨q,o⟩ is unbiased with standard deviation √((1 − ⟨o,ō⟩²)/⟨o,ō⟩² · (1 − ⟨q,o⟩²)/(D − 1)).
    """
    rng = np.random.default_rng(0)
    X = normalise(rng.standard_normal((DOCUMENTS, DIMENSION)).astype(np.float32))
    X -= X.mean(axis=0)  # the code is of the direction from the mean
    X = normalise(X)
    Q = normalise(rng.standard_normal((QUERIES, DIMENSION)).astype(np.float32) + X[:QUERIES])
    codec = fit_codec(parse("rot,rabitq1"), Training(X, "cosine", 0))
    Z, _ = codec.tiers[0].queries(Q)
    decoded = codec.tiers[0].decode(codec.tiers[0].encode(X)).astype(np.float64)
    kept = 1 / np.linalg.norm(decoded, axis=1)  # the decoded vector is ō / ⟨o,ō⟩
    yield near("mean ⟨o,ō⟩", _expected_cosine(DIMENSION), float(kept.mean()), within=0.001)
    exact, estimated = Q.astype(np.float64) @ X.T, Z.astype(np.float64) @ decoded.T
    error = estimated - exact
    variance = (1 - kept**2) / kept**2 * (1 - exact**2) / (DIMENSION - 1)
    yield near("root mean squared error over theory", 1, float(np.sqrt((error**2).mean() / variance.mean())), 0.01)
    yield near("mean error, in standard errors of a query", 0, float(error.mean() / np.sqrt(variance.mean())), 0.02)
    for reach in (2, 3):
        # a projection of the unit sphere in D dimensions is nearly normal: its tail is below 2·exp(−ε²/2)
        beyond = float((np.abs(error) > reach * np.sqrt(variance)).mean())
        yield at_most(f"share of errors beyond {reach} σ", float(2 * np.exp(-(reach**2) / 2)), beyond)


def _expected_cosine(d: int) -> float:
    """E⟨o,ō⟩ = √(d/π) · 2 Γ(d/2) / ((d − 1) Γ((d − 1)/2)), of which √(2/π) is the limit."""
    from scipy.special import gammaln

    return float(2 * np.sqrt(d / np.pi) * np.exp(gammaln(d / 2) - gammaln((d - 1) / 2)) / (d - 1))
