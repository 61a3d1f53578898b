"""Adaptive bits, from its description: singular vectors, bits one at a time, Lloyd's iteration on a fine grid."""

from __future__ import annotations

from functools import cache

import numpy as np

GRID = np.linspace(-7, 7, 140_001)
WEIGHT = np.exp(-(GRID**2) / 2)
WEIGHT /= WEIGHT.sum()


@cache
def levels_and_error(bits: int) -> tuple[np.ndarray, float]:
    """Levels of least squared error for a standard normal, and that error."""
    levels = np.interp((np.arange(2**bits) + 0.5) / 2**bits, np.cumsum(WEIGHT), GRID) * np.sqrt(3)
    for _ in range(4000):
        cell = np.searchsorted((levels[1:] + levels[:-1]) / 2, GRID)
        moved = np.bincount(cell, WEIGHT * GRID) / np.bincount(cell, WEIGHT)
        if np.abs(moved - levels).max() < 1e-8:
            break
        levels = moved
    cell = np.searchsorted((levels[1:] + levels[:-1]) / 2, GRID)
    return levels, float((WEIGHT * (GRID - levels[cell]) ** 2).sum())


def adaptive(fit: np.ndarray, X: np.ndarray, size: int) -> np.ndarray:
    """(n, d) unit rows decoded from `size` bytes each, in the coordinates of X; the codec is fitted on `fit`."""
    axes = np.linalg.svd(fit.astype(np.float64), full_matrices=False)[2].T
    Z = fit @ axes
    mean, spread = Z.mean(axis=0), Z.std(axis=0)
    known = [levels_and_error(bits) for bits in range(9)]
    bits = np.zeros(axes.shape[1], int)
    for _ in range(8 * size):
        gain = [s**2 * (known[b][1] - known[b + 1][1]) if b < 8 else 0 for s, b in zip(spread, bits, strict=True)]
        bits[int(np.argmax(gain))] += 1
    decoded = np.tile(mean, (len(X), 1))
    for j, b in enumerate(bits):
        values = mean[j] + spread[j] * known[b][0]
        decoded[:, j] = values[np.abs((X @ axes[:, j])[:, None] - values).argmin(axis=1)]
    rows = decoded @ axes.T
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
