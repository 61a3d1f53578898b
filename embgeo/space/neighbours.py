"""Exact nearest neighbours of a space too large for a dense distance matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def nearest_by_blocks(
    V: np.ndarray, k: int, distance: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) distances ascending and indices of the nearest other rows; FAISS where it is installed, NumPy elsewhere.

    `distance` turns float64 squared distances between rows of V (n, d) into the distances wanted; it must not fall.
    Candidates come from float32 products; the distances of the chosen pairs are computed again from differences, so
    that near duplicates are as exact as in the dense matrix. O(n² d) time, O(n k) memory.
    """
    n = len(V)
    candidates = min(n - 1, k + 8)
    chosen = _candidates(V, candidates)
    squared = np.empty(chosen.shape)
    for start in range(0, n, 256):
        block = slice(start, start + 256)
        difference = V[block, None, :].astype(np.float64) - V[chosen[block]]
        squared[block] = np.einsum("ijk,ijk->ij", difference, difference)
    D = distance(squared)
    order = np.lexsort((chosen, D), axis=1)[:, :k]
    return np.take_along_axis(D, order, axis=1).astype(np.float32), np.take_along_axis(chosen, order, axis=1)


def _candidates(V: np.ndarray, k: int) -> np.ndarray:
    """(n, k) rows near each row, itself left out by index."""
    n = len(V)
    own = np.arange(n)[:, None]
    try:
        import faiss
    except ImportError:
        found = np.concatenate([_candidates_of_block(V, start, k + 1) for start in range(0, n, 1024)])
    else:
        index = faiss.IndexFlatL2(V.shape[1])
        index.add(V)
        _, found = index.search(V, k + 1)
    # with many duplicates a row may miss itself: then the last candidate goes instead
    drop = found == own
    drop[~drop.any(axis=1), -1] = True
    return found[~drop].reshape(n, k).astype(np.int64)


def _candidates_of_block(V: np.ndarray, start: int, k: int) -> np.ndarray:
    norms = np.einsum("ij,ij->i", V, V)
    rows = norms - 2 * (V[start : start + 1024] @ V.T)
    return np.argpartition(rows, k - 1, axis=1)[:, :k]
