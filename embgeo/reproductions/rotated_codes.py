"""What rotated codes lose: the distortion of TurboQuant, the constants of RaBitQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.numeric.lloyd_max import gaussian_distortion
from embgeo.reproductions.registry import at_most, near, reproduction
from embgeo.results.reproduce import Compared

PUBLISHED = {
    1: 0.3634,
    2: 0.1175,
    3: 0.0345,
    4: 0.0095,
}  # .36, .117, .03, .009 in the paper, to four digits of Max 1960
ROWS, DIMENSION = 2000, 512


@reproduction(
    "turboquant-distortion",
    title="Mean squared error of unit vectors at 1, 2, 3 and 4 bits a coordinate",
    source="Zandieh et al. 2025, TurboQuant, theorem 1; Max 1960, table I",
)
def turboquant_distortion(data: Path) -> Iterator[Compared]:
    """The levels' own distortion, that of `rot,tq` on random unit vectors, and the bound √3·π/2 / 4^bits."""
    X = normalise(np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32))
    training = Training(X, "cosine", 0)
    for bits, distortion in PUBLISHED.items():
        name = f"{bits} {'bit' if bits == 1 else 'bits'}"
        yield near(f"{name}, normal distribution", distortion, gaussian_distortion(bits), within=1e-4)
        tier = fit_codec(parse(f"rot,tq{bits}"), training).tiers[0]
        Z = tier.reduce(X)  # the rotation keeps lengths
        lost = Z - tier.quantizer.decode(tier.quantizer.encode(Z))
        measured = float(np.square(lost, dtype=np.float64).sum(axis=1).mean())
        yield near(f"{name}, rot,tq{bits}", distortion, measured, within=0.02 * distortion)
        yield at_most(f"{name}, bound √3·π/2 / 4^{bits}", float(np.sqrt(3) * np.pi / 2 * 4.0**-bits), measured)


DOCUMENTS, QUERIES, WIDTH = 4000, 100, 768


@reproduction(
    "rabitq-constants",
    title="Cosine of a direction and its sign code, and the error of the estimated cosine, at 1 bit",
    source="Gao & Long 2024, RaBitQ, §3.2 and theorem 3.2",
)
def rabitq_constants(data: Path) -> Iterator[Compared]:
    """With o a unit vector, ō its code and q a unit query: E⟨o,ō⟩ tends to √(2/π), and the estimate ⟨q,ō⟩/⟨o,ō⟩ of
    ⟨q,o⟩ is unbiased with standard deviation √((1 − ⟨o,ō⟩²)/⟨o,ō⟩² · (1 − ⟨q,o⟩²)/(D − 1)).
    """
    rng = np.random.default_rng(0)
    X = normalise(rng.standard_normal((DOCUMENTS, WIDTH)).astype(np.float32))
    X -= X.mean(axis=0)  # the code is of the direction from the mean
    X = normalise(X)
    Q = normalise(rng.standard_normal((QUERIES, WIDTH)).astype(np.float32) + X[:QUERIES])
    codec = fit_codec(parse("rot,rabitq1"), Training(X, "cosine", 0))
    Z, _ = codec.tiers[0].queries(Q)
    decoded = codec.tiers[0].decode(codec.tiers[0].encode(X)).astype(np.float64)
    kept = 1 / np.linalg.norm(decoded, axis=1)  # the decoded vector is ō / ⟨o,ō⟩
    yield near("mean ⟨o,ō⟩", float(np.sqrt(2 / np.pi)), float(kept.mean()), within=0.001)
    exact, estimated = Q.astype(np.float64) @ X.T, Z.astype(np.float64) @ decoded.T
    error = estimated - exact
    variance = (1 - kept**2) / kept**2 * (1 - exact**2) / (WIDTH - 1)
    yield near("root mean squared error over theory", 1, float(np.sqrt((error**2).mean() / variance.mean())), 0.01)
    yield near("mean error, in standard errors of a query", 0, float(error.mean() / np.sqrt(variance.mean())), 0.02)
    for reach in (2, 3):
        # a projection of the unit sphere in D dimensions is nearly normal: its tail is below 2·exp(−ε²/2)
        beyond = float((np.abs(error) > reach * np.sqrt(variance)).mean())
        yield at_most(f"share of errors beyond {reach} σ", float(2 * np.exp(-(reach**2) / 2)), beyond)
