"""Matrices whose rows lie in several parts: shards, row groups, record batches. They are read as an array is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeGuard

import numpy as np

from embgeo.files.mapped import release_pages

WINDOW_ROWS = 16384
Opening = tuple[Callable[..., "Rows"], tuple[Any, ...]]  # a function and its arguments


class Rows(ABC):
    """A matrix (n, d) that is read by slices and by arrays of row numbers, each read a new array or a view.

    Attributes
    ----------
    shape : (n, d); dtype : of the rows as stored.
    in_order : only ascending reads are fast, as in a compressed file: many passes over it are worth a copy.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    in_order = False

    @property
    def ndim(self) -> int:
        return 2

    @property
    def pieces(self) -> Sequence[np.ndarray | Rows]:
        """The matrices, one for each file, that it is a stack of; by default itself."""
        return (self,)

    def opening(self) -> Opening | None:
        """What opens it in another process, from the same files; None if only its values can be sent."""
        return None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray | Sequence[int]) -> np.ndarray:
        """(k, d) rows: of a slice, of row numbers in any order, or where a boolean mask is true.

        Raises IndexError for a row number beyond the matrix.
        """
        n = len(self)
        if isinstance(key, slice):
            start, stop, step = key.indices(n)
            if step == 1:
                return self.between(start, max(start, stop))
            key = np.arange(start, stop, step)
        rows = np.asarray(key)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        rows = np.where(rows < 0, rows + n, rows)
        if len(rows) and not (rows.min() >= 0 and rows.max() < n):
            raise IndexError(f"row numbers must lie within ±{n}")
        if len(rows) < 2 or (np.diff(rows) >= 0).all():
            return self.at(rows)
        order = np.argsort(rows, kind="stable")
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        found[order] = self.at(rows[order])
        return found

    @abstractmethod
    def between(self, start: int, stop: int) -> np.ndarray:
        """(stop − start, d) consecutive rows; 0 ≤ start ≤ stop ≤ n."""

    def at(self, rows: np.ndarray) -> np.ndarray:
        """(k, d) rows of these numbers (k,) int64, ascending and within the matrix."""
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        begin = 0
        while begin < len(rows):
            first = int(rows[begin])
            end = int(np.searchsorted(rows, first + WINDOW_ROWS))
            last = int(rows[end - 1])
            found[begin:end] = self.between(first, last + 1)[rows[begin:end] - first]
            begin = end
        return found

    @abstractmethod
    def release(self) -> None:
        """Release what was read: pages of memory maps, decoded blocks."""


def is_matrix(X: object) -> TypeGuard[np.ndarray | Rows]:
    """Whether X is an array or a `Rows`."""
    return isinstance(X, np.ndarray | Rows)


class StackedRows(Rows):
    """The rows of several matrices, one after another; ValueError unless all have one width and dtype.

    >>> X = StackedRows([np.zeros((2, 3)), np.ones((1, 3))])
    >>> X.shape, X[1:3].tolist()
    ((3, 3), [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    """

    def __init__(self, parts: Sequence[np.ndarray | Rows]) -> None:
        if len({(X.shape[1:], X.dtype) for X in parts}) != 1:
            raise ValueError("the parts of a matrix must have one width and one dtype")
        self.parts = tuple(parts)
        self.ends = np.cumsum([len(X) for X in parts], dtype=np.int64)
        self.shape = (int(self.ends[-1]), int(parts[0].shape[1]))
        self.dtype = parts[0].dtype
        self.in_order = any(isinstance(X, Rows) and X.in_order for X in parts)
        self._read: set[int] = set()

    @property
    def pieces(self) -> Sequence[np.ndarray | Rows]:
        return self.parts

    def between(self, start: int, stop: int) -> np.ndarray:
        first = int(np.searchsorted(self.ends, start, "right"))
        if stop <= start or stop <= self.ends[first]:
            return self._part(min(first, len(self.parts) - 1), start, max(start, stop))
        found = np.empty((stop - start, self.shape[1]), self.dtype)
        at = start
        while at < stop:
            end = min(stop, int(self.ends[first]))
            if end > at:
                found[at - start : end - start] = self._part(first, at, end)
            at, first = max(at, end), first + 1
        return found

    def at(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        parts = np.searchsorted(self.ends, rows, "right")
        begins = np.flatnonzero(np.diff(parts, prepend=-1))
        for begin, end in pairwise([*begins.tolist(), len(rows)]):
            part = int(parts[begin])
            self._read.add(part)
            found[begin:end] = self.parts[part][rows[begin:end] - self._start(part)]
        return found

    def release(self) -> None:
        while self._read:
            release_pages(self.parts[self._read.pop()])

    def _start(self, part: int) -> int:
        return int(self.ends[part]) - len(self.parts[part])

    def _part(self, part: int, start: int, stop: int) -> np.ndarray:
        self._read.add(part)
        first = self._start(part)
        return self.parts[part][start - first : stop - first]


class RowRange(Rows):
    """The rows from `start` on of other rows, read when they are needed."""

    def __init__(self, whole: Rows, start: int, rows: int) -> None:
        self.shape, self.dtype, self.in_order = (rows, whole.shape[1]), whole.dtype, whole.in_order
        self._whole, self._start = whole, start

    def between(self, start: int, stop: int) -> np.ndarray:
        return self._whole.between(self._start + start, self._start + stop)

    def at(self, rows: np.ndarray) -> np.ndarray:
        return self._whole.at(rows + self._start)

    def release(self) -> None:
        self._whole.release()
