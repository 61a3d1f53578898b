"""Training: what the fits of one training set share, computed once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from embgeo.embeddings import balanced
from embgeo.errors import TOO_LARGE, InputError
from embgeo.threads import one_blas_thread

T = TypeVar("T")
HOLD_BYTES = 64 * 2**20


class Training:
    """The rows that codecs are fitted on, and what several codecs need of them.

    Parameters
    ----------
    X : (n, d) float32 documents, unit rows under cosine; never modified.
    similarity : how the store will be searched.
    seed : every random choice of a fit derives from it and the codec's name, so that a row can be re-run alone.
    keep : (n,) bool, the rows that belong to this training set; None: all of them.
    """

    def __init__(self, X: np.ndarray, similarity: str, seed: int = 0, keep: np.ndarray | None = None) -> None:
        self._rows = X
        self._keep = keep
        self._kept: np.ndarray | None = X if keep is None else None
        self._last: tuple[Any, Any] | None = None
        self.similarity = similarity
        self.seed = seed
        self.queries: np.ndarray | None = None

    def learning_from(self, queries: np.ndarray) -> Training:
        """The same documents with queries (m, d) that a part may learn from; they must not then evaluate it."""
        other = copy.copy(self)
        other.queries, other._last = queries, None
        return other

    @property
    def X(self) -> np.ndarray:
        """The rows of this training set; the same array until `release`."""
        if self._kept is None:
            self._kept = self._rows[self._keep]
        return self._kept

    def release(self) -> None:
        """Free the copy of the rows but keep what was learned from them; `X` makes the copy again."""
        self._last = None
        if self._keep is not None:
            self._kept = None

    def once(self, key: Hashable, compute: Callable[[], tuple[T, np.ndarray]]) -> tuple[T, np.ndarray]:
        """What `compute` returns for `key`; the last result is cached if its rows are few, so that specs with equal
        reducers, fitted one after another, share their fit and get the same objects."""
        if self._last is not None and self._last[0] == key:
            held: tuple[T, np.ndarray] = self._last[1]
            return held
        found = compute()
        self._last = (key, found) if found[1].nbytes <= HOLD_BYTES or found[1] is self.X else None
        return found

    @cached_property
    def mean(self) -> np.ndarray:
        """(d,) float64."""
        return np.asarray(self.X.mean(axis=0, dtype=np.float64))

    @cached_property
    def second_moment(self) -> np.ndarray:
        """XᵀX / n, (d, d) float64, uncentred."""
        return second_moment(self.X)

    @cached_property
    def principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Uncentred principal axes: (eigenvalues descending (d,), axes as columns (d, d)), float64."""
        return principal_axes(self.second_moment)

    @cached_property
    def centred_principal(self) -> tuple[np.ndarray, np.ndarray]:
        """The same about the mean."""
        return principal_axes(second_moment(self.X, about=self.mean))


def root_mean_square(Z: np.ndarray) -> float:
    """Of all coordinates of Z (n, r); those whose squares would leave float32 are first scaled by a power of two."""
    even, exponent = balanced(Z.reshape(1, -1))
    return float(np.ldexp(np.sqrt(np.mean(even**2, dtype=np.float64)), exponent[0]))


def second_moment(X: np.ndarray, block: int = 16384, about: np.ndarray | None = None) -> np.ndarray:
    """XᵀX / n in float64, a float32 product per block: relative error about 1e-7·√block on unit rows.

    `about` (d,) is subtracted from every row first; subtracted from the result, it would cancel far from the origin.
    """
    total = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), block):
        rows = X[start : start + block]
        if about is not None:
            rows = rows - about.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            total += rows.T @ rows
    if not np.isfinite(total).all():
        raise InputError(f"products of vectors must be finite in float32; {TOO_LARGE}")
    return total / len(X)


def principal_axes(moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues descending and axes as columns, each axis signed so that its largest component is positive."""
    with one_blas_thread(len(moment)):
        values, axes = np.linalg.eigh(moment)
    values, axes = values[::-1], axes[:, ::-1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.maximum(values, 0), axes * np.where(largest < 0, -1.0, 1.0)
