"""Another metric is taken only if what half of the queries choose holds on the other half."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embgeo
from embgeo.compression.choosing.select import Challengers, challenge
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import load_store
from embgeo.embeddings import normalise
from embgeo.errors import SpecError
from embgeo.pipelines.built_store import STORE_FILE
from embgeo.reports.sections.metric_change import verdict
from embgeo.results import CompressResult

QUERIES = 200


def challengers(gains: list[float], seed: int = 0, *, queries: int = QUERIES, repeat: int = 1) -> Challengers:
    """Rows whose quality exceeds that of one reference by these means, in noise; every query `repeat` times."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0, 1, queries)
    rows = base + np.array(gains)[:, None] + 0.2 * rng.standard_normal((len(gains), queries))
    quality, reference = rows.repeat(repeat, axis=1), np.tile(base, (len(gains), 1)).repeat(repeat, axis=1)
    names = [f"white{row},int8" for row in range(len(gains))]
    base = reference[0]
    return Challengers(quality, reference, base, base, np.arange(queries).repeat(repeat), (names, names, "int8"))


def test_a_clear_gain_is_taken() -> None:
    found = challenge(challengers([0.0, 0.1, -0.1]), seed=0)
    assert found is not None
    assert found.accepted
    assert found.spec == "white1,int8"
    assert found.expected is not None
    assert found.expected.chosen["white1,int8"] > 0.95
    assert found.gain == pytest.approx(0.1, abs=0.03)
    assert found.gain == found.difference == found.expected.difference
    assert found.gain_ci is not None
    assert found.gain_ci[0] < found.gain < found.gain_ci[1]


def test_the_best_of_many_equal_ones_is_not() -> None:
    """The best of 30 that gain nothing seems to gain .03; on queries that did not choose it, nothing."""
    seeming, crossed, taken = [], [], 0
    for seed in range(30):
        field = challengers([0.0] * 30, seed)
        found = challenge(field, seed, resamples=100)
        assert found is not None
        seeming.append((field.quality - field.reference).mean(axis=1).max())
        crossed.append(found.gain)
        taken += found.accepted
    assert np.mean(seeming) > 0.02
    assert abs(np.mean(crossed)) < 0.005
    assert taken <= 4  # 2.5 % nominally


def test_a_loss_chooses_nothing() -> None:
    found = challenge(challengers([-0.1, -0.2]), seed=0)
    assert found is not None
    assert (found.spec, found.accepted, found.gain, found.gain_ci) == ("", False, 0.0, None)


def test_it_must_also_beat_the_row_that_is_chosen_otherwise() -> None:
    field = challengers([0.1])
    found = challenge(replace(field, instead=field.instead + 0.2), seed=0)
    assert found is not None
    assert (found.gain or 0) > 0.05
    assert (found.difference or 0) < 0
    assert not found.accepted


def test_copies_of_a_query_are_one_piece_of_evidence() -> None:
    few = challengers([0.06], seed=3, queries=12, repeat=20)
    apart = replace(few, groups=np.arange(few.quality.shape[1]))
    together, each = challenge(few, seed=0), challenge(apart, seed=0)
    assert together is not None
    assert each is not None
    assert each.accepted
    assert not together.accepted


def test_too_few_groups_decide_nothing() -> None:
    assert challenge(challengers([0.5], queries=9, repeat=30), seed=0) is None


def corpus(helps: bool, n: int = 600, d: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Documents with 4 large directions and small others; a query is like its document in the small ones alone if
    whitening `helps`, otherwise in the large ones alone."""
    rng = np.random.default_rng(5)
    scale = np.where(np.arange(d) < 4, 1.0, 0.35)
    X, noise = (rng.standard_normal((n, d)) * scale for _ in range(2))
    Q = np.where((np.arange(d) >= 4) == helps, X + 0.5 * noise, noise)[:QUERIES]
    return normalise(X.astype(np.float32)), normalise(Q.astype(np.float32))


def compressed(helps: bool, out: Path, *, judged: bool = True, **options: Any) -> embgeo.Run:
    X, Q = corpus(helps)
    names = [f"q{row}" for row in range(QUERIES)]
    qrels = {name: {str(row): 1} for row, name in enumerate(names)} if judged else None
    asked = {"specs": ["white30,int8", "white30,f32"], **options}
    documents = [str(row) for row in range(len(X))]
    return embgeo.compress(docs=X, queries=Q, qrels=qrels, doc_ids=documents, query_ids=names, out=out, **asked)


@pytest.mark.parametrize("helps", [True, False])
def test_a_run_takes_it_only_where_it_helps(helps: bool, tmp_path: Path) -> None:
    run = compressed(helps, tmp_path, budget="32B")
    result = CompressResult.from_json(run.result)
    change = result.metric_change
    assert change is not None
    assert change.accepted is helps
    assert result.recommendation.spec == ("white30,int8" if helps else "int8")
    rows = {row.spec: row for row in result.rows}
    assert rows["white30,int8"].reference == "white0,int8"
    assert rows["white30,f32"].reference == "f32"
    assert not rows["white30,int8"].pareto
    assert (rows["white30,int8"].fits_budget, rows["white30,f32"].fits_budget) == (True, False)
    assert rows["white0,int8"].ndcg == pytest.approx(rows["int8"].ndcg, abs=0.01)
    assert ((rows["white30,int8"].gain or 0) > 0.02) is helps
    assert ("recommended" in verdict(change)) is helps
    assert ("it changes the metric" in str(result.recommendation.reason)) is helps
    if helps:
        found = run_search(run, np.asarray(corpus(True)[1][:20]))
        assert found > 0.3


def run_search(run: embgeo.Run, Q: np.ndarray) -> float:
    """Share of the queries whose own document the built store finds among ten."""
    store = load_store(run.folder / STORE_FILE)
    rows = build_searcher(store.codec, store.codes).search(Q, 10)[1]
    return float(np.mean([row in found for row, found in enumerate(rows)]))


def test_the_default_list_has_it_only_with_judgements(tmp_path: Path) -> None:
    for judged in (False, True):
        run = compressed(True, tmp_path, judged=judged, specs=None, budget="8B", time="0.001s")
        listed = {*run.result["protocol"]["unjudged"], *(row["spec"] for row in run.result["tradeoffs"])}
        whitened = {spec for spec in listed if spec.startswith("white")}
        assert whitened >= {"white30,f32", "white0,trellis@8B", "white30,trellis@8B"} if judged else not whitened


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"judged": False}, "only relevance judgements can tell"),
        ({"similarity": "dot"}, "compares by cosine, whatever the lengths; the similarity is dot"),
        ({"targets": ["qdrant"]}, "--target picks among codecs that keep the metric"),
    ],
)
def test_it_is_refused_where_nothing_can_tell(options: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=why):
        compressed(True, tmp_path, **options)
