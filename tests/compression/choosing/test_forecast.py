"""Recall at a larger corpus, forecast from samples: against what is then found there, and where nothing is forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embgeo.api import compress
from embgeo.compression.choosing.forecast import (
    GRID,
    Evidence,
    Samples,
    can_be_forecast,
    level_of,
    share_of,
)
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import Embeddings, check_embeddings, normalise
from embgeo.reports import write_report
from embgeo.results import CompressResult

M, D = 120, 48
CLUSTERS = 1  # what a sample cannot show is not forecast


def corpus(n: int, seed: int = 0) -> Embeddings:
    """Clustered vectors with a falling spectrum."""
    rng = np.random.default_rng(7)
    scale = np.linspace(2, 0.3, D)
    centres = rng.standard_normal((CLUSTERS, D)) * scale
    rng = np.random.default_rng(seed)
    X = centres[rng.integers(0, CLUSTERS, n)] + rng.standard_normal((n, D)) * scale * 0.8
    Q = centres[rng.integers(0, CLUSTERS, M)] + rng.standard_normal((M, D)) * scale * 0.8
    return check_embeddings(X.astype(np.float32), Q.astype(np.float32))


def evidence(embeddings: Embeddings, spec: str, training: Training) -> Evidence:
    return Samples.of(embeddings, np.arange(M), False).evidence(fit_codec(parse(spec), training))


def test_a_level_and_its_share_are_inverses() -> None:
    for documents, returned in ((100, 10), (5_000, 10), (10**8, 10), (2_000, 40)):
        levels = np.linspace(0.3, 4, 7)
        shares = share_of(levels, documents, returned)
        assert (np.diff(shares) > 0).all()
        told = shares < 0.999  # any higher level finds them all
        np.testing.assert_allclose(level_of(shares, documents, returned)[told], levels[told], atol=0.03)
        assert share_of(GRID[-1:], documents, returned) == pytest.approx(1, abs=1e-3)
        assert share_of(np.zeros(1), documents, returned) == pytest.approx(returned / documents)


@pytest.mark.parametrize("spec", ["int4", "binary", "pca24,f16", "adaptive@12B", "pca12,int8", "binary+f32@4"])
def test_a_quarter_of_a_corpus_forecasts_the_whole(spec: str) -> None:
    whole = corpus(8000)
    training = Training(normalise(whole.docs), "cosine")
    part = check_embeddings(whole.docs[:2000], whole.queries)
    seen, truth = evidence(part, spec, training), evidence(whole, spec, training)
    found = truth.found.mean(axis=1).prod(axis=0)[0]
    known = seen.found.mean(axis=1).prod(axis=0)[0]
    told = float(seen.forecast(seen.levels(), 8000, 2000, np.asarray(known)))
    assert told == pytest.approx(found, abs=0.05)
    # the whole corpus, judged by its own parts, is as far off
    error = truth.error(4)
    assert error is not None
    assert abs(error) < 0.05


def test_shares_of_samples_are_those_counted_one_by_one() -> None:
    whole = corpus(640)
    samples = Samples.of(whole, np.arange(M), False)
    codec = fit_codec(parse("pca12,int8"), Training(normalise(whole.docs), "cosine"))
    found = samples.evidence(codec)
    assert found.sizes == (640, 320, 160, 80)
    [tier] = codec.tiers
    mine = tier.queries(samples.Q)[0] @ tier.decode(tier.encode(samples.X)).T
    for at, size in enumerate(found.sizes):
        shares = []
        for query in range(M):
            for first in range(0, 640 - size + 1, size):
                part = slice(first, first + size)
                nearest = set(np.argsort(-samples.exact[query, part])[:10])
                shares.append(len(nearest & set(np.argsort(-mine[query, part])[:10])) / 10)
        assert found.found[0, :, at].mean() == pytest.approx(np.mean(shares), abs=1e-6)


def test_a_rising_correlation_is_followed_only_as_far_as_it_was_checked() -> None:
    """At 1,000 times the corpus recall is below that of 16 times: the same r among more documents."""
    rising = np.stack([level_share(2.0 - 0.1 * at, size) for at, size in enumerate((1600, 800, 400, 200))], axis=-1)
    found = Evidence((1600, 800, 400, 200), (10,), np.broadcast_to(rising, (1, 5, 4)).copy())
    near, far = (float(found.forecast(found.levels(), times * 1600, 1600, rising[0])) for times in (16, 1000))
    assert far < near
    held = level_of(np.asarray(near), 16 * 1600, 10)
    assert far == pytest.approx(float(share_of(held, 1000 * 1600, 10)), abs=1e-3)


def level_share(level: float, documents: int) -> np.ndarray:
    return share_of(np.asarray(level), documents, 10)


def test_ties_count_in_part() -> None:
    """A codec of zeros finds what chance finds."""
    X = corpus(800)
    samples = Samples.of(X, np.arange(M), False)
    share = samples._found(np.zeros((M, 800)), 800, 10)
    assert share == pytest.approx(10 / 800)


def test_a_query_does_not_count_its_own_document() -> None:
    X = corpus(400)
    asked = check_embeddings(X.docs, X.docs[:30], query_ids=[str(i) for i in range(30)])
    samples = Samples.of(asked, np.arange(30), True)
    assert np.isneginf(samples.exact).sum() == 30
    found = samples.evidence(fit_codec(parse("f16"), Training(normalise(X.docs), "cosine")))
    assert found.found.mean() > 0.99


def test_when_there_is_something_to_forecast() -> None:
    assert can_be_forecast(1000, 10**6)
    assert not can_be_forecast(1000, None)
    assert not can_be_forecast(1000, 1000)
    assert not can_be_forecast(200, 10**6), "too few documents for samples of them"


def test_a_corpus_that_its_parts_mislead_about_is_not_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of twelve: a sample of a quarter has three documents of each, and finding those is easy."""
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, D))
    X = (np.repeat(centres, 12, axis=0) + 0.25 * rng.standard_normal((2400, D))).astype(np.float32)
    Q = (centres[:M] + 0.25 * rng.standard_normal((M, D))).astype(np.float32)
    run = compress(docs=X, queries=Q, specs=["hamming", "binary"], vectors="20k", out=tmp_path / "runs").findings
    assert isinstance(run, CompressResult)
    assert run.forecast is not None
    assert "would mislead" in (run.forecast.reason or "")
    assert run.forecast.errors["4"] > 0.05
    assert all(row.recall_at_n is None for row in run.rows)


