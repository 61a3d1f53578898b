"""One bit and three levels: the stated thresholds, itq's learned rotation, five ternary digits per byte."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import slow_scalar_codecs as slow

import embgeo
from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.quantizers.itq import haar_rotation
from embgeo.compression.codecs.quantizers.ternary import trits
from embgeo.compression.codecs.quantizers.thresholds import FittedThresholds
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise


def fit(text: str, X: np.ndarray, similarity: str = "cosine", seed: int = 0) -> Tier:
    return fit_codec(parse(text), Training(X, similarity, seed)).tiers[0]


def leaning(n: int = 2000, d: int = 24, seed: int = 0) -> np.ndarray:
    """Skewed coordinates with a long tail: zero, mean and median are three different thresholds."""
    rng = np.random.default_rng([seed, n, d])
    return (rng.exponential(1.0, (n, d)) - 0.2).astype(np.float32)


def test_thresholds_and_levels_by_hand() -> None:
    # 0, 1, 2, 9: mean 3, median 1.5; above the mean only 9, below it 0, 1, 2 with mean 1; above the median 2, 9
    X = np.array([[0], [1], [2], [9]], np.float32)
    mean, median = fit("binarym", X, "dot").quantizer, fit("binarymed", X, "dot").quantizer
    assert isinstance(mean, FittedThresholds)
    assert isinstance(median, FittedThresholds)
    assert (mean.threshold[0], mean.low[0], mean.high[0]) == (3, 1, 9)
    assert (median.threshold[0], median.low[0], median.high[0]) == (1.5, 0.5, 5.5)
    np.testing.assert_array_equal(mean.encode(X), [[0], [0], [0], [1]])


def test_median_bits_are_set_half_of_the_time() -> None:
    X = leaning()
    bits = np.unpackbits(fit("binarymed", X, "dot").encode(X), axis=1, count=24, bitorder="little")
    np.testing.assert_allclose(bits.mean(axis=0), 0.5, atol=1e-3)


def test_a_median_that_is_the_largest_value_still_splits() -> None:
    X = np.array([[1.0]] * 3 + [[-1.0]], np.float32)
    codec = fit("binarymed", X, "dot")
    np.testing.assert_array_equal(codec.decode(codec.encode(X)), X)


def test_on_skewed_coordinates_their_own_threshold_beats_zero() -> None:
    X, new = leaning(), leaning(seed=3)

    def error(text: str) -> float:
        codec = fit(text, X, "dot")
        return float(((codec.decode(codec.encode(new)) - new) ** 2).sum())

    assert error("binarym") < 0.8 * error("binary")
    assert error("binarymed") < 0.8 * error("binary")


def test_bits_of_a_row_stay_in_its_row() -> None:
    X = leaning(50, 13)
    codec = fit("binarym", X, "dot")
    assert codec.encode(X).shape == (50, 2)
    np.testing.assert_array_equal(codec.encode(X[7:8]), codec.encode(X)[7:8])


def corners(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Corners of a cube, rotated so that itq can find the rotation, with noise and a mean."""
    rng = np.random.default_rng([seed, n, d])
    signs = rng.choice([-1.0, 1.0], (n, d)) + 0.2 * rng.standard_normal((n, d))
    return (signs @ haar_rotation(d, 99).T + 0.5).astype(np.float32)


def test_itq_finds_the_corners_that_a_random_rotation_misses() -> None:
    X, new = corners(3000, 8), corners(500, 8, seed=1)
    codec = fit("itq", X, "dot")
    turn = codec.reducers[0]
    assert isinstance(turn, Linear)
    assert turn.mean is not None
    # noise of .2 leaves an error of .2² / (1 + .2²) per bit when the cube is found
    found = slow.itq_loss(new - turn.mean, turn.matrix)
    assert found == pytest.approx(0.04 / 1.04, rel=0.25)
    random = np.mean([slow.itq_loss(new - turn.mean, haar_rotation(8, seed)) for seed in range(10)])
    assert found < 0.3 * random


def test_itq_stays_a_rotation_and_restores_the_mean() -> None:
    X = corners(400, 12)
    codec = fit("itq", X, "dot")
    turn = codec.reducers[0]
    assert isinstance(turn, Linear)
    np.testing.assert_allclose(turn.matrix.T @ turn.matrix, np.eye(12), atol=1e-5)
    Z, bias = codec.queries(X[:5])
    exact, found = X[:5] @ X.T, Z @ codec.decode(codec.encode(X)).T + bias[:, None]
    assert abs(float((found - exact).mean())) < 0.02 * float(np.abs(exact).mean())


def test_itq_rotation_is_counted() -> None:
    X = normalise(np.random.default_rng(0).standard_normal((100, 16)).astype(np.float32))
    # rotation 16² + mean 16 + magnitude 1, each 4 bytes
    assert fit("itq", X).state_bytes == 4 * (256 + 16 + 1)
    assert fit("itq", X).code_bytes == 2


def test_itq_of_fewer_documents_than_dimensions() -> None:
    X = normalise(np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32))
    codec = fit("itq", X)
    assert np.isfinite(codec.decode(codec.encode(X))).all()


def test_ternary_packs_five_digits_per_byte() -> None:
    X = np.random.default_rng(0).standard_normal((300, 12)).astype(np.float32)
    codec = fit("ternary", X, "dot")
    assert codec.code_bytes == 3
    codes = codec.encode(X)
    assert codes.max() < 243
    # written out digit by digit
    mean, scale = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    U = (X - mean) / scale
    digits = np.where(U > 0.612, 2, np.where(U < -0.612, 0, 1))
    expected = np.stack([digits[:, 0:5] @ 3 ** np.arange(5), digits[:, 5:10] @ 3 ** np.arange(5)], axis=1)
    np.testing.assert_array_equal(codes[:, :2], expected)
    np.testing.assert_array_equal(trits()[codes[0, 0]] + 1, digits[0, :5])


def test_ternary_error_is_that_of_three_levels_on_a_normal() -> None:
    X = np.random.default_rng(1).standard_normal((4000, 20)).astype(np.float32)
    loss = {}
    for text in ("binarym", "ternary", "tq2"):
        codec = fit(text, X, "dot")
        loss[text] = float(((codec.decode(codec.encode(X)) - X) ** 2).mean())
    # Max 1960, table I: .3634, .1902, .1175
    assert loss["ternary"] == pytest.approx(0.1902, rel=0.03)
    assert loss["binarym"] > loss["ternary"] > loss["tq2"]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_hamming_ranks_by_the_number_of_different_signs(similarity: str) -> None:
    rng = np.random.default_rng(0)
    X, Q = (rng.standard_normal((n, 24)).astype(np.float32) for n in (300, 20))
    codec = embgeo.fit_codec("hamming", X, similarity=similarity)
    _, rows = codec.search(Q, codec.encode(X), 10)
    distances = ((Q > 0)[:, None] != (X > 0)[None]).sum(axis=2)
    truth = np.argsort(distances, axis=1, kind="stable")[:, :10]
    found, best = (np.take_along_axis(distances, chosen, axis=1) for chosen in (rows, truth))
    np.testing.assert_array_equal(found, best)
    if similarity != "euclidean":  # differences from the mean round, and with them ties
        np.testing.assert_array_equal(rows, truth)
