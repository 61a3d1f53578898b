"""The device interface: the heavy kernels once in NumPy and once in torch, behind one small protocol.

A `Kernels` object makes matrices on its device (`put`, `squared_distances`), reduces them there, and hands NumPy
arrays back; a `Space` knows nothing else of devices. Both paths compute distances as |x|² + |y|² − 2xy in float32 and
repair the pairs where that cancels (near duplicates) in float64, so that they agree within 1e-3 relative on every
distance and within about 1e-5 on sums; duplicates have distance exactly 0, and the matrix is exactly symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np

from embgeo.space.blocks import in_threads, row_blocks

Reduction = Literal["exp_minus", "inverse_one_plus"]
CANCELLED = 1e-3  # below this share of |x|² + |y|² a squared distance has lost more than half its float32 digits
MAX_PAIRS_PER_ROW = 20  # with more cancelled pairs per row, one float64 product is cheaper than pair by pair


class Kernels(Protocol):
    """Kernels of one device. A handle is whatever matrix the device works on; `get` turns it into NumPy."""

    def get(self, handle: Any) -> np.ndarray: ...

    def scatter(self, X: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """(X − mean)ᵀ(X − mean), (d, d) float64, differences, products and sums in float64."""
        ...

    def squared_distances(self, V: np.ndarray, groups: np.ndarray) -> Any:
        """(n, n) float32 squared Euclidean distances; rows with equal `groups` are copies, at distance 0."""
        ...

    def scaled_root(self, handle: Any, factor: float) -> Any:
        """factor · √D, in place."""
        ...

    def row_sums(self, handle: Any, reduction: Reduction, scale: float = 1.0, half_square: bool = False) -> np.ndarray:
        """(n,) float64 sums over each row of f(scale · D), or of f(scale · D²/2), the diagonal included."""
        ...

    def nearest(self, handle: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, k) smallest distances of each row ascending and their indices, the row itself left out."""
        ...

    def product(self, handle: Any, M: np.ndarray) -> np.ndarray:
        """D @ M as float64, in float32 arithmetic."""
        ...