def test_rows_curves_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    X = corpus(1500)
    arrays = {"docs": X.docs, "queries": X.queries}
    specs = ["int8", "binary", "pca24,f16", "hnsw8,int8"]
    run = compress(**arrays, specs=specs, vectors="20k", out=tmp_path / "runs")
    found = run.findings
    assert isinstance(found, CompressResult)
    assert found.forecast is not None
    assert set(found.forecast.errors) == {"4"}, "samples of 93 documents and fewer are too small for 16 times"
    rows = {row.spec: row for row in found.rows}
    assert rows["hnsw8,int8"].recall_at_n is None
    for curve in found.forecast.curves:
        row = rows[curve.spec]
        assert [point.documents for point in curve.points][::8] == [1500, 20_000]
        assert curve.points[0].recall == pytest.approx(row.recall, abs=0.01), "it begins at what was measured"
        assert curve.points[-1].recall == row.recall_at_n
        assert row.recall_at_n_ci is not None
        low, high = row.recall_at_n_ci
        assert low <= row.recall_at_n <= high  # type: ignore[operator]
    assert rows["int8"].recall_at_n > rows["binary"].recall_at_n  # type: ignore[operator]
    page = write_report([run], tmp_path / "report.html").read_text()
    assert "Recall at the planned size" in page

    far = compress(**arrays, specs=["int8"], vectors="2M", out=tmp_path / "runs").findings
    assert isinstance(far, CompressResult)
    assert far.forecast is not None
    assert "not supported" in (far.forecast.reason or "")
    assert far.rows[1].recall_at_n is None
    assert "forecast" not in compress(**arrays, specs=["int8"], out=tmp_path / "runs").result
