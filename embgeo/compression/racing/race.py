"""The race of specs over nested samples of a large corpus, and the sweep of the finalists over all of it.

How often its choice is that of the whole sweep, by `benchmarks/decisions.py races 100000 10` (76 specs, ten seeds,
samples scaled to the corpus; each within two budgets, without one, and with `keep`, so 40 choices):

    corpus                                             equal   tied with it   neither
    clusters, 100,000 x 128, 200 queries                  40              0         0
    Gaussian, decaying spectrum, the same size            40              0         0
    Student's t of 2.5 degrees, the same                  40              0         0
    SciFact, 5,183 x 384, 50 queries, nDCG@10             29             11         0
    pydocs:scientific, 6,100 x 384, the same              30             10         0

Within a budget 99 of 100 are equal. Of the 21 that are tied, 20 are choices of the smallest sufficient store, by few
queries: the race then takes one of up to 6 times the bytes (median 2), which finds .03 to .25 more of the neighbours,
since its finalists are the smallest that suffices on the sample and stores that miss at most half as much.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from embgeo.compression.choosing.decision import Limits
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.checkpoint import Checkpoints
from embgeo.compression.judging.finding import Finding
from embgeo.compression.judging.folds import Folds
from embgeo.compression.judging.sweep import Setting, Sweep, nearest, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.racing.clock import Clock, most_kept
from embgeo.compression.racing.elimination import ALPHA, FINALISTS, Dropped, Elimination
from embgeo.compression.racing.samples import Sizes, near_rows, nested_samples, on_sample
from embgeo.progress import Progress, silent
from embgeo.results.compress import DroppedSpec
from embgeo.results.compress import Race as StoredRace
from embgeo.results.compress import Stage as StoredStage
from embgeo.retrieval.significance import QueryBootstrap


@dataclass(frozen=True)
class Rules:
    """How specs are raced.

    Attributes
    ----------
    limits : what a spec must meet to be chosen.
    targets : the named stores, each of which is picked for.
    time_limit : in seconds, or None.
    """

    limits: Limits
    targets: Sequence[str] = ()
    sizes: Sizes = field(default_factory=Sizes)
    time_limit: float | None = None


@dataclass(frozen=True)
class Stage:
    """One sample: what was judged on it, and which specs went no further; `needed` documents are in every sample."""

    sweep: Sweep
    needed: int
    dropped: list[Dropped]
    seconds: float


@dataclass(frozen=True)
class Race:
    """The stages of a race, and the sweep of its finalists over the whole corpus."""

    stages: list[Stage]
    final: Sweep
    checkpoints: list[Checkpoints]

    def forget(self) -> None:
        """Remove what was saved of the samples."""
        for kept, stage in zip(self.checkpoints, self.stages, strict=False):
            kept.forget([one.spec for one in stage.sweep.all])

    def account(self, seed: int) -> StoredRace:
        """The race as a run stores it."""
        return StoredRace(
            stages=[_stage(stage) for stage in self.stages],
            dropped=[one for stage in self.stages for one in _dropped(stage, seed)],
            finalists=[str(one.spec) for one in self.final.outcomes],
            meaning=_meaning(self),
        )


def race(
    given: SweepInput,
    specs: Sequence[Spec],
    rules: Rules,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    summarise: Callable[[Iterable[Finding]], str] | None = None,
) -> Race:
    """Judge `specs` on nested samples, each four times the one before, until at most three are left; those on all.

    Every sample holds all judged documents and the exact neighbours of all queries, which one pass over the corpus
    finds, so that specs are compared on what they must find; with fewer distractors than in the corpus, so that levels
    are those of the sample. Codecs are fitted once, on the fit sample of the corpus.
    """
    clock, sizes = Clock(rules.time_limit, time.monotonic()), rules.sizes
    embeddings = given.embeddings
    exact = nearest(given, progress)
    near = near_rows(given, exact)
    counts = sizes.stages(len(embeddings), len(near[0]), embeddings.dimension)
    samples = nested_samples(len(embeddings), near, counts, given.seed)
    folds = Folds(embeddings, given.seed, sizes.fit_rows)
    rule = Elimination(rules.limits, len(samples), rules.targets)
    left = [spec for spec in specs if str(spec) != "f32"]
    early = [spec for spec in left if rules.limits.may_fit(spec, embeddings.dimension)]
    stages: list[Stage] = []
    saved: list[Checkpoints] = []
    for number, rows in enumerate(samples, start=1):
        if len(left) <= FINALISTS or (stages and not _affords(clock, stages[-1], left, len(rows), len(embeddings))):
            break
        started, last = time.monotonic(), number == len(samples)
        label = f"stage {number} of {len(samples) + 1}, {len(rows):,} documents"
        kept = checkpoints and checkpoints.of(f"{len(rows)} of {len(near[0])} needed, first {sizes.first}")
        setting = Setting(None, folds.on(rows), is_sample=True, label=label, deadline=clock.deadline, early=early)
        swept = sweep(
            on_sample(given, rows), left, progress=progress, checkpoints=kept, summarise=summarise, setting=setting
        )
        verdict = rule(swept, most_kept(len(left), last, sizes.growth))
        stages.append(Stage(swept, len(near[0]), verdict.dropped, time.monotonic() - started))
        saved += [] if kept is None else [kept]
        clock.learn(swept, stages[-1].seconds)
        left = verdict.kept
    left = _finalists(clock, stages, left, len(embeddings))
    label = f"stage {len(stages) + 1}, all documents"
    # without a sample nothing has been dropped yet: all specs come here, as many as there is time for
    deadline = np.inf if stages or clock.limit is None else clock.started + clock.limit
    setting = Setting(exact, folds, label=label, deadline=deadline, early=early)
    final = sweep(given, left, progress=progress, checkpoints=checkpoints, summarise=summarise, setting=setting)
    return Race(stages, final, saved)


def _affords(clock: Clock, before: Stage, left: Sequence[Spec], rows: int, documents: int) -> bool:
    """Whether there is time for another sample and then two finalists."""
    found = _findings(before.sweep, left)
    return clock.affords(found, rows, clock.needs(found[:2], documents))


def _finalists(clock: Clock, stages: Sequence[Stage], left: list[Spec], documents: int) -> list[Spec]:
    """The preferred specs that there is time for, one at least; the others are added to those that the last dropped."""
    if not stages:
        return left
    found = _findings(stages[-1].sweep, left)
    count = next((most for most in (3, 2) if clock.affords(found[:most], documents)), 1)
    leader, told = found[:1], stages[-1].dropped
    for one in found[count:]:
        gap = float((one.recall - leader[0].recall).mean())
        told.append(Dropped(one.spec, "no time to judge it on all documents", False, leader[0].spec, gap, None))
    return left[:count]


def _findings(swept: Sweep, specs: Sequence[Spec]) -> list[Finding]:
    found = {one.spec: one for one in swept.all}
    return [found[spec] for spec in specs]


def _stage(stage: Stage) -> StoredStage:
    return StoredStage(
        documents=stage.sweep.documents,
        needed=stage.needed,
        specs=len(stage.sweep.outcomes),
        beaten=sum(one.beaten for one in stage.dropped),
        cut=sum(not one.beaten for one in stage.dropped),
        unjudged=[str(spec) for spec in stage.sweep.unjudged],
        seconds=stage.seconds,
        resumed=len(stage.sweep.resumed),
    )


def _dropped(stage: Stage, seed: int) -> list[DroppedSpec]:
    """What is stored of the specs that went no further, each with the sample that it was judged on."""
    swept, outcomes = stage.sweep, {one.spec: one for one in stage.sweep.outcomes}
    bootstrap = QueryBootstrap.draw(len(swept.query_ids), seed, groups=swept.query_groups)
    found = []
    for one in stage.dropped:
        outcome, base = outcomes[one.spec], swept.baseline.quality
        found.append(
            DroppedSpec(
                spec=str(one.spec),
                bytes_per_vector=outcome.bytes_per_vector,
                documents=swept.documents,
                quality=float(outcome.quality.mean()),
                retained=float(outcome.quality.mean() / base.mean()) if base.any() else None,
                retained_ci=bootstrap.ratio(outcome.quality, base),
                recall=float(outcome.recall.mean()),
                reason=one.reason,
                beaten=one.beaten,
                leader=str(one.leader),
                difference=one.difference,
                difference_ci=one.difference_ci,
            )
        )
    return found


def _meaning(raced: Race) -> str:
    """What the race shows, and what it does not."""
    cut = [one for stage in raced.stages for one in stage.dropped if not one.beaten]
    text = (
        "each sample holds all judged documents, the exact ten neighbours of the queries, other near ones up to seven "
        "eighths of it and random others, fewer than the corpus has: values of dropped specs compare them on their "
        "sample, and are not those of the corpus. A spec is clearly beaten if one that is no larger, within the half "
        "standard error of quality that the rule allows, finds more of the exact neighbours, one-sided and paired by "
        f"query, at a level at which the best would be dropped in any stage at a chance of at most {100 * ALPHA:g} %, "
        "for queries like these on such a sample; that order may still change with the size of the corpus, which no "
        "interval here covers. The finalists were found with the same queries, so their intervals, and what is "
        "expected on new queries, are nominal; the tests of --keep count the dropped specs as tests that are not passed"
    )
    ends = [one.difference_ci[1] for one in cut if one.difference_ci is not None]
    if cut:
        text += f". {len(cut)} spec{' was' if len(cut) == 1 else 's were'} not clearly beaten but left behind"
    if ends:
        text += f": none finds over {max(0.0, float(np.max(ends))):.3f} more of the exact neighbours (95 % intervals)"
    return text
