"""Trellis-coded bits: the path found is optimal, and the levels are a fixed point of Lloyd's iteration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embgeo.compression.codecs.quantizers.adaptive import Adaptive
from embgeo.compression.codecs.quantizers.trellis import FittedTrellis, Trellis, trellis_levels
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_bits
from embgeo.numeric.lloyd_max import gaussian_distortion


def standard(width: int, bits: int) -> FittedTrellis:
    return FittedTrellis(False, np.zeros(width, np.float32), np.ones(width, np.float32), np.full(width, bits, np.uint8))


@pytest.mark.parametrize("bits", [[1] * 9, [3, 2, 2, 1, 1], [2, 0, 1, 3, 0, 1], [7, 1]])
def test_no_other_code_decodes_closer(bits: list[int]) -> None:
    rng = np.random.default_rng(0)
    scale = np.linspace(2, 0.3, len(bits)).astype(np.float32)
    mean = rng.standard_normal(len(bits)).astype(np.float32)
    fitted = FittedTrellis(False, mean, scale, np.array(bits, np.uint8))
    Z = (mean + scale * rng.standard_normal((40, len(bits)))).astype(np.float32)
    every = np.array(list(itertools.product(*(range(2**b) for b in bits))), np.uint8)
    decoded = fitted.decode(pack_bits(every, fitted.bits, fitted.code_bytes))
    best = ((Z[:, None] - decoded[None]) ** 2).sum(axis=2).min(axis=1)
    found = ((Z - fitted.decode(fitted.encode(Z))) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, best, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("bits", "decibels"), [(1, 5.15), (2, 10.65)])
def test_the_error_lies_between_scalar_levels_and_the_rate_distortion_bound(bits: int, decibels: float) -> None:
    """Lloyd-Max levels reach 4.40 and 9.30 dB, nothing more than 6.02 and 12.04."""
    Z = np.random.default_rng(1).standard_normal((400, 256)).astype(np.float32)
    fitted = standard(256, bits)
    error = float(((fitted.decode(fitted.encode(Z)) - Z) ** 2).mean())
    assert -10 * np.log10(error) == pytest.approx(decibels, abs=0.05)
    assert 4.0**-bits < error < 0.86 * gaussian_distortion(bits)


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_the_levels_are_a_fixed_point_of_lloyds_iteration(bits: int) -> None:
    Z = np.random.default_rng(2).standard_normal((600, 256)).astype(np.float32)
    fitted = standard(256, bits)
    decoded = fitted.decode(fitted.encode(Z))
    levels = trellis_levels()[bits, : 2 ** (bits + 1)]
    for level in levels:
        assert Z[decoded == level].mean() == pytest.approx(level, abs=0.02)


def test_a_trellis_is_worth_most_where_bits_are_few() -> None:
    rng = np.random.default_rng(3)
    spread = np.arange(1, 65) ** -0.3
    Z = (rng.standard_normal((500, 64)) * spread).astype(np.float32)
    gains = []
    for bits in (1, 4):
        fitted = FittedTrellis(False, np.zeros(64, np.float32), spread.astype(np.float32), np.full(64, bits, np.uint8))
        lost = ((fitted.decode(fitted.encode(Z)) - Z) ** 2).sum(axis=0) / (spread**2 * len(Z))
        gains.append(1 - lost.mean() / gaussian_distortion(bits))
    assert min(gains) > 0.1


def test_the_saving_over_scalar_levels_grows_with_the_bits() -> None:
    """Coordinates without a bit cost both codes the same, and few bits leave many of them."""
    scale = np.arange(1, 129, dtype=np.float32) ** -0.75
    Z = scale * np.random.default_rng(2).standard_normal((600, 128)).astype(np.float32)
    training = Training(Z, "dot")
    savings = []
    for size in (2, 8, 16, 32, 64):
        errors = []
        for quantizer in (Trellis(size), Adaptive(size)):
            fitted = quantizer.fit(Z, training)
            errors.append(float(((fitted.decode(fitted.encode(Z)) - Z) ** 2).sum()))
        savings.append(1 - errors[0] / errors[1])
    assert savings == sorted(savings)
    assert savings[0] < 0.08 < 0.2 < savings[-1]
