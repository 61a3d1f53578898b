"""What was measured of a store that `embgeo deploy` filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.results.shared import NDCG, RECALL
from embgeo.results.stored import Interval, Stored, stored


class DeployedMode(Stored):
    """Quality of one way to search the store, and its difference from the prediction, paired by query; `changed` is the
    number of queries whose quality differs at all, `incomplete` of those that got fewer documents than asked for.

    `mode` is `codes` (all codes, no index, no rescoring), `configured` or `defaults` (no option of the search given).
    """

    mode: str = ""
    ndcg: float | None = stored(key=NDCG, optional=True)
    ndcg_ci: Interval | None = stored(key=f"{NDCG}_ci", optional=True)
    recall: float | None = stored(key=RECALL)
    difference: float | None = None
    difference_ci: Interval | None = None
    changed: int | None = None
    incomplete: int | None = None
    single_query_ms: float | None = None


class Deployment(Stored):
    """A collection in a store: what was planned, what the store says, and what was measured.

    `place` is without its password; `quality` is what `difference` compares, nDCG@10 or recall@10.
    """

    target: str = ""
    place: str = ""
    name: str = ""
    spec: str = ""
    predicted: str = ""
    fidelity: str = ""
    created: str = ""
    native: str = ""
    config: Mapping[str, Any] = stored()
    read_back: Mapping[str, Any] = stored()
    rows: int | None = None
    load_seconds: float | None = None
    ready_seconds: float | None = None
    quality: str = NDCG
    predicted_quality: float | None = None
    queries: int | None = None
    predicted_recall: float | None = None
    modes: list[DeployedMode] = stored()
    bytes: Mapping[str, float] = stored()
    code_bytes: int | None = None
    original_bytes: int | None = None
    floor: float | None = None
    notes: list[str] = stored()
    warnings: list[str] = stored()

    @property
    def version(self) -> str:
        """Of the store, as it says."""
        return str(self.read_back.get("version") or "")

    @property
    def growing(self) -> Mapping[str, float]:
        """Bytes by part, without those that an empty store takes too."""
        return {part: size for part, size in self.bytes.items() if not part.startswith("fixed: ")}

    @property
    def configured(self) -> DeployedMode | None:
        """What the configured search delivers; None if nothing was measured."""
        return next((one for one in self.modes if one.mode == "configured"), None)
