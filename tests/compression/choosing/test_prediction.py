"""Recall predicted from the spectrum and the mean norm, against recall measured on spaces of that shape."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.compression.choosing.prediction import (
    SpectrumSummary,
    found_share,
    predict_recall,
    specs_to_add,
    worth_running,
)
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.embeddings import normalise

SPECS = ["int8", "fp8", "int4", "rot,tq2", "pca160,int8", "pca96,f32", "adaptive@64B", "adaptive@32B", "rot,binary"]


def gaussian(n: int, d: int, decay: float, mean: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -decay / np.sqrt(d) + mean / np.sqrt(d)
    return normalise((rows @ np.linalg.qr(rng.standard_normal((d, d)))[0]).astype(np.float32))


@pytest.mark.parametrize(("decay", "mean"), [(0.1, 0.0), (0.3, 0.0), (0.2, 0.5)])
def test_recall_of_a_gaussian_space_matches_its_prediction(decay: float, mean: float) -> None:
    """Unit rows of few effective dimensions have a shorter tail than a normal: measured is below predicted, by up to
    .09, to which seeds add .02."""
    X = gaussian(5200, 256, decay, mean)
    X, Q = X[:5000], X[5000:]
    training = Training(X, "cosine")
    predicted = predict_recall(SpectrumSummary.of(training, len(X)), [parse(text) for text in SPECS])
    exact = np.argsort(-(Q @ X.T), axis=1)[:, :10]
    for text in SPECS:
        codec = fit_codec(parse(text), training)
        rows = build_searcher(codec, codec.encode(X)).search(Q, 10)[1]
        measured = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, rows, strict=True)])
        assert abs(predicted[text] - measured) < 0.12, f"{text}: predicted {predicted[text]:.3f}, found {measured:.3f}"


def test_found_share_is_the_share_among_jointly_normal_scores() -> None:
    rng = np.random.default_rng(0)
    exact, noise = rng.standard_normal((2, 400_000))
    for r in (0.3, 0.9, 0.99):
        approximate = r * exact + np.sqrt(1 - r * r) * noise
        top = exact >= np.quantile(exact, 0.99)
        for returned in (0.01, 0.04):
            share = np.mean(approximate[top] >= np.quantile(approximate, 1 - returned))
            assert abs(found_share(r, 0.01, returned) - share) < 0.02
    assert found_share(-0.5, 0.01, 0.01) == pytest.approx(0.01, rel=1e-3), "never below chance"


def test_rescoring_more_candidates_is_predicted_to_find_more() -> None:
    shape = SpectrumSummary.of(Training(gaussian(2000, 64, 0.3, 0.3), "cosine"), 100_000)
    texts = ["rot,binary", "rot,binary+int8@2", "rot,binary+int8@10", "int8"]
    found = predict_recall(shape, [parse(text) for text in texts])
    assert list(found) == texts
    assert sorted(found.values()) == list(found.values())
    assert found["rot,binary"] < found["rot,binary+int8@10"] - 0.1


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_other_similarities_are_predicted_too(similarity: str) -> None:
    shape = SpectrumSummary.of(Training(3 * gaussian(2000, 32, 0.3, 0.3), similarity), 2000)
    found = predict_recall(shape, [parse(text) for text in ("f32", "int8", "rot,binary")])
    assert found["f32"] == 1
    assert found["rot,binary"] < found["int8"] - 0.2


def test_equal_seeds_give_equal_predictions_and_what_cannot_be_fitted_is_left_out() -> None:
    shape = SpectrumSummary.of(Training(gaussian(500, 16, 0.3, 0.3), "cosine"), 500)
    specs = [parse("int8"), parse("pca999,int8")]
    first, second = (predict_recall(shape, specs, seed=3) for _ in range(2))
    assert first == second
    assert list(first) == ["int8"]


def test_only_specs_that_nothing_smaller_beats_are_worth_running() -> None:
    specs = [parse(text) for text in ("f32", "int8", "pca8,f32", "adaptive@8B")]
    predicted = {"f32": 1.0, "int8": 0.985, "pca8,f32": 0.5, "adaptive@8B": 0.8}
    assert [str(spec) for spec in worth_running(predicted, specs, 16)] == ["f32", "int8", "adaptive@8B"]
    del predicted["pca8,f32"]
    assert len(worth_running(predicted, specs, 16)) == 4, "what is not predicted is run"
    del predicted["f32"]
    assert len(worth_running(predicted, specs, 16)) == 4, "and keeps nothing else from running"


def test_signs_of_principal_axes_are_added_whatever_is_predicted() -> None:
    listed, pool = [parse("adaptive@2B")], [parse("pca8,binary"), parse("rot,binary"), parse("pca8,rot,binary")]
    predicted = {"adaptive@2B": 0.8, "pca8,binary": 0.1, "rot,binary": 0.2, "pca8,rot,binary": 0.2}
    added, passed = specs_to_add(predicted, listed, pool, 16, 100)
    # one byte: nothing as small is predicted to do better than .2
    assert [str(spec) for spec in added] == ["pca8,binary", "pca8,rot,binary"]
    assert passed == {"rot,binary": 0.2}
