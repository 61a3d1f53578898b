"""Scalar alphabets for directions: the angle between a vector and its nearest code, whose length is free."""

from __future__ import annotations

import numpy as np

TAIL = 0.01  # of the directions: the worst, whose mean angle an alphabet is optimised for
SAMPLE = 2000


def angular_errors(X: np.ndarray, levels: np.ndarray, below: np.ndarray | None = None) -> np.ndarray:
    """(n,) radians between each row of X (n, d) and the vector of levels that is nearest in direction.

    `levels` (l,) ascend from 0; negative values take those of `below`, or the same. Exact: between the scales at which
    a coordinate changes its level the code is constant, so that all codes on the way are tried. Cost: n·d·l log(d·l).

    >>> angular_errors(np.array([[1.0, 1.0], [3.0, 4.0]]), np.array([0.0, 1.0])).round(4)  # the second is coded as 1, 1
    array([0.    , 0.1419])
    """
    below = levels if below is None else below
    # [sign][level], the shorter alphabet padded by its last level: a step without effect
    both = np.array([np.pad(each, (0, max(len(levels), len(below)) - len(each)), "edge") for each in (levels, below)])
    middles, rises, squares = (both[:, 1:] + both[:, :-1]) / 2, np.diff(both), np.diff(both**2)
    size, sign = np.abs(X)[:, :, None], (X < 0).astype(int)
    times = (middles[sign] / np.maximum(size, np.finfo(float).tiny)).reshape(len(X), -1)
    order = np.argsort(times, axis=1)
    dot, square = (
        np.take_along_axis(steps.reshape(len(X), -1), order, 1).cumsum(axis=1)
        for steps in (size * rises[sign], squares[sign])
    )
    best = (dot * dot / square).max(axis=1) / np.square(X).sum(axis=1)
    return np.asarray(np.arccos(np.minimum(np.sqrt(best), 1)))


def random_directions(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    """(count, dimension) float64 unit rows, uniform on the sphere."""
    X = np.random.default_rng(seed).standard_normal((count, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def direction_alphabet(dimension: int, positive: int, seed: int = 0) -> np.ndarray:
    """(positive + 1,) float64 levels from 0 and 1 upwards, for blocks of `dimension`, symmetric about 0.

    They minimise the mean angle of the worst 1 % of 2,000 random directions, by Nelder and Mead's method from the
    levels of a normal distribution's companding. Source: Zadeh & Constantinides 2026 (the aim; the search is ours).
    """
    from scipy.optimize import minimize

    X = random_directions(SAMPLE, dimension, seed)
    worst = max(1, round(TAIL * SAMPLE))

    def levels(steps: np.ndarray) -> np.ndarray:
        # the logarithms of the steps between levels: every argument is an alphabet
        return np.concatenate([[0.0, 1.0], 1 + np.cumsum(np.exp(steps))])

    def loss(steps: np.ndarray) -> float:
        return float(np.partition(angular_errors(X, levels(steps)), -worst)[-worst:].mean())

    begin = np.linspace(0, 0.7, positive - 1)
    found = minimize(loss, begin, method="Nelder-Mead", options={"maxfev": 500, "xatol": 1e-3, "fatol": 1e-6})
    return levels(found.x)
