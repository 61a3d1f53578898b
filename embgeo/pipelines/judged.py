"""How compress judges its specs: all on everything, or in stages on a large corpus, and what that takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.compression.choosing.decision import Limits
from embgeo.compression.choosing.front import front_note
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.checkpoint import Checkpoints
from embgeo.compression.judging.sweep import Setting, Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.racing.clock import Outline, outline
from embgeo.compression.racing.race import Race, Rules, race
from embgeo.compression.racing.samples import Sizes
from embgeo.progress import PLAN, Progress

SIZES = Sizes()
LONG_SECONDS = 10  # a shorter sweep is not announced


@dataclass(frozen=True)
class Announced:
    """What was said before a sweep, when, and whether specs are raced."""

    outline: Outline
    staged: bool
    started: float

    def protocol(self, swept: Sweep) -> dict[str, Any]:
        """What the sweep took so far, beside what was said."""
        seconds = time.monotonic() - self.started
        found: dict[str, Any] = {
            "plan": self.outline.account(seconds),
            "seconds": round(seconds, 1),
            "predicted_seconds": round(self.outline.seconds, 1),
            "timing_seconds": round(swept.timing_seconds, 1),
        }
        if self.outline.limit is not None:
            found["time_limit_seconds"] = self.outline.limit
            found["unjudged"] = [str(spec) for spec in swept.unjudged]
        return found


@dataclass(frozen=True)
class Judged:
    """The sweep that decides, and the race before it, if there was one."""

    sweep: Sweep
    race: Race | None

    def forget(self, checkpoints: Checkpoints) -> None:
        """Remove what was saved: its run is."""
        if self.race is not None:
            self.race.forget()
        checkpoints.forget([outcome.spec for outcome in self.sweep.all])

    @property
    def earlier(self) -> int:
        """How many specs were dropped on samples."""
        return 0 if self.race is None else sum(len(stage.dropped) for stage in self.race.stages)

    @property
    def unjudged(self) -> list[Spec]:
        """Specs for which the time did not suffice."""
        stages = [] if self.race is None else self.race.stages
        return [*self.sweep.unjudged, *(spec for stage in stages for spec in stage.sweep.unjudged)]

    def warnings(self) -> list[str]:
        """Which specs were not judged for want of time."""
        left = self.unjudged
        if not left:
            return []
        listed = ", ".join(map(str, left[:4])) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
        return [f"--time did not suffice for {len(left)} of the specs: {listed}"]


def announce(
    given: SweepInput, specs: Sequence[Spec], progress: Progress, *, whole: bool, limit: float | None
) -> Announced:
    """Say what a sweep of `specs` will do and about how long it will take, if that is long.

    `whole`: they are to be judged on everything, however long it takes; unless `limit` (seconds) is less.
    """
    started, large = time.monotonic(), SIZES.is_large(len(given.embeddings))
    found = outline(given, specs, SIZES, large and not whole, limit)
    staged = bool(found.stages)
    if large and whole and limit is not None and found.seconds > limit:
        found, staged = outline(given, specs, SIZES, True, limit), True
    if staged or limit is not None or found.seconds >= LONG_SECONDS:
        progress(f"{PLAN}: {found.sentence}", 1, 1)
    return Announced(found, staged, started)


def judge(
    given: SweepInput,
    specs: Sequence[Spec],
    announced: Announced,
    rules: tuple[Limits, Sequence[str]],
    checkpoints: Checkpoints | None,
    progress: Progress,
) -> Judged:
    """Judge `specs` as was announced; `rules` are what a spec must meet, and the names of the stores it is for."""
    limit = announced.outline.limit
    left = None if limit is None else max(0.0, limit - (time.monotonic() - announced.started))
    if announced.staged:
        how = Rules(*rules, SIZES, left)
        raced = race(given, specs, how, progress=progress, checkpoints=checkpoints, summarise=front_note)
        return Judged(raced.final, raced)
    setting = None
    if left is not None:
        early = [spec for spec in specs if rules[0].may_fit(spec, given.embeddings.dimension)]
        setting = Setting(deadline=time.monotonic() + left, early=early)
    swept = sweep(given, specs, progress=progress, checkpoints=checkpoints, summarise=front_note, setting=setting)
    return Judged(swept, None)
