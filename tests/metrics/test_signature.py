"""The loop: sampling, intervals, reasons, isolation, JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.errors import InputError, Undefined, UnknownNameError
from embgeo.files.jsontext import to_plain
from embgeo.judgements import check_judgements
from embgeo.metrics import registry, signature
from embgeo.metrics.registry import Measure, Reading
from embgeo.metrics.signature import SignatureRequest, compute_signature
from embgeo.space.jackknife import jackknife_interval
from embgeo.space.space import Space

FIRST = [
    "uniformity", "avg_pair_sim_cosine", "avg_pair_sim_euclidean", "effective_rank", "iso_score", "pca_dim",
    "twonn_dim", "spread_cosine", "spread_euclidean", "vendi_score", "hubness",
]  # fmt: skip


def cloud(n: int = 400, d: int = 10, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.linspace(0.3, 1.5, d) + 0.2).astype(np.float32)


def embeddings(n: int = 400, queries: bool = False, **more) -> Embeddings:
    return check_embeddings(cloud(n), cloud(20, seed=1) if queries else None, similarity="euclidean", **more)


def measure_of(compute, **facts) -> Measure:
    told = {
        "name": "planted", "family": "dimension", "summary": "Planted.", "range": (-math.inf, math.inf),
        "better": "neither", "invariances": frozenset(), "cost": "n", "source": "test", **facts,
    }  # fmt: skip
    return Measure(compute=compute, **told)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Run the loop over the given measures instead of the registry."""

    def choose(*planted: Measure) -> None:
        monkeypatch.setattr(signature, "select", lambda names, quick: list(planted))

    return choose


def test_the_first_signature_has_every_fact_of_the_contract() -> None:
    result = compute_signature(embeddings(), SignatureRequest(names=FIRST)).to_json()
    assert set(result["signature"]) == set(FIRST)
    for name, row in result["signature"].items():
        assert set(row) == {"value", "ci", "ci_method", "n", "seeds", "seconds", "status", "reason"}, name
        assert row["status"] == "ok"
        assert row["n"] == 400
        assert row["seeds"] == [0]
        if name in ("outlier_dimensions", "pca_dim") and row["ci"] is None:  # whole numbers: the halves may all agree
            assert row["ci_method"].startswith("none: all 12 half samples give")
            continue
        assert row["ci"][0] <= row["value"] <= row["ci"][1]
        assert "delete-half jackknife" in row["ci_method"]
    json.dumps(result, allow_nan=False)


def test_a_corpus_that_fits_is_measured_whole_and_in_order(only) -> None:
    seen = []
    only(measure_of(lambda space: seen.append(space.X) or 1.0, interval=False))
    compute_signature(embeddings(50), SignatureRequest(cap=50))
    assert np.array_equal(seen[0], cloud(50))


def test_samples_are_nested_subsets_of_the_corpus(only) -> None:
    seen: dict[str, np.ndarray] = {}

    def remember(name: str, cap: int | None) -> Measure:
        return measure_of(
            lambda space: Reading(seen.setdefault(name, space.X)[0, 0], rows={"norm": space.norms}),
            name=name, cap=cap, interval=False,
        )  # fmt: skip

    only(remember("small", 30), remember("middle", 100), remember("large", None))
    result = compute_signature(embeddings(), SignatureRequest(cap=200, seed=3))
    samples = {name: set(result.samples[name].tolist()) for name in seen}
    assert [len(samples[name]) for name in ("small", "middle", "large")] == [30, 100, 200]
    assert samples["small"] < samples["middle"] < samples["large"]
    for name, X in seen.items():
        assert np.array_equal(X, cloud()[result.samples[name]])
    assert result.values["small"].n == 30


