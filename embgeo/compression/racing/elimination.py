"""Which specs a sample rules out, by paired comparisons, and which of the others go on.

A spec is *clearly beaten* if another that may be chosen, is no larger (sizes do not matter within a budget) and has no
lower quality (within half a standard error, as the rule allows), finds clearly more of the exact neighbours; without a
budget also if it clearly keeps too little. Clearly: one-sided, paired by query, at ALPHA over all stages and rivals, so
that the chance of ever dropping the one that would be best for queries like these on such a sample is at most ALPHA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embgeo.compression.choosing.decision import Limits, choose_for, competing
from embgeo.compression.choosing.select import RIVAL_ERRORS, TIE_MARGIN, Z95, Competition, choose, moments
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.sweep import Sweep

ALPHA = 0.05
FINALISTS = 3
SAFER = 0.5  # share of the missed neighbours: a spec that may be chosen when losses grow with the corpus


@dataclass(frozen=True)
class Dropped:
    """A spec that does not go on.

    Attributes
    ----------
    beaten : clearly, or it may not be chosen at all; otherwise others are merely preferred to it.
    difference, difference_ci : of its recall@10 to that of `leader`, with a 95 % interval, paired by query.
    """

    spec: Spec
    reason: str
    beaten: bool
    leader: Spec
    difference: float
    difference_ci: tuple[float, float] | None


@dataclass(frozen=True)
class Verdict:
    """The specs that go on, the preferred first, and those that do not."""

    kept: list[Spec]
    dropped: list[Dropped]


@dataclass(frozen=True)
class Elimination:
    """The rule of elimination under some limits; `stages` is how many samples there are, `targets` are named stores."""

    limits: Limits
    stages: int
    targets: Sequence[str] = ()

    def __call__(self, sweep: Sweep, most: int) -> Verdict:
        """Drop what the `sweep` of a sample rules out, then all but `most`."""
        field = competing(sweep, self.limits)
        out = {
            row: self._not_allowed(field, row, sweep.all[row].spec)
            for row in range(1, len(field.sizes))
            if not field.allowed[row]
        }
        alive = field.allowed.copy()
        alive[0] = False
        out |= self._beaten(field, sweep, alive)
        for row in out:
            alive[row] = False
        order = self._preferred(field, sweep, alive)
        if not order:
            return Verdict([], [self._dropped(field, sweep, row, why, True, 0) for row, why in out.items()])
        kept, cut = order[:most], order[most:]
        leader = max(kept, key=lambda row: float(field.recall[row].mean()))
        why = f"not clearly beaten, but {len(kept)} others are preferred on this sample"
        dropped = [self._dropped(field, sweep, row, reason, True, leader) for row, reason in out.items()]
        dropped += [self._dropped(field, sweep, row, why, False, leader) for row in cut]
        return Verdict([sweep.all[row].spec for row in kept], dropped)

    def _not_allowed(self, field: Competition, row: int, spec: Spec) -> str:
        if spec.centred:
            return "arithmetic of published studies, for comparison only"
        if spec.own_metric:
            return "another metric, which is chosen on the whole corpus only: --spec"
        smallest = field.sizes[row] >= field.sizes[0]
        return "larger than float32" if smallest and self.limits.budget is None else "over the budget"

    def _beaten(self, field: Competition, sweep: Sweep, alive: np.ndarray) -> dict[int, str]:
        """The rows that are clearly beaten, and by what."""
        from scipy.special import ndtri

        weights = np.ones(field.quality.shape[1])
        z = -float(ndtri(ALPHA / max(1, self.stages * (int(alive.sum()) - 1))))
        means = field.quality.mean(axis=1)
        capped = np.minimum(means, field.baseline.mean())
        passed = choose(field, weights).kept
        found: dict[int, str] = {}
        for row in sorted(np.flatnonzero(alive).tolist(), key=lambda row: -float(field.recall[row].mean())):
            gap, error = moments(field.recall[row] - field.recall, weights, field.groups)
            clear = alive & (gap > 0) & (gap > z * error)
            _, error = moments(field.quality[row] - field.quality, weights, field.groups)
            clear &= capped - capped[row] <= np.where(np.isfinite(error), RIVAL_ERRORS * error, 0.0)
            clear &= passed[row] | ~passed
            if not field.limited:
                clear &= field.sizes[row] <= field.sizes
            for loser in np.flatnonzero(clear).tolist():
                if self._held(sweep, loser) <= self._held(sweep, row):
                    found.setdefault(loser, f"clearly finds fewer of the exact neighbours than {sweep.all[row].spec}")
        if not field.limited:
            found |= self._out_of_reach(field, alive, z)
        return found

    def _held(self, sweep: Sweep, row: int) -> set[str]:
        """The named stores that hold a row: it is beaten only by what all of them hold."""
        return set(self.limits.footprints.get(str(sweep.all[row].spec), ()))

    def _out_of_reach(self, field: Competition, alive: np.ndarray, z: float) -> dict[int, str]:
        """Without a budget: rows that clearly keep too little to be confirmed, or to be tied with the best."""
        weights = np.ones(field.quality.shape[1])
        if field.minimise and field.keep is not None:
            gaps, what = field.quality - field.keep * field.baseline, f"clearly keeps under {100 * field.keep:g} %"
        else:
            means = np.where(alive | field.allowed, field.quality.mean(axis=1), -np.inf)
            best = field.quality[int(means.argmax())]
            gaps = field.quality - (1 - TIE_MARGIN) * best
            what = f"clearly loses over {100 * TIE_MARGIN:g} % against the best"
        mean, error = moments(gaps, weights, field.groups)
        below = np.flatnonzero(alive & (mean < -z * error)).tolist()
        return dict.fromkeys(below, what) if len(below) < alive.sum() else {}

    def _preferred(self, field: Competition, sweep: Sweep, alive: np.ndarray) -> list[int]:
        """The rows that are left, in the order in which the rule would choose them, one after another.

        Without a budget the smallest that loses little enough is chosen, and losses grow with the corpus: the next ones
        are those that would be chosen among rows that miss at most half as many neighbours, and so on. With named
        stores the choice for each of them comes first.
        """
        weights, left, order = np.ones(field.quality.shape[1]), alive.copy(), []
        missed = 1 - field.recall.mean(axis=1)

        def take(pool: np.ndarray) -> int:
            row = choose(replace(field, allowed=pool), weights).row
            order.append(row)
            left[row] = False
            return row

        for target in self.targets:
            row = choose_for(sweep, self.limits, target)
            if row is not None and left[row]:
                order.append(row)
                left[row] = False
        if not field.limited:
            pool = left.copy()
            while pool.any():
                row = take(pool)
                pool = left & (missed <= SAFER * missed[row])
        while left.any():
            take(left)
        return order

    def _dropped(self, field: Competition, sweep: Sweep, row: int, reason: str, beaten: bool, leader: int) -> Dropped:
        gap, error = moments(
            (field.recall[row] - field.recall[leader])[None], np.ones(field.recall.shape[1]), field.groups
        )
        mean, half = float(gap[0]), Z95 * float(error[0]) if np.isfinite(error[0]) else 1.0
        ends = (mean - half, mean + half)
        return Dropped(sweep.all[row].spec, reason, beaten, sweep.all[leader].spec, mean, ends)
