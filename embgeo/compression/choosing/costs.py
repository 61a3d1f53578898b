"""The estimated time to fit and encode a spec, which keeps slow codecs out of a default sweep."""

from __future__ import annotations

from embgeo.compression.codecs.cost import Cost
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.folds import FIT_ROWS, FOLDS


def predicted_seconds(spec: Spec, documents: int, dimension: int) -> float:
    """Estimated CPU seconds that a sweep spends training and encoding `spec`: fitting all folds and the shipped codec,
    and encoding each document twice. Costs common to all specs (a pass, scores, timing) are excluded."""
    cost = spec_cost(spec, documents, dimension)
    # each fold's fit sees four fifths of the rows: with the shipped codec's fit they cost FOLDS full fits
    return FOLDS * cost.fit + 2 * cost.encode


def spec_cost(spec: Spec, documents: int, dimension: int, fit_rows: int = FIT_ROWS) -> Cost:
    """Estimated CPU seconds to fit `spec` once, on at most `fit_rows` documents, and to encode all once."""
    rows = min(documents, fit_rows)
    cost = Cost(0.0, 0.0)
    for tier in spec.tiers:
        width = dimension
        for part in (*tier.reducers, *tier.quantizer.before):
            cost += part.cost(documents, rows, width)
            width = part.width(width)
        cost += tier.quantizer.cost(documents, rows, width)
    return cost