def test_another_seed_draws_another_sample_and_the_same_seed_the_same(only) -> None:
    only(measure_of(lambda space: Reading(0.0, rows={"first": space.X[:, 0]}), interval=False))
    draws = [compute_signature(embeddings(), SignatureRequest(cap=100, seed=s)).samples["planted"] for s in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_a_value_does_not_depend_on_which_other_measures_run(only) -> None:
    draw = measure_of(lambda space: float(space.rng.random()), name="draw", interval=False)
    greedy = measure_of(lambda space: float(space.rng.random(1000).sum()), name="greedy", interval=False)
    only(draw)
    alone = compute_signature(embeddings()).values["draw"].value
    only(greedy, draw)
    assert compute_signature(embeddings()).values["draw"].value == alone


def _raise(error: Exception):
    raise error


def test_a_failing_measure_gives_a_typed_reason_and_stops_no_other(only) -> None:
    only(
        measure_of(lambda space: _raise(ZeroDivisionError("ouch")), name="broken"),
        measure_of(lambda space: _raise(Undefined("no such thing here")), name="undefined"),
        measure_of(lambda space: math.nan, name="nan"),
        measure_of(lambda space: math.inf, name="infinite"),
        measure_of(lambda space: "text", name="text"),
        measure_of(lambda space: float(space.norms.mean()), name="fine"),
    )
    values = compute_signature(embeddings()).values
    assert {name: v.status for name, v in values.items()} == {
        "broken": "failed", "undefined": "undefined", "nan": "undefined", "infinite": "undefined", "text": "failed",
        "fine": "ok",
    }  # fmt: skip
    assert values["broken"].reason == "ZeroDivisionError: ouch"
    assert values["undefined"].reason == "no such thing here"
    assert values["nan"].value is None
    assert values["fine"].ci is not None


def test_a_measure_that_writes_into_the_space_fails_alone(only) -> None:
    def write(space: Space) -> float:
        space.X[0] = 0
        return 1.0

    X = cloud(50)
    before = X.copy()
    only(measure_of(write))
    result = compute_signature(check_embeddings(X, similarity="euclidean"))
    assert result.values["planted"].status == "failed"
    assert np.array_equal(X, before)


@pytest.mark.parametrize("need", ["queries", "judgements", "tokens"])
def test_a_measure_whose_input_is_missing_is_skipped(only, need: str) -> None:
    only(measure_of(lambda space: 1.0, needs=frozenset({need})))
    value = compute_signature(embeddings()).values["planted"]
    assert value.status == "skipped"
    assert value.value is None
    assert value.reason
    assert value.reason.startswith("needs ")


def test_queries_judgements_and_results_reach_the_measure_by_row(only) -> None:
    e = embeddings(queries=True, doc_ids=[f"d{i}" for i in range(400)], query_ids=[f"q{i}" for i in range(20)])
    judged = check_judgements({"q3": {"d7": 1, "d9": 0}, "q5": {"d399": 2, "gone": 1}}, e.doc_ids, e.query_ids)
    seen: list[Space] = []
    only(measure_of(lambda s: seen.append(s) or 0.0, needs=frozenset({"queries", "judgements"}), interval=False))
    compute_signature(e, judgements=judged, retrieved=np.tile(np.arange(400), (20, 1)))
    assert seen[0].relevant is not None
    assert seen[0].relevant.tolist() == [[3, 7], [5, 399]]
    assert seen[0].queries is not None
    assert seen[0].queries.shape == (20, 10)
    rows = compute_signature(
        e, SignatureRequest(cap=100), judgements=judged, retrieved=np.tile(np.arange(400), (20, 1))
    ).samples
    sampled = seen[1]
    assert sampled.retrieved is not None
    assert sorted(set(sampled.retrieved[0].tolist())) == [-1, *range(100)]
    assert rows == {}


def test_shared_work_is_timed_separately_from_the_measures(only) -> None:
    import time

    def slow_share(space: Space) -> float:
        space.shared("slow", lambda: time.sleep(0.1))
        return 1.0

    only(measure_of(slow_share, name="a", interval=False), measure_of(slow_share, name="b", interval=False))
    result = compute_signature(embeddings())
    assert result.shared_seconds["slow"] == pytest.approx(0.1, abs=0.05)
    assert all(v.seconds < 0.05 for v in result.values.values())


def test_intervals_can_be_left_out(only) -> None:
    only(measure_of(lambda space: float(space.norms.mean())))
    value = compute_signature(embeddings(), SignatureRequest(intervals=False)).values["planted"]
    assert value.ci is None
    assert value.ci_method is None


def test_a_measure_that_moves_with_n_gets_a_curve_instead_of_an_interval(only) -> None:
    only(measure_of(lambda space: float(space.n), interval=False))
    result = compute_signature(embeddings(), SignatureRequest(growth=True))
    assert result.values["planted"].ci is None
    assert "depends on n" in str(result.values["planted"].ci_method)
    assert result.curves["planted"]["growth"]["x"] == [50, 100, 200, 400]
    assert result.curves["planted"]["growth"]["y"] == [50.0, 100.0, 200.0, 400.0]


def test_halves_are_drawn_without_replacement(only) -> None:
    copies = []
    only(measure_of(lambda space: copies.append((space.n, space.duplicates.copies)) or float(space.norms.mean())))
    compute_signature(embeddings(), SignatureRequest(replicates=6))
    assert copies == [(400, 0)] + [(200, 0)] * 6


def test_one_space_serves_all_measures_of_a_half(only) -> None:
    seen: dict[str, list[int]] = {"a": [], "b": []}
    only(*(measure_of(lambda s, name=name: seen[name].append(id(s)) or s.norms.mean(), name=name) for name in seen))
    compute_signature(embeddings(), SignatureRequest(replicates=5))
    assert seen["a"] == seen["b"]


def test_the_interval_is_the_formula_by_hand() -> None:
    """Halves 1, 2, 3, 4, 5 of n = 10: sd √2.5, h/(n−h) = 1, t(4) = 2.776."""
    ci, method, drift = jackknife_interval(2.5, 10, [1.0, 2.0, 3.0, 4.0, 5.0], (-math.inf, math.inf))
    assert ci == pytest.approx((2.5 - 2.7764 * 2.5**0.5, 2.5 + 2.7764 * 2.5**0.5), rel=1e-4)
    assert drift == 0.5
    assert "5 subsamples" in method


def test_halves_that_all_agree_give_no_interval_of_zero_width() -> None:
    bounds = (0.0, 10.0)
    assert jackknife_interval(3.0, 10, [3.0] * 12, bounds) == (None, "none: all 12 half samples give 3", 0.0)
    assert jackknife_interval(0.0, 10, [0.0] * 12, bounds)[0] is None
    assert jackknife_interval(3.0, 10, [3.0] * 11 + [4.0], bounds)[0] is not None


def test_the_interval_stays_in_the_range_of_the_measure() -> None:
    assert jackknife_interval(2.5, 10, [1.0, 2.0, 3.0, 4.0, 5.0], (0.0, 3.0))[0] == (0.0, 3.0)


@pytest.mark.parametrize(
    "name",
    [
        "avg_pair_sim_euclidean",
        "effective_rank",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("iso_score", "participation_ratio")),
    ],
)
def test_intervals_cover_the_value_of_the_population(name: str) -> None:
    """40 samples of 300 rows: 95 % intervals hold the value of 20,000 rows about 38 times; 32 allows for luck."""
    X = cloud(20_000, 6)
    m = registry.measures()[name]
    if name == "avg_pair_sim_euclidean":  # a mean over pairs, self pairs included: 1/n of it is theirs
        whole = Space(X[:6000])
        truth = (m.compute(whole) - 1 / 6000) * (1 - 1 / 300) + 1 / 300
    else:
        reading = m.compute(Space(X))
        truth = reading.value if isinstance(reading, Reading) else reading
    held = 0
    for i in range(40):
        sample = check_embeddings(X[i * 300 : (i + 1) * 300], similarity="euclidean")
        ci = compute_signature(sample, SignatureRequest(names=[name], seed=i)).values[name].ci
        assert ci is not None
        held += ci[0] <= truth <= ci[1]
    assert held >= 32


