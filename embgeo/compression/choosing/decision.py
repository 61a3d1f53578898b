"""From a sweep to a decision: which rows compete, which is chosen, and why; the rule itself is in `select`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from embgeo.compression.choosing.account import Footprint
from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.front import pareto_front
from embgeo.compression.choosing.select import (
    Challengers,
    Choice,
    Competition,
    challenge,
    choose,
    cross_fit,
    keep_p_values,
    queries_needed,
)
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep
from embgeo.errors import BudgetError
from embgeo.results.compress import CrossFitted, MetricChange, Recommendation, StoreEffects
from embgeo.results.rows import KeepVerdict, Row

POWER = "80 % power, if the measured quality holds"
POOR = 0.9  # share of the quality below which a recommendation comes with a warning


@dataclass(frozen=True)
class Limits:
    """The requirements on the recommended store.

    Attributes
    ----------
    vectors : how many it is planned for.
    keep : share of float32's quality that it must keep, or None.
    float32_competes : False if the user named other specs: float32 is then the reference, not a candidate.
    footprints : with `--target`, by spec and target, what the target needs; only these specs may be chosen.
    earlier : specs that a race on samples dropped.
    """

    vectors: int
    budget: Budget | None = None
    keep: float | None = None
    float32_competes: bool = True
    footprints: Mapping[str, Mapping[str, Footprint]] = field(default_factory=dict)
    earlier: int = 0

    def may_fit(self, spec: Spec, dimension: int) -> bool:
        """Whether the bytes that a vector adds are within the budget, before anything is fitted."""
        budget, held = self.budget, self.footprints.get(str(spec))
        if self.footprints:
            return held is not None and any(budget is None or budget.holds(*size_in(f, budget)) for f in held.values())
        return budget is None or budget.allows(spec.code_bytes(dimension) + spec.structure_bytes_per_vector, 0)

    def fits(self, outcome: Outcome) -> bool:
        """Whether a row is within the budget."""
        size = self.size(outcome)
        return self.budget is None or self.budget.holds(size.each, size.whole)

    def size(self, outcome: Outcome) -> Size:
        """The bytes of a row by the account of the target where it takes least, or by embgeo's own."""
        held = self.footprints.get(str(outcome.spec))
        if not held:
            each = outcome.bytes_per_vector
            return Size(each, self.vectors * each + outcome.constant_bytes)
        sizes = [Size(*size_in(one, self.budget, self.vectors), name, one) for name, one in held.items()]
        whole = self.budget is not None and self.budget.per_vector is None
        return min(sizes, key=lambda size: size.whole if whole else size.each)


@dataclass(frozen=True)
class Size:
    """The size of a row: what a budget per vector limits, and the whole store at the planned number of vectors.

    `target` is the store by whose account it is, and `footprint` what that says; empty and None for embgeo's own.
    """

    each: float
    whole: float
    target: str = ""
    footprint: Footprint | None = None


def size_in(footprint: Footprint, budget: Budget | None, vectors: int | None = None) -> tuple[float, float]:
    """(bytes per vector that a search needs, bytes of the whole store of `vectors`), as `budget` limits them.

    A share of the float32 vectors is compared with what vectors take, a size with all that the store takes.
    """
    count = vectors if vectors is not None else budget.vectors if budget is not None else 1
    share = budget is not None and budget.is_share
    return footprint.hot_bytes, (footprint.growing_bytes if share else footprint.whole_bytes)(count)


