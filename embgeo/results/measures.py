"""What the measures of a stored signature mean: their declared facts, for those who draw results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class MeasureFacts:
    """Family, a sentence, the ends of the possible values, and which of them is better ("neither" for none)."""

    family: str = "other"
    summary: str = ""
    range: tuple[float, float] | None = None
    better: str = "neither"


@cache
def measure_facts() -> Mapping[str, MeasureFacts]:
    """The facts by name, of every measure that this installation knows."""
    from embgeo.metrics.registry import measures  # importing the family takes a second

    return {
        name: MeasureFacts(known.family, known.summary, known.range, known.better) for name, known in measures().items()
    }
