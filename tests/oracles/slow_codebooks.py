"""Codebook quantizers as their papers state them: slow, one row at a time, float64."""

from __future__ import annotations

import itertools

import numpy as np


def product_codes(Z: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Jégou et al. 2011, eq. 8: every part goes to its nearest centroid. centroids (parts, K, width)."""
    parts, _, width = centroids.shape
    codes = np.empty((len(Z), parts), np.int64)
    for i, z in enumerate(Z.astype(np.float64)):
        for m in range(parts):
            gaps = ((z[m * width : (m + 1) * width] - centroids[m]) ** 2).sum(axis=1)
            codes[i, m] = gaps.argmin()
    return codes


def asymmetric_scores(q: np.ndarray, codes: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Jégou et al. 2011, eq. 13 for inner products: a table per part, summed over the parts of each row."""
    parts, _, width = centroids.shape
    tables = [centroids[m] @ q[m * width : (m + 1) * width] for m in range(parts)]
    return np.array([sum(tables[m][row[m]] for m in range(parts)) for row in codes])


def lloyd_step(X: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """One pass of Lloyd's k-means in which no centroid loses all rows."""
    own = ((X[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
    return np.stack([X[own == c].mean(axis=0) for c in range(len(centroids))])


def best_residual_codes(z: np.ndarray, centroids: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """The least ‖z − Σ c‖² over every choice of one centroid per stage, centroids (stages, K, r)."""
    choices = itertools.product(range(centroids.shape[1]), repeat=len(centroids))
    return min(
        (float(((z - sum(centroids[s][c] for s, c in enumerate(codes))) ** 2).sum()), codes) for codes in choices
    )


def greedy_residual_error(z: np.ndarray, centroids: np.ndarray) -> float:
    """‖z − decoded‖² when every stage takes the centroid nearest to the remainder."""
    rest = z.astype(np.float64)
    for stage in centroids:
        rest = rest - stage[((rest - stage) ** 2).sum(axis=1).argmin()]
    return float((rest**2).sum())


def best_grid_cosine(o: np.ndarray, bits: int) -> float:
    """Extended RaBitQ's optimum (Gao et al. 2025, eq. 6), by trying every rescaling at which a level changes."""
    a = np.abs(o.astype(np.float64))
    top = 2 ** (bits - 1) - 1
    times = {0.0} | {level / value for value in a[a > 0] for level in range(1, top + 1)}
    best = 0.0
    for t in times:
        u = np.minimum(np.floor(t * a * (1 + 1e-12)), top) + 0.5
        best = max(best, float(u @ a / np.linalg.norm(u) / np.linalg.norm(a)))
    return best


def best_grid_cosine_of_all(o: np.ndarray, bits: int) -> float:
    """The same over every vector of the grid, for a few coordinates."""
    levels = np.arange(2**bits) - (2**bits - 1) / 2
    return max(
        float(np.dot(u, o) / np.linalg.norm(u) / np.linalg.norm(o)) for u in itertools.product(levels, repeat=len(o))
    )


def rabitq_product(q: np.ndarray, z: np.ndarray, axis: np.ndarray, u: np.ndarray) -> float:
    """The unbiased estimate of ⟨q, z⟩ (Gao & Long 2024, eq. 2 and theorem 3.2) from the code vector u of z − c.

    ⟨q, z⟩ = ⟨q, c⟩ + ⟨q, o⟩ with o = z − c; the centre c is z's own projection on the axis, so that q may be replaced
    by its part q' orthogonal to the axis, and ⟨ō, q'⟩ is estimated by ⟨ū, q'⟩ / ⟨ū, ō⟩.
    """
    centre = (z @ axis) * axis
    o = z - centre
    norm = np.linalg.norm(o)
    direction, code = o / norm, u / np.linalg.norm(u)
    return float(q @ centre + norm * (code @ (q - (q @ axis) * axis)) / (code @ direction))


def rabitq_direction(code: np.ndarray, width: int, bits: int) -> np.ndarray:
    """u of one row, bit by bit: sign bits to a byte boundary, then bits − 1 bits per coordinate, lowest first."""
    stream = [int(byte) >> place & 1 for byte in code for place in range(8)]
    more = stream[(width + 7) // 8 * 8 :]
    u = np.empty(width)
    for j in range(width):
        magnitude = sum(more[j * (bits - 1) + b] << b for b in range(bits - 1))
        u[j] = (magnitude + 0.5) * (1 if stream[j] else -1)
    return u
