"""How long a spec will take to fit and encode, told before the work: what keeps costly codecs out of the default grid.

Operations are counted from the sizes (documents, coordinates, centroids, landmarks), and each kind has a measured
price: processor seconds on one core of a 2-core server (AVX-512), SciFact × MiniLM, 5,183 × 384. A count times a price
is good to about a factor of 1.5 there (rq: 2) and carries over to other sizes; it does not depend on the load of the
machine, so that the same corpus always gets the same grid.
"""

from __future__ import annotations

from dataclasses import dataclass

from embgeo.compression.codecs.codebooks import ITERATIONS, MOST_ROWS
from embgeo.compression.codecs.part import Quantizer, Reducer
from embgeo.compression.codecs.quantizers.opq import OptimisedProductQuantizer
from embgeo.compression.codecs.quantizers.pq import ProductQuantizer
from embgeo.compression.codecs.quantizers.pq4 import ProductQuantizer4
from embgeo.compression.codecs.quantizers.rabitq import EVENTS, GRID, RaBitQ
from embgeo.compression.codecs.quantizers.rq import BEAM, PASSES, ResidualQuantizer
from embgeo.compression.codecs.quantizers.rq import FIT_ROWS as RESIDUAL_ROWS
from embgeo.compression.codecs.reducers.autoencoder import BATCH, HIDDEN, STEPS, Autoencoder
from embgeo.compression.codecs.reducers.autoencoder import PASSES as EPOCHS
from embgeo.compression.codecs.reducers.itq_rotation import FIT_ROWS as ROTATION_ROWS
from embgeo.compression.codecs.reducers.itq_rotation import ROUNDS, ITQRotation
from embgeo.compression.codecs.reducers.kernel_pca import LANDMARKS, KernelPCA
from embgeo.compression.codecs.reducers.umap_projection import LANDMARKS as PLACED
from embgeo.compression.codecs.reducers.umap_projection import UMAPProjection
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.folds import FIT_ROWS, FOLDS

PRODUCT = 0.04e-9  # a multiplication and addition within a matrix product
LOOP_PRODUCT = 0.2e-9  # the same in the k-means loop, whose rows are a few coordinates wide
CENTROID = 1.2e-9  # looking at one centroid of one part
PART = 90e-9  # the rest of a part: sums, gaps
KERNEL = 30e-9  # exp and the distances around it
FACTORISATION = 0.9e-9  # a multiplication of an eigenvalue or singular value decomposition
PLACING = 8e-3  # laying out one landmark by UMAP
EVENT = 100e-9  # one rescaling tried for a row


@dataclass(frozen=True)
class Cost:
    """Processor seconds to fit once on all rows and to encode the corpus once."""

    fit: float
    encode: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.fit + other.fit, self.encode + other.encode)


def predicted_seconds(spec: Spec, documents: int, dimension: int) -> float:
    """Processor seconds that a sweep spends on learning and encoding with `spec`: the fits of all folds and of the
    shipped codec, and each document encoded twice. What every spec needs (a pass, scores, timing) is not in it."""
    rows = min(documents, FIT_ROWS)
    cost = Cost(0.0, 0.0)
    for tier in spec.tiers:
        width = dimension
        for part in (*tier.reducers, *tier.quantizer.before):
            cost += _reducer_cost(part, documents, rows, width)
            width = part.width(width)
        cost += _quantizer_cost(tier.quantizer, documents, rows, width)
    # each of the five fits of the folds sees four fifths of the rows
    return FOLDS * cost.fit + 2 * cost.encode


def _reducer_cost(part: Reducer, documents: int, rows: int, width: int) -> Cost:
    if isinstance(part, KernelPCA):
        landmarks = min(rows, LANDMARKS)
        mapped = landmarks * (KERNEL + part.dimensions * PRODUCT)
        return Cost(landmarks**3 * FACTORISATION + rows * mapped, documents * mapped)
    if isinstance(part, UMAPProjection):
        return Cost(min(rows, PLACED) * PLACING, documents * min(rows, PLACED) * width * PRODUCT)
    if isinstance(part, Autoencoder):
        weights = 2 * (width * (part.dimensions + HIDDEN) + HIDDEN * part.dimensions)
        seen = min(STEPS * BATCH, EPOCHS * rows)
        # forward, and twice as much backward
        return Cost(3 * seen * (weights + BATCH * width) * PRODUCT, documents * weights / 2 * PRODUCT)
    if isinstance(part, ITQRotation):
        each = 2 * min(rows, ROTATION_ROWS) * width**2 * PRODUCT + 4 * width**3 * FACTORISATION
        return Cost(ROUNDS * each / 2, documents * width**2 * PRODUCT)
    return Cost(0.0, documents * width * part.width(width) * PRODUCT)


def _quantizer_cost(part: Quantizer, documents: int, rows: int, width: int) -> Cost:
    if isinstance(part, ProductQuantizer | OptimisedProductQuantizer | ProductQuantizer4):
        a_part = PART + part.centroids * (width / part.parts * LOOP_PRODUCT + CENTROID)
        return Cost(ITERATIONS * min(rows, MOST_ROWS) * part.parts * a_part, documents * part.parts * a_part)
    if isinstance(part, ResidualQuantizer):
        each = part.stages * part.centroids
        # a path's codes are looked up in the tables of all stages before it
        beam = each * (width * LOOP_PRODUCT + BEAM * part.stages / 2 * LOOP_PRODUCT + BEAM * CENTROID)
        # a pass of k-means, and sorting and summing the rows of its centroids as much again
        return Cost(2 * RESIDUAL_ROWS * each * PASSES * (width * PRODUCT + CENTROID), documents * beam)
    if isinstance(part, RaBitQ):
        events = width * (2 ** (part.bits - 1) - 1)
        if events <= EVENTS:
            return Cost(0.0, documents * events * EVENT)
        return Cost(0.0, documents * (EVENTS * EVENT + GRID * width * CENTROID))
    return Cost(0.0, 0.0)
