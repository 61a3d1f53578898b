"""The published storage study's grid: its arithmetic beside ours, and the difference explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracles.codec_makers import searcher_of

from embgeo import compress
from embgeo.compression.choosing.storage_paper import SHARES, storage_paper_specs
from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import check_embeddings, normalise
from embgeo.errors import InputError, SpecError


def vectors(n: int = 300, d: int = 16, mean: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return normalise(rng.standard_normal((n, d)).astype(np.float32) * np.linspace(0.2, 2, d, dtype=np.float32) + mean)


def fitted(text: str, X: np.ndarray) -> Tier:
    codec = fit_codec(parse(text), Training(X, "cosine")).tiers[0]
    return codec


def cosines(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    return normalise(Q.astype(np.float32)) @ normalise(X.astype(np.float32)).T


def all_scores(text: str, Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    codec = fitted(text, X)
    found, rows = searcher_of(codec, codec.encode(X)).search(Q, len(X))
    scores = np.empty_like(found)
    np.put_along_axis(scores, rows, found, axis=1)
    return scores


def test_centred_scores_are_the_published_arithmetic_written_out() -> None:
    X = vectors()
    Q, X = X[:20], X[20:]
    mean = X.mean(axis=0, dtype=np.float64)
    axes = np.linalg.eigh(np.cov(X.T.astype(np.float64)))[1][:, ::-1][:, :8]
    # the sign of an axis is arbitrary, and levels and bits depend on it
    ours = fitted("pcac8,f32", X).state["0.matrix"]
    axes *= np.sign((axes * ours).sum(axis=0))
    D, E = (X - mean) @ axes, (Q - mean) @ axes
    low, high = D.min(axis=0), D.max(axis=0)
    levels = [np.clip(np.rint((part - low) / (high - low) * 255), 0, 255) for part in (E, D)]
    np.testing.assert_allclose(all_scores("pcac8,f32,score=centred", Q, X), cosines(E, D), atol=2e-5)
    # a level may round the other way in float32
    np.testing.assert_allclose(all_scores("pcac8,int8,score=centred", Q, X), cosines(*levels), atol=3e-3)
    np.testing.assert_allclose(all_scores("pcac8,binary,score=centred", Q, X), cosines(E > 0, D > 0), atol=1e-5)


def test_raw_codes_are_compared_with_the_suffix_and_decoded_values_without_it() -> None:
    X = vectors()
    raw, decoded = (fitted(text, X) for text in ("int8,score=centred", "int8"))
    codes = raw.encode(X)
    np.testing.assert_array_equal(codes, decoded.encode(X))
    np.testing.assert_allclose(raw.decode(codes), normalise(codes.astype(np.float32)))
    Z, bias = raw.queries(X[:5])
    np.testing.assert_allclose(Z, normalise(codes[:5].astype(np.float32)))
    assert not bias.any()
    assert np.abs(decoded.decode(codes) - X).max() < 0.01


def test_the_suffix_prints_parses_and_is_refused_where_it_is_meaningless() -> None:
    assert str(parse("pcac192,int8,score=centred")) == "pcac192,int8,score=centred"
    with pytest.raises(SpecError, match="cannot be rescored"):
        parse("int8,score=centred+f32@4")
    with pytest.raises(SpecError, match="compares by cosine; got dot"):
        fit_codec(parse("int8,score=centred"), Training(vectors(), "dot")).tiers[0]


@pytest.mark.parametrize("dimension", [8, 384, 1000])
def test_the_grid_has_eight_formats_five_widths_and_both_arithmetics(dimension: int) -> None:
    specs = storage_paper_specs(dimension)
    assert len(specs) == 2 * 8 * len(SHARES) == len(set(map(str, specs)))
    assert sum(spec.centred for spec in specs) == 40
    for spec in specs:
        spec.code_bytes(dimension)


def test_raw_codes_reverse_the_order_of_float8_and_int8(tmp_path: Path) -> None:
    """Plain Gaussian data: int8 finds more neighbours than float8, and raw levels make it look far worse."""
    rng = np.random.default_rng(1)
    spread = np.arange(1, 33) ** -0.3
    X = (rng.standard_normal((600, 32)) * spread).astype(np.float32)
    Q = X[:200] + (0.15 * rng.standard_normal((200, 32)) * spread).astype(np.float32)
    np.savez(tmp_path / "v.npz", docs=X, queries=Q)
    run = compress(f"vectors:{tmp_path / 'v.npz'}", grid="storage-paper", out=tmp_path / "runs")
    verdict = run.result["float8_or_int8"]
    assert verdict["published"]["difference_ci"][0] > 0.1
    assert -0.02 < verdict["correct"]["difference_ci"][1] < 0
    assert "float8 leads" in verdict["sentence"]
    assert verdict["sentence"].endswith("int8 is better here: the published order comes from the arithmetic.")
    assert len(verdict["published"]["widths"]) == len(SHARES)
    assert not run.result["recommendation"]["spec"].endswith("score=centred")


def test_raw_codes_of_different_folds_are_not_ranked_together() -> None:
    """Each fold has different ranges and axes: merged raw codes would lose what one codec for all documents keeps."""
    X, Q = vectors(400, mean=0.2), vectors(50, mean=0.2) + 0.01
    e = check_embeddings(X, Q.astype(np.float32))
    raw, decoded = sweep(SweepInput(e, None), [parse("pcac8,int8,score=centred"), parse("pcac8,int8")]).outcomes
    np.testing.assert_array_equal(raw.quality, raw.in_sample)
    assert (decoded.quality != decoded.in_sample).any()


def test_a_bare_cast_to_four_bits_leaves_nothing_of_unit_vectors() -> None:
    X = vectors(d=384, mean=0)
    codec = fitted("fp4raw", X)
    assert np.mean(codec.decode(codec.encode(X)) == 0) > 0.99
    scaled = fitted("fp4", X)
    assert np.mean(scaled.decode(scaled.encode(X)) == 0) < 0.5


def test_grid_and_specs_are_not_mixed(tmp_path: Path) -> None:
    for other in ({"specs": ["int8"]}, {"exhaustive": True}):
        with pytest.raises(InputError, match="give one of them"):
            compress("vectors:x.npy", grid="storage-paper", out=tmp_path, **other)
    with pytest.raises(InputError, match="grid must be storage-paper; got 'paper'"):
        compress("vectors:x.npy", grid="paper", out=tmp_path)
