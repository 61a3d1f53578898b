"""Results of runs as frozen types: `read_result` reads what is in run.json, `to_json` gives what goes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.results.analyze import AnalyzeResult, Curve, MeasuredValue
from embgeo.results.compare import CompareResult
from embgeo.results.compress import CompressResult, Recommendation
from embgeo.results.limits import LimitsResult
from embgeo.results.reproduce import ReproduceResult
from embgeo.results.rows import Row
from embgeo.results.shared import NDCG, RECALL, Corpus, Estimate, Named, Result
from embgeo.results.stored import Interval, Shown, Stored

__all__ = [
    "KINDS",
    "NDCG",
    "RECALL",
    "AnalyzeResult",
    "AnyResult",
    "CompareResult",
    "CompressResult",
    "Corpus",
    "Curve",
    "Estimate",
    "Interval",
    "LimitsResult",
    "MeasuredValue",
    "Named",
    "Recommendation",
    "ReproduceResult",
    "Result",
    "Row",
    "Shown",
    "Stored",
    "read_result",
]

AnyResult = AnalyzeResult | CompressResult | CompareResult | LimitsResult | ReproduceResult
KINDS: dict[str, type[AnyResult]] = {
    "analyze": AnalyzeResult,
    "compress": CompressResult,
    "compare": CompareResult,
    "limits": LimitsResult,
    "reproduce": ReproduceResult,
}


def read_result(result: Mapping[str, Any]) -> AnyResult:
    """The typed result of a run's JSON, of this version or an older one; an unknown command reads as analyze."""
    return KINDS.get(str(result.get("command")), AnalyzeResult).from_json(result)
