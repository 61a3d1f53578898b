"""A corpus much larger than the fit sample: its documents are out of sample without folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from examples.sweeps import corpus

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.error_growth import ErrorGrowth
from embgeo.compression.judging.folds import Folds, fit_sample
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.search.build import build_searcher
from embgeo.embeddings import check_embeddings
from embgeo.retrieval.evaluate import neighbour_recall
from embgeo.retrieval.exact import exact_search

DIRECT = "shipped codec, unseen documents"


def test_the_shipped_codec_itself_is_ranked_and_its_store_finds_the_same() -> None:
    e, evaluator = corpus(n=2000, m=60)
    texts = ("binary", "pca8,int4", "binary+f16@4")
    found = sweep(SweepInput(e, evaluator, fit_rows=400), [parse(text) for text in texts])
    assert (found.folds, found.fit_rows) == (0, 400)
    assert {outcome.estimator["name"] for outcome in found.all} == {DIRECT}
    training = Training(e.rows(fit_sample(e, 0, 400)), "cosine", 0)
    scores, exact = exact_search(e, 32)
    for outcome in found.outcomes:
        codec = fit_codec(outcome.spec, training)
        rows = build_searcher(codec, codec.encode(e.matrix())).search(e.query_matrix(), 10)[1]
        assert outcome.recall.mean() == pytest.approx(neighbour_recall(rows, exact, 10, scores).mean(), abs=0.01)
        np.testing.assert_array_equal(outcome.in_sample, outcome.quality)


def test_an_index_still_ranks_only_what_it_finds() -> None:
    e, _ = corpus(n=2000, m=60)
    flat, index = sweep(SweepInput(e, None, fit_rows=400), [parse("int8"), parse("ivf64np1,int8")]).outcomes
    assert index.recall.mean() < flat.recall.mean() - 0.1


def test_a_codec_that_memorises_its_fit_sample_falls_back_to_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted cheat decodes fit rows exactly: 30 % of the neighbours would be found for nothing."""
    e, _ = corpus(n=2000, m=60)
    part = type(fit_codec(parse("binary"), Training(e.rows(slice(0, 50)), "cosine")).tiers[0].quantizer)
    honest = sweep(SweepInput(e, None, fit_rows=600), [parse("binary")]).outcomes[0]
    held = fit_sample(e, 0, 600)
    exact = {np.packbits(row > 0).tobytes(): row for row in e.rows(held)}
    decode = part.decode

    def memorised(self, codes):
        rows = decode(self, codes)
        for at, code in enumerate(codes):
            if code.tobytes() in exact:
                rows[at] = exact[code.tobytes()] * 100
        return rows

    monkeypatch.setattr(part, "decode", memorised)
    cheat = sweep(SweepInput(e, None, fit_rows=600), [parse("binary")]).outcomes[0]
    assert honest.estimator["name"] == DIRECT
    assert cheat.estimator["name"] != DIRECT


def test_copies_of_fitted_rows_are_seen() -> None:
    e, _ = corpus(n=600, m=20)
    twice = check_embeddings(np.r_[e.docs, 3 * e.docs], e.queries)
    folds = Folds(twice, 0, 200)
    sample = fit_sample(twice, 0, 200)
    seen = folds.seen(np.arange(1200))
    assert seen[sample].all()
    assert seen[(sample + 600) % 1200].all(), "the copies, three times as long"
    assert seen.sum() == len(set((sample % 600).tolist())) * 2
    part = np.arange(0, 1200, 3)
    np.testing.assert_array_equal(folds.on(part).seen(np.arange(400)), seen[part])


def test_growth_outside_the_fit_is_one_for_equal_errors_and_the_factor_for_larger_ones() -> None:
    rng = np.random.default_rng(0)
    exact = rng.standard_normal((200, 100))
    seen = rng.random(exact.shape) < 0.1
    noise = rng.standard_normal(exact.shape) * 0.1
    for factor in (1.0, 2.0):
        scores = exact + noise * np.where(seen, 1.0, factor) + rng.standard_normal((200, 1))
        growth = ErrorGrowth.outside_fit(scores, exact, seen, np.ones(exact.shape, bool))
        assert growth.ratio == pytest.approx(factor, rel=0.05)
    assert ErrorGrowth.outside_fit(exact, exact, seen, np.ones(exact.shape, bool)).ratio == 1
    assert np.isinf(ErrorGrowth.outside_fit(exact, exact, ~np.zeros_like(seen), np.ones(exact.shape, bool)).ratio)


def test_small_corpora_keep_their_folds() -> None:
    e, evaluator = corpus(n=200, m=30)
    given = SweepInput(e, evaluator)
    assert sweep(given, [parse("int8")]).folds == 5
    assert sweep(replace(given, fit_rows=100), [parse("int8")]).folds == 5
    assert sweep(replace(given, fit_rows=99), [parse("int8")]).folds == 0
