"""Whether any query vector at all ranks its relevant documents above all others, for the documents as they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from embgeo.numeric.compiled import compiled

CANDIDATES, MORE = 64, 16  # other documents that a query is separated from, at first and in each further round
ROUNDS = 9
STEPS = 20_000
CLOSE = 0.02  # a gap counts as the best if it is at most this share below the bound
TOUCHING = 1e-5  # of the length of a document: gaps below it count as none
BLOCK_SCORES = 2**24


def ideal_half_gaps(X: np.ndarray, sets: Sequence[np.ndarray]) -> np.ndarray:
    """(len(sets),) float64: ½ (worst relevant − best other inner product) that the best unit query found reaches.

    The best is half of the distance between the convex hulls of the relevant and of the other documents: 0 where they
    meet, since then no query ranks the set. What is returned is reached on all documents, and at most 2 % less than
    the best unless 9 rounds did not suffice.

    Parameters
    ----------
    X : (n, d) float32 document vectors, ranked by inner product.
    sets : rows of the relevant documents of each query, at least one, not all.

    Method: Mitchell, Dem'yanov & Malozemov 1974 on the documents that score best; those that the query found ranks too
    high are added, and it is repeated. Cost: 2·n·d flops a set and round.
    """
    Q = np.stack([X[rows].mean(axis=0) for rows in sets]).astype(np.float32)
    others = [np.empty(0, np.int64) for _ in sets]
    best = np.zeros(len(sets))
    touching = TOUCHING * float(np.sqrt(np.square(X).sum(axis=1, dtype=np.float64).mean()))
    unsettled = np.arange(len(sets))
    for turn in range(ROUNDS):
        left = []
        for part in np.array_split(unsettled, -(-len(unsettled) * len(X) // BLOCK_SCORES)):
            for at, scores in zip(part.tolist(), Q[part] @ X.T, strict=True):
                best[at] = max(best[at], _half_gap(scores, sets[at], Q[at]))
                others[at] = _with_highest(scores, sets[at], others[at], MORE if turn else CANDIDATES)
                Q[at], bound = _between(X, sets[at], others[at])
                if bound > touching and best[at] < (1 - CLOSE) * bound:
                    left.append(at)
        unsettled = np.array(left, np.int64)
        if not len(unsettled):
            break
    return np.where(best > touching, best, 0.0)


def _half_gap(scores: np.ndarray, relevant: np.ndarray, query: np.ndarray) -> float:
    """Of the unit vector along `query`, with its `scores` (n,) of all documents."""
    others = scores.copy()
    others[relevant] = -np.inf
    length = float(np.linalg.norm(query))
    return 0.0 if length == 0 else float(scores[relevant].min() - others.max()) / (2 * length)


def _with_highest(scores: np.ndarray, relevant: np.ndarray, known: np.ndarray, more: int) -> np.ndarray:
    """`known` rows of other documents, and `more` of those that score highest among the rest."""
    rest = scores.copy()
    rest[relevant] = rest[known] = -np.inf
    size = min(more, len(scores) - len(relevant) - len(known))
    return np.concatenate([known, np.argpartition(-rest, size - 1)[:size]]) if size > 0 else known


def _between(X: np.ndarray, relevant: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, float]:
    """The shortest vector between the hulls of two groups of documents, (d,) float32, and half its length.

    The hull of all other documents is no farther, so that no half-gap exceeds this length.
    """
    held = X[np.concatenate([relevant, others])].astype(np.float64)
    between = _closest_kernel()(held @ held.T, len(relevant), STEPS, CLOSE / 2) @ held
    return between.astype(np.float32), float(np.linalg.norm(between)) / 2


@cache
def _closest_kernel() -> Any:
    @compiled()
    def closest(G, r, steps, close):  # type: ignore[no-untyped-def]
        """Weights (k,) of the shortest vector between the hulls of the first r points and of the others; G is Gram."""
        k = len(G)
        a = np.zeros(k)
        a[:r] = 1 / r
        s = np.zeros(k)  # inner products of all points with the vector
        for j in range(r):
            s += G[j] / r
        first = r + np.argmax(s[r:])
        a[first] = 1
        s -= G[first]
        for _ in range(steps):
            low, high, top, bottom = 0, -1, r, -1
            squared = 0.0
            for j in range(k):
                if j < r:
                    squared += a[j] * s[j]
                    if s[j] < s[low]:
                        low = j
                    if a[j] > 0 and (high < 0 or s[j] > s[high]):
                        high = j
                else:
                    squared -= a[j] * s[j]
                    if s[j] > s[top]:
                        top = j
                    if a[j] > 0 and (bottom < 0 or s[j] < s[bottom]):
                        bottom = j
            if squared <= 1e-14 or s[low] - s[top] >= (1 - close) * squared:
                break
            source, target, side = bottom, top, -1.0
            if s[high] - s[low] >= s[top] - s[bottom]:
                source, target, side = high, low, 1.0
            length = G[source, source] + G[target, target] - 2 * G[source, target]
            move = a[source]
            if length > 0:
                move = min(move, abs(s[source] - s[target]) / length)
            a[source] -= move
            a[target] += move
            s += side * move * (G[target] - G[source])
        a[r:] *= -1
        return a

    return closest
