"""The result of a limits run."""

from __future__ import annotations

from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import Stored, stored


class Unreachable(Stored):
    """Documents that are in the top `k` of no query, as shares of all, beside what random retrieval leaves out.

    `auc` is how well the k-occurrence of a document among the documents (`occurrence_k`) tells them from the rest:
    the probability that an unreachable one has the lower count. `documents` lists the first of them by id.
    """

    k: int | None = None
    queries: int | None = None
    share: float | None = None
    random_share: float | None = None
    occurrence_k: int | None = None
    auc: float | None = None
    probes: int | None = None
    documents: list[str] = stored()


class Limits(Stored):
    """What a space cannot hold; each finding is None where what it needs is missing."""

    unreachable: Unreachable | None = None


class LimitsResult(Result):
    """What a space cannot hold, and how well exact search retrieves in it."""

    limits: Limits = stored()
    retrieval: dict[str, Estimate] | None = None
    warnings: list[str] = stored()