@dataclass(frozen=True)
class Decision:
    """The chosen row, and what that means for every row; arrays are (rows,), float32 first.

    Attributes
    ----------
    fits : rows that may be chosen: those of the competition, and others of another metric within the budget.
    tied : rows statistically tied with the chosen one.
    front : rows on the Pareto front of size and quality.
    verdicts : whether each row is confirmed to keep enough; None without `keep`.
    float32_as_fallback : float32 is chosen because nothing smaller is confirmed to keep enough.
    queries_needed : by the row closest to confirmation.
    expected : quality to expect on new queries of a choice by this rule.
    change : the verdict on rows that compare by another metric; None if there is none.
    """

    limits: Limits
    competition: Competition
    choice: Choice
    fits: np.ndarray
    tied: np.ndarray
    front: np.ndarray
    verdicts: list[KeepVerdict] | None
    float32_as_fallback: bool
    queries_needed: float
    expected: CrossFitted | None
    change: MetricChange | None = None

    @property
    def chosen(self) -> int:
        return self.choice.row

    def marks(self, place: int) -> dict[str, Any]:
        """The row fields that the decision sets."""
        return {
            "pareto": bool(self.front[place]),
            "fits_budget": bool(self.fits[place]),
            "tied": bool(self.tied[place]),
            "keep": None if self.verdicts is None else self.verdicts[place],
        }


def decide(sweep: Sweep, limits: Limits, seed: int) -> Decision:
    """Choose among the outcomes of `sweep`. Raises BudgetError, with the smallest size reached, when no row fits."""
    competition = competing(sweep, limits)
    everything = np.ones(len(sweep.baseline.quality))
    choice = choose(competition, everything)
    float32_as_fallback = limits.keep is not None and choice.row == 0 and bool(competition.allowed[1:].any())
    change, choice = _changed(sweep, limits, competition, choice, seed)
    names = [str(outcome.spec) for outcome in sweep.all]
    expected = change.expected if change is not None and change.accepted else cross_fit(competition, names, seed)
    # if float32 finds nothing, there is no quality to compare, and so no tie
    tied = choice.tied & sweep.baseline.quality.any()
    verdicts, needed = None, np.full(len(tied), np.inf)
    if limits.keep is not None:
        # the extra lost query makes a yes safe; a no must rest on observed queries alone
        below, needed = 1 - keep_p_values(competition, everything, unseen=0), queries_needed(competition, choice.kept)
        verdicts = [_verdict(*one) for one in zip(choice.kept.tolist(), below.tolist(), needed.tolist(), strict=True)]
    return Decision(
        limits=limits,
        competition=competition,
        choice=choice,
        fits=competition.allowed | [outcome.spec.own_metric and limits.fits(outcome) for outcome in sweep.all],
        tied=tied,
        front=_front(sweep, competition),
        verdicts=verdicts,
        # float32 keeps everything by definition: if others were allowed, it is only the fallback
        float32_as_fallback=float32_as_fallback and choice.row == 0,
        queries_needed=float(needed[1:].min(initial=np.inf)),
        expected=expected,
        change=change,
    )


def _front(sweep: Sweep, competition: Competition) -> np.ndarray:
    """(rows,) bool: the Pareto front of the rows that approximate float32; another metric is no closer to it."""
    same = np.flatnonzero([not outcome.spec.own_metric for outcome in sweep.all])
    front = np.zeros(len(competition.sizes), bool)
    front[same] = pareto_front(competition.sizes[same], competition.quality[same].mean(axis=1))
    return front


def _changed(
    sweep: Sweep, limits: Limits, competition: Competition, choice: Choice, seed: int
) -> tuple[MetricChange | None, Choice]:
    """The verdict on rows that compare by another metric, and the choice after it.

    Within a budget all that fit it compete, otherwise those of at most the chosen row's bytes per vector; with `keep`
    only confirmed ones, if that is. A store larger than float32 does not, unless float32 itself is chosen.
    """
    places = {outcome.spec: row for row, outcome in enumerate(sweep.all)}
    sizes, pairs = [limits.size(outcome) for outcome in sweep.all], list[tuple[int, int]]()
    for row, (outcome, size) in enumerate(zip(sweep.all, sizes, strict=True)):
        spec = outcome.spec
        reference = places.get(spec.neutral, places.get(spec.plain))
        if not sweep.judged or spec == spec.neutral or reference is None:
            continue
        fits = limits.fits(outcome) if limits.budget else size.each <= sizes[choice.row].each
        smaller = choice.row == 0 or size.whole < sizes[0].whole
        if fits and smaller and (choice.kept[row] or not choice.kept[choice.row]):
            pairs.append((row, reference))
    if not pairs:
        return None, choice
    rows, references = map(list, zip(*pairs, strict=True))
    names, quality = [str(outcome.spec) for outcome in sweep.all], competition.quality
    named = [names[row] for row in rows], [names[row] for row in references], names[choice.row]
    instead, groups = quality[choice.row], competition.groups
    found = challenge(
        Challengers(quality[rows], quality[references], instead, competition.baseline, groups, named), seed
    )
    if found is None or not found.accepted:
        return found, choice
    row = names.index(found.spec)
    return found, Choice(row, np.arange(len(names)) == row, choice.kept)


