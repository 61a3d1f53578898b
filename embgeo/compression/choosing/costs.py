"""How long a spec will take to fit and encode, told before the work: what keeps slow codecs out of a default sweep."""

from __future__ import annotations

from embgeo.compression.codecs.cost import Cost
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.folds import FIT_ROWS, FOLDS


def predicted_seconds(spec: Spec, documents: int, dimension: int) -> float:
    """Processor seconds that a sweep spends on learning and encoding with `spec`: the fits of all folds and of the
    shipped codec, and each document encoded twice. What every spec needs (a pass, scores, timing) is not in it."""
    rows = min(documents, FIT_ROWS)
    cost = Cost(0.0, 0.0)
    for tier in spec.tiers:
        width = dimension
        for part in (*tier.reducers, *tier.quantizer.before):
            cost += part.cost(documents, rows, width)
            width = part.width(width)
        cost += tier.quantizer.cost(documents, rows, width)
    # each of the five fits of the folds sees four fifths of the rows
    return FOLDS * cost.fit + 2 * cost.encode
