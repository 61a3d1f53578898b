"""The estimated cost of fitting a part and of encoding with it, in CPU seconds.

Operations are counted from the sizes (documents, coordinates, centroids, landmarks), and each kind has a measured
cost: CPU seconds on one core of a 2-core server (AVX-512), SciFact × MiniLM, 5,183 × 384. The product is accurate to
about a factor of 1.5 there (rq: 2) and extrapolates to other sizes; it does not depend on the load of the machine, so
that the same corpus always gets the same default specs.
"""

from __future__ import annotations

from dataclasses import dataclass

PRODUCT = 0.04e-9  # a multiplication and addition within a matrix product
LOOP_PRODUCT = 0.2e-9  # the same in the k-means loop, whose rows are a few coordinates wide
CENTROID = 1.2e-9  # looking at one centroid of one part
KERNEL = 30e-9  # exp and the distances around it
FACTORISATION = 0.9e-9  # a multiplication of an eigenvalue or singular value decomposition


@dataclass(frozen=True)
class Cost:
    """CPU seconds to fit once on all rows and to encode the corpus once."""

    fit: float
    encode: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.fit + other.fit, self.encode + other.encode)