def competing(sweep: Sweep, limits: Limits) -> Competition:
    """The rows that may be chosen. Sizes are bytes per vector unless the budget is for the whole store."""
    outcomes, budget = sweep.all, limits.budget
    found = [limits.size(o) for o in outcomes]
    each, whole = np.array([[size.each, size.whole] for size in found], dtype=np.float64).T
    allowed = np.array([limits.fits(outcome) for outcome in outcomes])
    sizes = whole if budget is not None and budget.per_vector is None else each
    if limits.footprints:
        allowed &= np.array([str(o.spec) in limits.footprints for o in outcomes])
    first = np.arange(len(outcomes)) == 0
    approximate = np.array([not o.spec.own_metric for o in outcomes])
    # another metric is chosen by judgements alone, see `_changed`
    allowed &= approximate
    if not limits.float32_competes and approximate[1:].any():
        allowed &= ~first
    sound = np.array([not o.spec.centred for o in outcomes])
    if sound[1:].any():
        # the arithmetic of published studies is for comparison, not for shipping
        allowed &= sound
    compared = sizes if limits.footprints else whole
    if (smaller := allowed & (compared < compared[0])).any():
        # axes can outweigh a small corpus: a store larger than float32 is not chosen while there is another
        allowed = smaller | (allowed & first)
    if not allowed.any():
        assert budget is not None
        raise BudgetError(_impossible(budget, outcomes, sizes, limits.vectors))
    return Competition(
        quality=np.stack([o.quality for o in outcomes]),
        recall=np.stack([o.recall for o in outcomes]),
        sizes=sizes,
        allowed=allowed,
        baseline=sweep.baseline.quality,
        groups=sweep.query_groups,
        keep=limits.keep,
        minimise=limits.keep is not None and budget is None,
        limited=budget is not None,
        reference=0,
        earlier=limits.earlier,
    )


def choose_for(sweep: Sweep, limits: Limits, target: str) -> int | None:
    """The row that is chosen if it must live in one of the targets; None if nothing there fits the budget."""
    present = {str(outcome.spec) for outcome in sweep.all}
    footprints = {
        text: {target: held[target]} for text, held in limits.footprints.items() if target in held and text in present
    }
    if not footprints:
        return None
    alone = replace(limits, footprints=footprints, float32_competes=limits.float32_competes and "f32" in footprints)
    try:
        competition = competing(sweep, alone)
    except BudgetError:
        return None
    return choose(competition, np.ones(len(sweep.baseline.quality))).row


def recommend(
    sweep: Sweep, decision: Decision, rows: Sequence[Row], effects: StoreEffects, state: Sequence[Mapping[str, Any]]
) -> Recommendation:
    """The chosen row of `rows`, and why it is recommended; `effects` and `state` are those of the built store."""
    row, limits = rows[decision.chosen], decision.limits
    marginal = np.array([limits.size(one).each for one in sweep.all])
    cheapest_first = np.lexsort((marginal, decision.competition.sizes))
    ties = [rows[place].spec for place in cheapest_first if decision.tied[place] and place != decision.chosen]
    met = (
        None
        if limits.keep is None
        else bool(decision.choice.kept[decision.chosen]) and not decision.float32_as_fallback
    )
    return Recommendation(
        **{one.name: getattr(row, one.name) for one in fields(row)},
        tied_with=ties,
        cross_fitted=decision.expected,
        meets_keep=met,
        reason=_reason(row, sweep, decision, ties, met),
        effects=effects,
        state=list(state),
    )


