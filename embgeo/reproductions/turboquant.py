"""The distortion of TurboQuant at 1 to 4 bits."""

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
    """The levels' own distortion, that of `rot,tq` on random unit vectors, and the bound √3·π/2 · 4^−bits."""
    X = normalise(np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32))
    training = Training(X, "cosine", 0)
    for bits, distortion in PUBLISHED.items():
        yield near(f"{bits} bits, normal distribution", distortion, gaussian_distortion(bits), within=1e-4)
        codec = fit_codec(parse(f"rot,tq{bits}"), training)
        # the rotation keeps lengths: the error is that of rotated vectors
        tier = codec.tiers[0]
        Z = tier.reduce(X)
        lost = Z - tier.quantizer.decode(tier.quantizer.encode(Z))
        measured = float(np.square(lost, dtype=np.float64).sum(axis=1).mean())
        yield near(f"{bits} bits, rot,tq{bits}", distortion, measured, within=0.02 * distortion)
        yield at_most(f"{bits} bits, bound √3·π/2 · 4^-{bits}", float(np.sqrt(3) * np.pi / 2 * 4.0**-bits), measured)
