"""The margin with which free vectors of d dimensions can hold a relevance pattern, and bounds that no vectors exceed.

Two margins of unit vectors u of queries and v of documents. The row half-gap is ½ (⟨u, worst relevant⟩ − ⟨u, best
other⟩) of the query where it is least: each query may have a threshold of its own, as in a ranking. The zero-threshold
margin is the largest m with ⟨u, v⟩ ≥ m for relevant pairs and ≤ −m for others. Neither depends on a model or on texts:
what optimised vectors reach, a model of the same dimension could be trained to reach. Equal vectors have half-gap 0.
Source: Weller et al. 2025 (free embeddings), arXiv 2605.23556 (zero threshold), arXiv 2601.20844 (row gap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from embgeo.errors import InputError
from embgeo.limits.pattern import Pattern

Threshold = Literal["row", "zero"]
SEEDS = 3
STEPS, MORE_STEPS = 400, 800
SMALL = 50_000  # cells of a pattern that gets more steps, which cost little there
RATE = 0.05
HOT, COLD = 0.05, 0.002  # temperature of the soft minimum, at the first and at the last step
FLOOR = 1e-5  # weight of a row or column in a certificate, of the mean: division stays possible


@dataclass(frozen=True)
class FreeVectors:
    """Optimised unit vectors of several seeds.

    Attributes
    ----------
    U, V : (seeds, queries, d) and (seeds, documents, d) float32.
    weights : (seeds, queries, documents) float32, how much each score limits the margin, signed as its relevance.
    margins : (seeds,) float64.
    """

    U: np.ndarray
    V: np.ndarray
    weights: np.ndarray
    margins: np.ndarray


def free_vectors(
    pattern: Pattern, dimension: int, *, threshold: Threshold = "row", seeds: int = SEEDS, seed: int = 0
) -> FreeVectors:
    """Maximise the margin of `pattern` over unit vectors of `dimension`: Adam on a soft minimum that hardens.

    The margins are lower bounds of the best one: what these vectors have, whatever better ones may. Deterministic for a
    seed on one machine. Cost: `seeds` · 6 · queries · documents · dimension flops for each of 400 steps
    (800 of a small pattern); call it within `one_blas_thread`, since several cost time on products this small.
    """
    if dimension < 1:
        raise InputError(f"the dimension must be at least 1; got {dimension}")
    start = (np.random.default_rng((seed, each)) for each in range(seeds))
    drawn = [[rng.standard_normal((rows, dimension)) for rows in pattern.shape] for rng in start]
    sides = [_Side(np.stack([each[side] for each in drawn]).astype(np.float32)) for side in (0, 1)]
    U, V = (side.X for side in sides)
    weigh = _row_weights if threshold == "row" else _entry_weights
    steps = MORE_STEPS if pattern.shape[0] * pattern.shape[1] <= SMALL else STEPS
    for step in range(1, steps + 1):
        done = step / steps
        weights, _ = weigh(U @ V.transpose(0, 2, 1), pattern, HOT * (COLD / HOT) ** done)
        ascent = weights @ V, weights.transpose(0, 2, 1) @ U
        for side, gradient in zip(sides, ascent, strict=True):
            side.move(gradient, RATE * math.sqrt(1 - done) + 1e-3, step)
    weights, margins = weigh(U @ V.transpose(0, 2, 1), pattern, COLD)
    return FreeVectors(U, V, weights, margins.astype(np.float64))


class _Side:
    """Unit vectors that Adam moves on their sphere, with one second moment a row."""

    def __init__(self, X: np.ndarray) -> None:
        self.X = X / np.linalg.norm(X, axis=2, keepdims=True)
        self._mean = np.zeros_like(X)
        self._square = np.zeros((*X.shape[:2], 1), np.float32)

    def move(self, gradient: np.ndarray, rate: float, step: int) -> None:
        gradient -= self.X * (self.X * gradient).sum(axis=2, keepdims=True)
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.01 * (np.square(gradient).sum(axis=2, keepdims=True) - self._square)
        length = np.sqrt(self._square / (1 - 0.99**step)) + 1e-12
        self.X += rate / (1 - 0.9**step) * self._mean / length
        self.X /= np.linalg.norm(self.X, axis=2, keepdims=True)


def _row_weights(S: np.ndarray, pattern: Pattern, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """How the soft row half-gap changes with the scores `S` (seeds, q, n), which are overwritten, and the exact one.

    The weights of a row sum to 0: what relevant scores gain, the others lose.
    """
    flat = S.reshape(len(S), -1)
    relevant = flat[:, pattern.flat]
    flat[:, pattern.flat] = -np.inf
    worst = np.minimum.reduceat(relevant, pattern.starts, axis=1)
    best = S.max(axis=2)
    margins = (worst - best).min(axis=1) / 2
    S -= best[:, :, None]
    S *= 1 / temperature
    np.exp(S, out=S)
    near = np.exp((worst[:, pattern.rows] - relevant) / temperature)
    others, own = S.sum(axis=2), np.add.reduceat(near, pattern.starts, axis=1)
    gaps = (worst - best - temperature * (np.log(own) + np.log(others))) / 2
    shares = np.exp((gaps.min(axis=1, keepdims=True) - gaps) / temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    S *= -(shares / others)[:, :, None]
    flat[:, pattern.flat] = (shares / own)[:, pattern.rows] * near
    return S, margins


def _entry_weights(S: np.ndarray, pattern: Pattern, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for the zero-threshold margin, the least of ⟨u, v⟩ over relevant and −⟨u, v⟩ over other pairs."""
    flat = S.reshape(len(S), -1)
    flat *= -1
    flat[:, pattern.flat] *= -1
    margins = flat.min(axis=1)
    weights = np.exp((margins[:, None] - flat) / temperature)
    weights /= -weights.sum(axis=1, keepdims=True)
    weights[:, pattern.flat] *= -1
    return weights.reshape(S.shape), margins


