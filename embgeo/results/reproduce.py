"""The result of reproducing published numbers."""

from __future__ import annotations

from embgeo.results.shared import Result
from embgeo.results.stored import Stored, stored

PASSED, FAILED, NOT_RUN = "pass", "fail", "not run"


class Compared(Stored):
    """One published number beside the measured one.

    `relation` is "=" (the two differ by at most `tolerance`), "≤" or "≥" (the measured one is at most, or at least, the
    published one, up to the tolerance).
    """

    name: str = ""
    published: float | None = None
    measured: float | None = None
    relation: str = ""
    tolerance: float | None = None
    passed: bool | None = None


class Reproduction(Stored):
    """What became of an entry: `status` is PASSED, FAILED or NOT_RUN, the last with a `reason`.

    `verdict` is what a reader of the source should take from it, if the numbers pass.
    """

    name: str = ""
    title: str = ""
    source: str = ""
    status: str = ""
    reason: str | None = None
    verdict: str = ""
    seconds: float | None = None
    numbers: list[Compared] = stored()


class ReproduceResult(Result):
    """Published numbers beside measured ones, by entry."""

    reproductions: list[Reproduction] = stored()
    warnings: list[str] = stored()

    def of(self, status: str) -> list[Reproduction]:
        """The entries of that status."""
        return [each for each in self.reproductions if each.status == status]
