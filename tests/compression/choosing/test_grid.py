"""The default grid: every cheap family, the slow ones within a stated time, each row independent of the others."""

from __future__ import annotations

import pytest
from examples.sweeps import corpus, facts

from embgeo.compression.choosing.budget import parse_budget
from embgeo.compression.choosing.costs import predicted_seconds
from embgeo.compression.choosing.grid import FIT_BUDGET_SECONDS, default_grid, metric_changes, with_neutral
from embgeo.compression.choosing.rows import rescoring_curves, tradeoff_rows
from embgeo.compression.codecs.part import QUANTIZERS, REDUCERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.sweep import Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.threads import limited_threads

load_parts()
# fitted on queries; in need of an extra; another name of srp; what stores do, never better than binary
ASKED_FOR = {"lean192", "umap32", "grp192", "hamming", "int8sym", "int8unit", "int7"}
DOCUMENTS = 520  # enough for codebooks of 256 centroids in every fold


def whole_sweep(threads: int | None = None) -> Sweep:
    e, evaluator = corpus(n=DOCUMENTS, m=20, d=18)
    with limited_threads(threads):
        return sweep(SweepInput(e, evaluator), default_grid(18, DOCUMENTS).specs)


@pytest.fixture(scope="module")
def swept() -> Sweep:
    return whole_sweep(1)


def test_every_default_spec_gives_the_same_row_alone_as_among_all(swept: Sweep) -> None:
    e, evaluator = corpus(n=DOCUMENTS, m=20, d=18)
    assert len(swept.outcomes) >= 55
    with limited_threads(1):
        for among in swept.outcomes:
            alone = sweep(SweepInput(e, evaluator), [among.spec])
            assert facts(alone, alone.outcomes[0]) == facts(swept, among), str(among.spec)


def test_results_do_not_depend_on_the_threads(swept: Sweep) -> None:
    other = whole_sweep(2)
    for one, two in zip(swept.outcomes, other.outcomes, strict=True):
        assert facts(swept, one) == facts(other, two), str(one.spec)


@pytest.mark.parametrize("dimension", [1, 2, 7, 13, 64, 100, 384, 1000, 1536, 4096])
@pytest.mark.parametrize("documents", [1, 30, 600, 200_000])
def test_the_grid_works_on_any_dimension_and_corpus(dimension: int, documents: int) -> None:
    grid = default_grid(dimension, documents)
    names = [str(spec) for spec in grid.specs]
    assert names[0] == "f32"
    assert len(set(names)) == len(names)
    assert len(names) >= (60 if dimension >= 64 else 40)
    for spec in grid.specs:
        assert spec.code_bytes(dimension) >= 1
        assert spec.quantizer.centroids == 1 or spec.quantizer.centroids <= documents / 2
    assert not set(grid.left_out) & set(names)


@pytest.mark.parametrize("documents", [5_183, 100_000])
def test_slow_codecs_are_added_while_their_estimates_fit_the_budget(documents: int) -> None:
    grid = default_grid(384, documents)
    names = [str(spec) for spec in grid.specs]
    joined = [name for name in names if predicted_seconds(parse(name), documents, 384) > 2]
    everything = {str(spec) for spec in default_grid(384, documents, exhaustive=True).specs}
    assert set(grid.left_out) <= everything
    if documents == 5_183:
        assert {"pq96", "pq192x4"} <= set(joined)
        assert sum(predicted_seconds(parse(name), documents, 384) for name in ("pq96", "pq192x4")) < FIT_BUDGET_SECONDS
    else:
        assert "pq96" in grid.left_out
        assert grid.left_out["pq96"] > FIT_BUDGET_SECONDS


def test_estimated_seconds_grow_with_documents_and_codebooks() -> None:
    def seconds(text: str, documents: int = 5_000) -> float:
        return predicted_seconds(parse(text), documents, 384)

    assert seconds("pq96", 10_000) == pytest.approx(2 * seconds("pq96"))
    assert seconds("int8") < 0.1 < seconds("pq48x4") < seconds("pq48") < seconds("pq96") < seconds("rq24")
    assert seconds("pq96+int8@4") == pytest.approx(seconds("pq96") + seconds("int8"))


def test_exhaustive_includes_every_registered_family() -> None:
    specs = [*default_grid(384, 100_000, exhaustive=True).specs, *metric_changes(384, exhaustive=True)]
    names = [part.name for spec in specs for part in (*spec.reducers, spec.quantizer)]
    for registry in (REDUCERS, QUANTIZERS):
        for entry in registry.values():
            if entry.example in ASKED_FOR:
                continue
            assert any(entry.pattern.fullmatch(name) for name in names), entry.example


def test_a_kernel_is_not_tried_under_dot() -> None:
    assert any("kpca" in str(spec) for spec in default_grid(64, 5_000, "cosine", exhaustive=True).specs)
    assert not any("kpca" in str(spec) for spec in default_grid(64, 5_000, "dot", exhaustive=True).specs)


def test_a_budget_adds_the_adaptive_codec_of_its_size() -> None:
    names = [str(spec) for spec in default_grid(384, 5_183, budget=parse_budget("50B", 384, 5_183)).specs]
    assert "adaptive@50B" in names


def test_oversampling_is_swept_and_reported_as_a_curve(swept: Sweep) -> None:
    curves = [curve.to_json() for curve in rescoring_curves(tradeoff_rows(swept, QueryBootstrap.draw(20, 0)))]
    assert [(curve["search"], curve["rescore"]) for curve in curves] == [("binary", "int8"), ("adaptive@1B", "int8")]
    for curve in curves:
        assert [(point["factor"], point["candidates"]) for point in curve["points"]] == [(2, 20), (4, 40), (10, 100)]
        recalls = [point["recall@10_exact"] for point in curve["points"]]
        assert recalls == sorted(recalls), "more candidates never find fewer of the nearest, with int8 as good as exact"
        assert curve["rescore_alone"]["recall@10_exact"] >= recalls[-1] - 0.05
    assert curves[0]["search_alone"]["spec"] == "binary"


def test_another_metric_is_in_no_list_that_knows_no_judgements() -> None:
    for exhaustive in (False, True):
        assert not any(spec.own_metric for spec in default_grid(384, 5_000, exhaustive=exhaustive).specs)


def test_whitened_codecs_come_with_what_they_are_compared_with() -> None:
    names = [str(spec) for spec in metric_changes(384)]
    assert names[:3] == ["white30,f32", "white0,trellis@96B", "white30,trellis@96B"]
    for spec in metric_changes(384, parse_budget("50B", 384, 5_183)):
        assert str(spec) == "white30,f32" or spec.code_bytes(384) <= 50
    within = [str(spec) for spec in metric_changes(384, parse_budget("50B", 384, 5_183))]
    assert {"white0,trellis@50B", "white30,trellis@50B"} <= set(within)
    wide = {part.name for spec in metric_changes(384, exhaustive=True) for part in spec.reducers}
    assert wide >= {"white0", "white20", "white30", "white40"}


def test_named_specs_bring_what_they_are_compared_with() -> None:
    named = [parse(text) for text in ("white30,f32", "white30,int8", "white40,int8", "binary")]
    assert [str(spec) for spec in with_neutral(named)] == [
        "white30,f32", "f32", "white30,int8", "white0,int8", "int8", "white40,int8", "binary",
    ]  # fmt: skip