def test_too_few_halves_or_rows_are_refused() -> None:
    with pytest.raises(InputError, match="at least 5 replicates; got 3"):
        compute_signature(embeddings(), SignatureRequest(replicates=3))
    with pytest.raises(InputError, match="cap must be at least 2"):
        compute_signature(embeddings(), SignatureRequest(cap=1))


def test_an_unknown_measure_is_named_with_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="twonn_dim"):
        compute_signature(embeddings(), SignatureRequest(names=["twonn"]))


def test_a_family_selects_its_measures() -> None:
    values = compute_signature(embeddings(), SignatureRequest(names=["hubs"], intervals=False)).values
    assert list(values) == [m.name for m in registry.measures().values() if m.family == "hubs"]


def test_quick_runs_the_cheap_ones() -> None:
    values = compute_signature(embeddings(), SignatureRequest(quick=True, intervals=False)).values
    assert set(FIRST) <= set(values)
    assert len(values) < len(registry.measures())


@pytest.mark.parametrize("n", [1, 2, 3, 5, 11])
def test_tiny_corpora_give_reasons_not_failures(n: int) -> None:
    result = compute_signature(check_embeddings(cloud(n), similarity="euclidean"), SignatureRequest(quick=True))
    assert {v.status for v in result.values.values()} <= {"ok", "undefined", "skipped"}
    json.dumps(result.to_json(), allow_nan=False)


def test_duplicates_are_counted_in_the_result() -> None:
    X = np.r_[cloud(50), cloud(50)[:10]]
    result = compute_signature(
        check_embeddings(X, similarity="euclidean"), SignatureRequest(names=["pca_dim"], intervals=False)
    )
    assert result.duplicates == {"rows": 10, "groups": 10}


def test_progress_ends_every_stage_it_begins() -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def note(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, []).append((done, total))

    compute_signature(embeddings(), SignatureRequest(names=["pca_dim", "hubness"]), progress=note)
    assert set(seen) == {"measures", "intervals"}
    assert all(steps[-1][0] == steps[-1][1] > 0 for steps in seen.values())


def test_plain_json_has_no_numpy_and_no_nan() -> None:
    value = {1: np.array([1.0, np.nan]), "a": (np.int64(3), np.bool_(True), np.float32(np.inf)), "s": "text", "n": None}
    assert to_plain(value) == {"1": [1.0, None], "a": [3, True, None], "s": "text", "n": None}
