"""Lloyd–Max quantizers of the standard normal distribution: the scalar levels of least squared error."""

from __future__ import annotations

from functools import cache

import numpy as np

MAX_BITS = 8


@cache
def gaussian_levels(bits: int) -> np.ndarray:
    """(2^bits,) float64 ascending levels; each is the mean of its cell, each threshold the midpoint of two levels.

    `bits` from 0 (one level at 0) to 8. Source: Max 1960, "Quantizing for minimum distortion"; Lloyd 1982.
    """
    from scipy.special import ndtr, ndtri

    cells = 2**bits
    # start from the asymptotically optimal companding density φ^(1/3), a normal of variance 3
    levels = np.asarray(ndtri((np.arange(cells) + 0.5) / cells)) * np.sqrt(3.0)
    for _ in range(1_000):
        edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
        means = -np.diff(density) / np.diff(ndtr(edges))
        moved = float(np.abs(means - levels).max())
        levels = (means - means[::-1]) / 2  # exactly symmetric
        if moved < 1e-7:
            break
    levels.flags.writeable = False
    return levels


@cache
def gaussian_distortion(bits: int) -> float:
    """Mean squared error of `gaussian_levels(bits)` on a standard normal: 1 at 0 bits, 0.3634 at 1, 0.1175 at 2."""
    from scipy.special import ndtr

    levels = gaussian_levels(bits)
    edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    # not 1 − Σ p·level²: that holds for exact cell means only, and many levels converge slowly
    moments = -np.diff(np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi))
    return float(1.0 - 2 * moments @ levels + np.diff(ndtr(edges)) @ levels**2)


def allocate_bits(variances: np.ndarray, bits: int, most: int = MAX_BITS) -> np.ndarray:
    """Bits per coordinate (at most `most` ≤ 8) that minimise the summed squared error of Gaussian coordinates.

    Reverse water-filling, greedily: the next bit goes where it removes most error, which is optimal because the gains
    of a coordinate decrease. `variances` (r,) ≥ 0; returns (r,) uint8 that sum to min(bits, most·r).
    Source: Gersho & Gray 1992, §8.3; Cover & Thomas 2006, §10.3.3.
    """
    import heapq

    gains = -np.diff([gaussian_distortion(b) for b in range(MAX_BITS + 1)])
    given = np.zeros(len(variances), np.uint8)
    heap = [(-float(v) * gains[0], place) for place, v in enumerate(variances)]
    heapq.heapify(heap)
    for _ in range(min(bits, most * len(variances))):
        _, place = heapq.heappop(heap)
        given[place] += 1
        if given[place] < most:
            heapq.heappush(heap, (-float(variances[place]) * gains[given[place]], place))
    return given
