"""What the measures of a stored signature mean: their declared facts, for code that draws results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embgeo.metrics.registry import CurveFacts, DocumentFacts


@dataclass(frozen=True)
class MeasureFacts:
    """Family, a sentence, the possible values, their better end ("neither" for none), its curves and documents."""

    family: str = "other"
    summary: str = ""
    range: tuple[float, float] | None = None
    better: str = "neither"
    curves: Mapping[str, CurveFacts] = field(default_factory=dict)
    documents: DocumentFacts | None = None


@cache
def measure_facts() -> Mapping[str, MeasureFacts]:
    """The facts by name, of every measure that this installation knows."""
    from embgeo.metrics.registry import measures  # importing the family takes a second

    return {
        name: MeasureFacts(known.family, known.summary, known.range, known.better, known.curves, known.documents)
        for name, known in measures().items()
    }


def curve_facts(measure: str, curve: str) -> CurveFacts:
    """How a curve is drawn; without a title where nothing is declared."""
    from embgeo.metrics.registry import CurveFacts

    return measure_facts().get(measure, MeasureFacts()).curves.get(curve, CurveFacts(curve))