def certificate(weights: np.ndarray, U: np.ndarray, V: np.ndarray) -> float:
    """An upper bound of the margin in *any* dimension, from `weights` (q, n) that are ≥ 0 on relevant pairs, ≤ 0 else.

    For a margin m, m Σ|W| ≤ Σ W⟨u, v⟩ ≤ ‖W / √(p qᵀ)‖₂ for all p, q > 0 that sum to 1; for the row half-gap the weights
    of each row must sum to 0. Any such weights and p, q are valid; those of optimised vectors `U` (q, d), `V` (n, d)
    are nearly the best. With p and q uniform it is the bound √(qn) ‖W‖₂ / Σ|W|.
    """
    W = weights.astype(np.float64)
    p, q = (_shares(np.linalg.norm(each, axis=1)) for each in (W @ V, W.T @ U))
    return float(np.linalg.norm(W / np.sqrt(p[:, None] * q), 2) / np.abs(W).sum())


def _shares(lengths: np.ndarray) -> np.ndarray:
    raised = lengths + FLOOR * max(lengths.mean(), np.finfo(float).tiny)
    return raised / raised.sum()


def balanced_rows(weights: np.ndarray) -> np.ndarray:
    """(q, n) float64 `weights` whose positive and negative entries sum to the same in each row, as `certificate` needs.

    Rounding of float32 alone leaves them apart.
    """
    W = weights.astype(np.float64)
    parts = np.maximum(W, 0), np.maximum(-W, 0)
    sums = [part.sum(axis=1, keepdims=True) for part in parts]
    held = np.minimum(*sums)
    positive, negative = (part * held / np.maximum(each, 1e-300) for part, each in zip(parts, sums, strict=True))
    return positive - negative


def subset_half_gap(n: int, k: int) -> float:
    """The best row half-gap for all subsets of `k` of `n` documents, reached from d = n − 1 on.

    >>> round(subset_half_gap(46, 2), 4)
    0.3655
    """
    A, B = _subset_scores(n, k)
    return (A + B) / 2


def subset_zero_margin(n: int, k: int) -> float:
    """The best zero-threshold margin for all subsets of `k` of `n` documents, reached from d = n; near 1 / (2√k + 1).

    >>> round(subset_zero_margin(8, 1), 4)
    0.4
    """
    A, B = _subset_scores(n, k)
    return (A + B) / (2 + A - B)


def _subset_scores(n: int, k: int) -> tuple[float, float]:
    """What relevant documents score, and minus what others do, on the corners of a regular simplex."""
    if not 0 < k < n:
        raise InputError(f"subsets need 0 < k < n; got k = {k} and n = {n}")
    return math.sqrt((n - k) / (k * (n - 1))), math.sqrt(k / ((n - k) * (n - 1)))