class NumpyKernels:
    """The reference path: BLAS products, NumPy row blocks in threads."""

    def get(self, handle: Any) -> np.ndarray:
        return handle

    def scatter(self, X: np.ndarray, mean: np.ndarray) -> np.ndarray:
        total = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, X.shape[0], 8192):
            block = X[start : start + 8192] - mean
            total += block.T @ block
        return total

    def squared_distances(self, V: np.ndarray, groups: np.ndarray) -> np.ndarray:
        from scipy.linalg.blas import ssyrk

        n = V.shape[0]
        norms = np.einsum("ij,ij->i", V, V, dtype=np.float64).astype(np.float32)
        D = ssyrk(1.0, V.T, trans=1, lower=1).T  # the upper half in rows; the other is its mirror, exactly symmetric
        finish = _finish()

        def pairs_of(block: slice) -> tuple[np.ndarray, np.ndarray]:
            cancelled = finish(D, norms, np.float32(CANCELLED), block.start, block.stop)
            if cancelled == 0:
                return np.empty(0, np.int64), np.empty(0, np.int64)
            both = norms[block, None] + norms[None, block.start :]
            low, high = np.nonzero(np.triu(D[block, block.start :] < both * np.float32(CANCELLED), 1))
            return low + block.start, high + block.start

        pairs = in_threads(pairs_of, row_blocks(n, n))
        low, high = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        same = groups[low] == groups[high]
        D[low[same], high[same]] = D[high[same], low[same]] = 0
        low, high = low[~same], high[~same]
        if len(low) > MAX_PAIRS_PER_ROW * n:
            _recompute_all(D, V, groups)
        else:
            for start in range(0, len(low), 8192):
                i, j = low[start : start + 8192], high[start : start + 8192]
                difference = V[i].astype(np.float64) - V[j]
                D[i, j] = D[j, i] = np.einsum("ij,ij->i", difference, difference)
        return D

    def scaled_root(self, handle: np.ndarray, factor: float) -> np.ndarray:
        def root(block: slice) -> None:
            np.sqrt(handle[block], out=handle[block])
            if factor != 1:
                handle[block] *= np.float32(factor)

        in_threads(root, row_blocks(*handle.shape))
        return handle

    def row_sums(
        self, handle: np.ndarray, reduction: Reduction, scale: float = 1.0, half_square: bool = False
    ) -> np.ndarray:
        apply, factor = _ROW_FUNCTIONS[reduction], np.float32(scale / 2 if half_square else scale)

        def add(block: slice) -> np.ndarray:
            rows = handle[block] * factor
            if half_square:
                rows *= handle[block]
            return apply(rows).sum(axis=1, dtype=np.float64)

        return np.concatenate(in_threads(add, row_blocks(*handle.shape)))

    def nearest(self, handle: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        n = handle.shape[0]

        def select(block: slice) -> tuple[np.ndarray, np.ndarray]:
            rows = handle[block].copy()
            rows[np.arange(len(rows)), np.arange(block.start, block.stop)] = np.inf
            chosen = np.argpartition(rows, k - 1, axis=1)[:, :k]
            distances = np.take_along_axis(rows, chosen, axis=1)
            order = np.lexsort((chosen, distances), axis=1)
            return np.take_along_axis(distances, order, axis=1), np.take_along_axis(chosen, order, axis=1)

        parts = in_threads(select, row_blocks(n, n))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def product(self, handle: np.ndarray, M: np.ndarray) -> np.ndarray:
        return (handle @ M.astype(np.float32)).astype(np.float64)


@cache
def _finish() -> Callable[..., int]:
    from numba import njit

    @njit(cache=True, nogil=True)
    def finish(D: np.ndarray, norms: np.ndarray, cancelled: np.float32, first: int, stop: int) -> int:
        """Products in the upper half become squared distances, mirrored by tiles; how many pairs lost their digits."""
        n = len(D)
        lost = 0
        for top in range(first, stop, 32):
            bottom = min(top + 32, stop)
            for left in range(top, n, 64):
                right = min(left + 64, n)
                others = norms[left:right]
                for i in range(top, bottom):
                    row = D[i, left:right]
                    norm = norms[i]
                    for j in range(len(row)):
                        both = norm + others[j]
                        row[j] = max(both - np.float32(2) * row[j], np.float32(0))
                        lost += row[j] < both * cancelled
                    if left == top:  # a row and itself are no pair
                        lost -= row[i - left] < (norm + norm) * cancelled
                for j in range(left, right):
                    column = D[j, top : min(bottom, j)]
                    for i in range(len(column)):
                        column[i] = D[top + i, j]
        for i in range(first, stop):
            D[i, i] = 0
        return lost

    return finish


def _exp_minus(rows: np.ndarray) -> np.ndarray:
    np.negative(rows, out=rows)
    return np.exp(rows, out=rows)


def _inverse_one_plus(rows: np.ndarray) -> np.ndarray:
    rows += np.float32(1)
    return np.reciprocal(rows, out=rows)


# each may overwrite its block, which is a scaled copy
_ROW_FUNCTIONS: dict[Reduction, Callable[[np.ndarray], np.ndarray]] = {
    "exp_minus": _exp_minus,
    "inverse_one_plus": _inverse_one_plus,
}


def _recompute_all(D: np.ndarray, V: np.ndarray, groups: np.ndarray) -> None:
    """Every squared distance again by a float64 product, block by block over the upper triangle."""
    n = V.shape[0]
    wide = V.astype(np.float64)
    norms = np.einsum("ij,ij->i", wide, wide)
    for start in range(0, n, 512):
        block = slice(start, min(start + 512, n))
        rows = norms[block, None] + norms[None, start:] - 2 * (wide[block] @ wide[start:].T)
        rows[groups[block, None] == groups[None, start:]] = 0
        upper = np.triu(np.maximum(rows, 0), 1).astype(np.float32)
        size = block.stop - start
        upper[:, :size] += upper[:, :size].T
        D[block, start:] = upper
        D[start:, block] = upper.T
