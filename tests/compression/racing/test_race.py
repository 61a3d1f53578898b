"""The race over samples: what it may drop, what it must not, and that it comes to the same choice."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples.sweeps import corpus

from embgeo.compression.choosing.budget import parse_budget
from embgeo.compression.choosing.decision import Limits, decide
from embgeo.compression.choosing.select import Competition, keep_p_values, kept, queries_needed
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.checkpoint import open_checkpoints
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.racing.clock import Clock, most_kept, outline, parse_time
from embgeo.compression.racing.elimination import Elimination
from embgeo.compression.racing.race import Race, Rules, race
from embgeo.compression.racing.samples import Sizes
from embgeo.embeddings import check_embeddings
from embgeo.errors import InputError

SIZES = Sizes(first=300, fit_rows=500)
SPECS = [
    parse(text)
    for text in ("f16", "int8", "int4", "binary", "pca8,int8", "pca4,int8", "adaptive@4B", "adaptive@8B", "adaptive@2B")
]


def spectral(n: int = 4000, m: int = 100, d: int = 16, seed: int = 0) -> SweepInput:
    rng = np.random.default_rng(seed)
    spectrum = (1 + np.arange(d)) ** -0.5
    X = (rng.standard_normal((n, d)) * spectrum).astype(np.float32)
    Q = (rng.standard_normal((m, d)) * spectrum).astype(np.float32)
    return SweepInput(check_embeddings(X, Q), None, fit_rows=SIZES.fit_rows)


def within(text: str | None, given: SweepInput, keep: float | None = None) -> Limits:
    n, d = len(given.embeddings), given.embeddings.dimension
    return Limits(n, None if text is None else parse_budget(text, d, n), keep)


def raced(given: SweepInput, limits: Limits, **changes) -> Race:
    return race(given, SPECS, Rules(limits, sizes=SIZES), **changes)


def chosen(swept, limits: Limits) -> str:
    return str(swept.all[decide(swept, limits, 0).chosen].spec)


@pytest.mark.parametrize(("budget", "keep"), [("8B", None), ("4B", None), (None, None), (None, 0.9), ("8B", 0.5)])
def test_the_staged_choice_is_that_of_the_whole_sweep(budget: str | None, keep: float | None) -> None:
    given = spectral()
    limits = within(budget, given, keep)
    found = raced(given, limits)
    whole = sweep(given, SPECS)
    assert len(found.stages) >= 1
    assert len(found.final.outcomes) <= 3
    assert chosen(found.final, limits) == chosen(whole, limits)
    # the finalists' values are those of the whole sweep: same codec, same documents
    of = {outcome.spec: outcome for outcome in whole.all}
    for outcome in found.final.all:
        np.testing.assert_array_equal(outcome.quality, of[outcome.spec].quality)


def test_a_dropped_spec_says_the_sample_and_is_in_no_row_of_the_corpus() -> None:
    given = spectral()
    found = raced(given, within("8B", given))
    told = found.account(0)
    assert [stage.documents for stage in told.stages] == [stage.sweep.documents for stage in found.stages]
    assert all(stage.documents < len(given.embeddings) for stage in told.stages)
    names = {one.spec for one in told.dropped}
    assert names | set(told.finalists) == {str(spec) for spec in SPECS}
    assert not names & set(told.finalists)
    for one in told.dropped:
        assert one.documents in [stage.documents for stage in told.stages]
        assert one.reason
        assert one.difference is not None
    assert {one.spec for one in told.dropped if one.reason == "over the budget"} >= {"f16", "int8"}
    # a sample is easier than the corpus: its recall would flatter
    at = next(one for one in told.dropped if one.spec == "adaptive@4B")
    [full] = sweep(given, [parse("adaptive@4B")]).outcomes
    assert at.recall is not None
    assert at.recall > full.recall.mean()


def test_nothing_is_clearly_beaten_by_its_equal_and_a_few_queries_beat_nothing() -> None:
    given = spectral()
    limits = within("8B", given)
    twins = [parse("adaptive@8B"), parse("int4"), parse("binary")]
    verdict = Elimination(limits, 2)(sweep(given, twins), 9)
    beaten = {str(one.spec) for one in verdict.dropped if one.beaten}
    assert "binary" in beaten
    few = spectral(m=4)
    verdict = Elimination(limits, 2)(sweep(few, twins), 9)
    assert not verdict.dropped, "four queries show nothing"
    verdict = Elimination(limits, 2)(sweep(few, twins), 1)
    assert [one.beaten for one in verdict.dropped] == [False, False]
    assert all("not clearly beaten" in one.reason for one in verdict.dropped)


def test_without_a_budget_a_smaller_spec_is_not_beaten_by_a_larger_one_unless_it_loses_too_much() -> None:
    given = spectral()
    limits = Limits(4000, keep=0.3)
    verdict = Elimination(limits, 2)(sweep(given, [parse("int8"), parse("adaptive@4B"), parse("pca4,int8")]), 9)
    assert parse("adaptive@4B") in verdict.kept, "int8 finds more, at four times the size"
    assert [str(one.spec) for one in verdict.dropped] == ["pca4,int8"], "as large as adaptive@4B"
    strict = Elimination(Limits(4000, keep=0.95), 2)(sweep(given, [parse("int8"), parse("adaptive@4B")]), 9)
    assert [str(one.spec) for one in strict.dropped] == ["adaptive@4B"]
    assert "clearly keeps under 95 %" in strict.dropped[0].reason


def test_the_same_seed_gives_the_same_race() -> None:
    given = spectral()
    one, two = (raced(given, within("8B", given)).account(0) for _ in range(2))
    assert [d.to_json() for d in one.dropped] == [d.to_json() for d in two.dropped]
    assert one.finalists == two.finalists


def test_judgements_are_kept_on_samples() -> None:
    e, evaluator = corpus(n=4000, m=60)
    given = SweepInput(e, evaluator, fit_rows=SIZES.fit_rows)
    found = raced(given, within("8B", given))
    for stage in found.stages:
        base = stage.sweep.baseline
        assert base.quality.mean() >= found.final.baseline.quality.mean() - 1e-12, "fewer distractors"
        assert (base.recall == 1).all()
    assert found.final.measure == "ndcg@10"


def test_an_interrupted_race_goes_on_where_it_was(tmp_path: Path) -> None:
    given = spectral(n=6000)
    limits = within(None, given)

    class Stop(Exception):
        pass

    def stop_at(text: str):
        def progress(stage: str, done: int, total: int) -> None:
            if stage.startswith(text) and done == total - 2:
                raise Stop

        return progress

    whole = raced(given, limits)
    for at in ("stage 1", "stage 2", f"stage {len(whole.stages) + 1}, all"):
        root = tmp_path / at[:7]
        with pytest.raises(Stop):
            raced(given, limits, checkpoints=open_checkpoints(root, given), progress=stop_at(at))
        kept = open_checkpoints(root, given)
        again = raced(given, limits, checkpoints=kept)
        before = int(at[6]) - 1
        resumed = [len(stage.sweep.resumed) for stage in again.stages] + [len(again.final.resumed)]
        judged = [len(stage.sweep.all) for stage in again.stages] + [len(again.final.all)]
        assert resumed[:before] == judged[:before], "finished stages are whole"
        assert 0 < resumed[before] < judged[before]
        assert not any(resumed[before + 1 :])
        assert again.account(0).finalists == whole.account(0).finalists
        for one, two in zip(again.final.all, whole.final.all, strict=True):
            np.testing.assert_array_equal(one.quality, two.quality)
        again.forget()
        kept.forget([one.spec for one in again.final.all])
        assert not list(root.rglob("*.finding"))


def test_progress_names_the_stage() -> None:
    given, seen = spectral(), []
    raced(given, within("8B", given), progress=lambda stage, *_: seen.append(stage.partition(":")[0]))
    names = list(dict.fromkeys(name for name in seen if name.startswith("stage")))
    assert names[0].startswith("stage 1 of ")
    assert "documents" in names[0]
    assert names[-1].endswith("all documents")


def test_a_short_time_leaves_specs_unjudged_and_one_finalist() -> None:
    given = spectral()
    found = race(given, SPECS, Rules(within("8B", given), sizes=SIZES, time_limit=1e-6))
    assert found.stages[0].sweep.unjudged, "none began after the time was over"
    assert len(found.stages[0].sweep.outcomes) < len(SPECS)
    assert len(found.final.outcomes) == 1
    assert found.final.outcomes[0].bytes_per_vector <= 8, "what fits the budget is judged first"
    told = found.account(0)
    assert set(told.stages[0].unjudged) == {str(spec) for spec in found.stages[0].sweep.unjudged}


def test_a_clock_without_a_limit_affords_everything() -> None:
    given = spectral(n=900)
    swept = sweep(given, SPECS[:2])
    clock = Clock(None, time.monotonic() - 1e6)
    assert clock.affords(swept.all, 10**9)
    assert clock.deadline == np.inf
    clock = Clock(10.0, time.monotonic())
    clock.learn(swept, 3.0 * 900 + sum(one.fit_seconds for one in swept.all))
    assert clock.per_row == pytest.approx(1.0)
    assert not clock.affords(swept.outcomes, 900)


def test_each_stage_keeps_a_quarter_and_the_last_three() -> None:
    assert most_kept(80, last=False) == 20
    assert most_kept(81, last=False) == 21
    assert most_kept(8, last=False) == 3
    assert most_kept(80, last=True) == 3


def test_what_will_be_done_is_said_with_a_time() -> None:
    given = spectral()
    said = outline(given, SPECS, SIZES, True, 600.0)
    assert said.stages == [300, 1200]
    first = "9 specs on 300 documents, at most 3 specs on 1,200 documents, "
    assert said.sentence.startswith(f"{first}at most 3 on all 4,000; about")
    assert said.sentence.endswith("limited to 10 min")
    whole = outline(given, SPECS, SIZES, False, None)
    assert whole.sentence.startswith("9 specs on all 4,000; about")
    assert "100 % more" in said.account(2 * said.seconds)
    assert "50 % less" in said.account(said.seconds / 2)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("10min", 600), ("2h", 7200), ("1.5h", 5400)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-3m", "0s", "10 parsecs", "m"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time must be a positive time"):
        parse_time(text)


def test_specs_that_a_race_dropped_count_among_the_tests_of_keep() -> None:
    """Of twenty raced specs the one that passed by chance would be a finalist: three tests would be too few."""
    rng = np.random.default_rng(0)
    base = np.full(400, 0.8)
    quality = np.stack([base, base - 0.015 + 0.05 * rng.standard_normal(400)])
    sizes, allowed = np.array([64.0, 8.0]), np.ones(2, bool)
    alone = Competition(quality, quality, sizes, allowed, base, np.arange(400), keep=0.97, reference=0)
    p = float(keep_p_values(alone, np.ones(400))[1])
    assert 0.05 / 20 < p < 0.05, "one test passes, twenty do not"
    assert kept(alone, np.ones(400))[1]
    assert not kept(replace(alone, earlier=19), np.ones(400))[1]
    needed = [float(queries_needed(one, np.array([True, False]))[1]) for one in (alone, replace(alone, earlier=19))]
    assert needed[1] > needed[0]


def test_without_a_sample_the_time_limits_the_whole_corpus() -> None:
    """Ten exact neighbours of each of many queries are most of a corpus: no sample holds them and is much smaller."""
    given = spectral(n=1500, m=400)
    whole = race(given, SPECS, Rules(within("8B", given), sizes=SIZES))
    assert not whole.stages
    assert len(whole.final.outcomes) == len(SPECS)
    short = race(given, SPECS, Rules(within("8B", given), sizes=SIZES, time_limit=1e-6))
    assert short.final.outcomes
    assert short.final.unjudged
    assert short.final.outcomes[0].bytes_per_vector <= 8