def _reason(row: Row, sweep: Sweep, decision: Decision, ties: Sequence[str], met: bool | None) -> str:
    """The recommendation in one sentence: quality kept, size, limits, ties."""
    limits, budget = decision.limits, decision.limits.budget
    size, base = row.bytes_per_vector, sweep.baseline.code_bytes
    where, held = "", limits.size(sweep.all[decision.chosen])
    if held.footprint is not None:
        base = round(limits.size(sweep.baseline).each)
        where = f" that a search in {held.target} reads ({held.footprint.disk_bytes:,} on disk)"
    text = f"{row.spec} {_kept(row, sweep)} at {size} byte{'' if size == 1 else 's'} a vector{where} instead of {base}"
    if budget is not None:
        scope = "" if budget.per_vector is not None else f" for the whole store of {budget.vectors:,} vectors"
        text += f", within {budget.text}{scope}"
    if decision.change is not None and decision.change.accepted:
        text += f"; {changed_metric(decision.change)}"
    if ties:
        listed = ", ".join(ties[:4]) + (f" and {len(ties) - 4} more" if len(ties) > 4 else "")
        text += f"; statistically tied with it: {listed}"
    if limits.keep is None:
        return text
    share = f"{100 * limits.keep:g} %"
    if decision.float32_as_fallback:
        text += f"; no smaller store is confirmed to keep {share} with {_queries(len(sweep.baseline.quality))}"
        if np.isfinite(decision.queries_needed):
            text += f"; about {_queries(np.ceil(decision.queries_needed))} would confirm it with {POWER}"
        return text
    if met:
        return f"{text}; confirmed: at least {share} kept"
    needed = row.keep.queries_for_80_percent_power if row.keep is not None else None
    more = "" if needed is None else f" (about {_queries(needed)} would confirm it with {POWER})"
    return f"{text}; not confirmed: at least {share} kept{more}"


def changed_metric(change: MetricChange) -> str:
    """What a change of metric gains, in words."""
    assert change.gain is not None
    low, high = change.gain_ci or (change.gain, change.gain)
    return (
        "it changes the metric, so that it no longer looks for the neighbours of exact search, and gains "
        f"{change.gain:+.4f} nDCG@10 ({low:+.4f} to {high:+.4f}) over the same codec without that, chosen on half of "
        "the queries and evaluated on the other"
    )


def _kept(row: Row, sweep: Sweep) -> str:
    """How much of the quality the row keeps, with its interval if there is one."""
    name = "nDCG@10" if sweep.judged else "recall@10 against exact search"
    if row.retained is None:
        return f"cannot be compared, since {name} of float32 itself is 0,"
    if row.retained_ci is None:
        if not row.changed_queries:
            return f"leaves {name} unchanged on every query"
        few = (row.note or "").partition(", ")[0]
        return f"keeps {100 * row.retained:.1f} % of {name} ({few})"
    low, high = row.retained_ci
    verb = "keeps" if row.retained >= POOR else "keeps only"
    return f"{verb} {100 * row.retained:.1f} % ({100 * low:.1f}–{100 * high:.1f}) of {name}"


def _verdict(passed: bool, p_keeps_less: float, needed: float) -> KeepVerdict:
    """yes / no / not shown, and how many queries would confirm it if the measured quality holds; None: no number."""
    answer = "yes" if passed else "no" if p_keeps_less < 0.05 else "not shown"
    return KeepVerdict(
        shown=answer, queries_for_80_percent_power=None if not np.isfinite(needed) else int(np.ceil(needed))
    )


def _queries(number: float) -> str:
    return f"{number:,.0f} {'query' if number == 1 else 'queries'}"


def _impossible(budget: Budget, outcomes: Sequence[Outcome], sizes: np.ndarray, vectors: int) -> str:
    each = budget.per_vector is not None
    smallest = int(np.argmin(sizes))
    limit = f"{budget.text} per vector" if each else f"{budget.text} for {vectors} vectors ({budget.store:.0f} bytes)"
    reached = f"{outcomes[smallest].spec} with {sizes[smallest]:.0f} bytes"
    return (
        f"no codec of this sweep fits {limit}; the smallest is {reached}. "
        "Raise --budget or name smaller ones with --spec"
    )
