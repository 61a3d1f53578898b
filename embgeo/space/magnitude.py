"""Magnitude of a metric space: the effective number of points at every scale, by conjugate gradients.

At scale t the weights w solve Z w = 1 with Z = exp(−t D); the magnitude is M(t) = Σ w. It grows from 1 (all points
look like one, t → 0) to n (all stand apart). Euclidean Z is positive definite for distinct points, so conjugate
gradients apply; neighbouring scales have similar weights, so each scale starts from the combination of the last ones
that leaves the least residual. That takes one pass over Z, while its blocks are in cache anyway, and often suffices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from embgeo.errors import Undefined
from embgeo.space.blocks import in_threads, row_blocks
from embgeo.space.space import Space
from embgeo.threads import one_blas_thread

SCALES = 30
CONVERGED = 0.95  # share of n that the magnitude reaches at the largest scale
TOLERANCE = 1e-4  # relative residual ‖1 − Zw‖ / ‖1‖; the magnitude's own error is of the order of its square
ROUNDS = 3  # restarts from the true residual
ITERATIONS = 300
Part = tuple[slice, np.ndarray, np.ndarray]
COMBINED = 8  # last solutions that a scale starts from: 5 need a third more iterations, 30 as many


@dataclass(frozen=True)
class MagnitudeFunction:
    """Magnitude over equally spaced scales from 0 to the convergence scale.

    Attributes
    ----------
    scales : (s,) float64; scales[0] = 0, scales[-1] is the convergence scale.
    values : (s,) float64 magnitudes; values[0] = 1 (the one-point property).
    weights : (s, n) float32; row 0 is 1/n. Large weights mark the boundary of the cloud, weights near 0 its inside.
    residuals : (s,) float64 relative residuals ‖1 − Zw‖ / √n, recomputed after the iteration; at scales[1], where the
        system is hardest, once more with products and sums in float64.
    iterations : conjugate-gradient steps over all scales.
    direct : scales that needed a float64 Cholesky instead.
    """

    scales: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray
    iterations: int
    direct: int

    @property
    def profile(self) -> tuple[np.ndarray, np.ndarray]:
        """(s − 2,) slopes of log M over log t between neighbouring positive scales, and the geometric midpoints."""
        x, y = np.log(self.scales[1:]), np.log(self.values[1:])
        return np.diff(y) / np.diff(x), np.exp((x[1:] + x[:-1]) / 2)


class Similarity(Protocol):
    """exp(−t D) on some device: `set_scale`, then products with it."""

    n: int

    def set_scale(self, t: float, basis: np.ndarray) -> np.ndarray:
        """Z @ basis, (n, k) float32, at the new scale."""
        ...

    def product(self, v: np.ndarray) -> np.ndarray:
        """Z @ v, (n,) float32."""
        ...

    def residual(self, w: np.ndarray) -> np.ndarray:
        """1 − Z @ w, (n,) float64, sums in float64."""
        ...

    def distances(self) -> np.ndarray:
        """D on the host."""
        ...


class HostSimilarity:
    """NumPy and BLAS. Only the upper triangle of Z is ever computed: half the exponentials, half the memory traffic."""

    def __init__(self, D: np.ndarray) -> None:
        self.n = len(D)
        self._D = D
        self._Z = np.zeros_like(D)
        self._blocks = row_blocks(self.n, self.n)

    def set_scale(self, t: float, basis: np.ndarray) -> np.ndarray:
        factor = np.float32(-t)

        def fill(block: slice) -> Part:
            Z = self._Z[block, block.start :]
            np.multiply(self._D[block, block.start :], factor, out=Z)
            np.exp(Z, out=Z)
            return _multiply(Z, block, basis)

        return _total(in_threads(fill, self._blocks), basis)

    def product(self, v: np.ndarray) -> np.ndarray:
        def multiply(block: slice) -> Part:
            return _multiply(self._Z[block, block.start :].astype(v.dtype, copy=False), block, v)

        return _total(in_threads(multiply, self._blocks), v)

    def residual(self, w: np.ndarray) -> np.ndarray:
        return 1 - self.product(w.astype(np.float64))

    def distances(self) -> np.ndarray:
        return self._D


def _multiply(Z: np.ndarray, block: slice, v: np.ndarray) -> Part:
    """What a block of rows, from its diagonal on, adds to its own products and to those of later rows by symmetry."""
    return block, Z @ v[block.start :], Z[:, len(Z) :].T @ v[block]


def _total(parts: list[Part], v: np.ndarray) -> np.ndarray:
    total = np.zeros_like(v)
    for block, across, down in parts:
        total[block] += across
        total[block.stop :] += down
    return total


class TorchSimilarity:
    """The same on a torch device; `D` is the (n, n) float32 distance tensor there."""

    def __init__(self, D: Any) -> None:
        import torch

        self.n = len(D)
        self._torch = torch
        self._D = D
        self._Z = torch.empty_like(D)

    def set_scale(self, t: float, basis: np.ndarray) -> np.ndarray:
        self._torch.mul(self._D, -t, out=self._Z)
        self._Z.exp_()
        return self.product(basis)

    def product(self, v: np.ndarray) -> np.ndarray:
        return (self._Z @ self._torch.from_numpy(v).to(self._D.device)).cpu().numpy()

    def residual(self, w: np.ndarray) -> np.ndarray:
        wide = self._torch.from_numpy(w).to(self._D.device).double()
        parts = [1 - self._Z[start : start + 1024].double() @ wide for start in range(0, self.n, 1024)]
        return self._torch.cat(parts).cpu().numpy()

    def distances(self) -> np.ndarray:
        return self._D.cpu().numpy()


class _Solver:
    """Solves Z w = 1 at one scale after the other, and remembers the last solutions."""

    def __init__(self, similarity: Similarity) -> None:
        self.similarity = similarity
        self.iterations = 0
        self.direct = 0
        self._known = [np.ones(similarity.n, np.float32)]

    def solve(self, t: float) -> tuple[np.ndarray, float, float]:
        """(weights, magnitude, relative residual) at scale t; raises `Undefined` when the system is singular."""
        found = self._iterate(t) or self._solve_directly(t)
        self._known = [*self._known[-COMBINED + 1 :], found[0]]
        return found

    def _iterate(self, t: float) -> tuple[np.ndarray, float, float] | None:
        goal = TOLERANCE * np.sqrt(self.similarity.n)
        w, r = self._combine(t)
        for rounds in range(ROUNDS + 1):
            size = float(np.linalg.norm(r.astype(np.float64)))
            if size <= goal:
                # Σw + rᵀw: its error is rᵀZ⁻¹r, of second order in the residual
                value = float(w.sum(dtype=np.float64) + r.astype(np.float64) @ w)
                return w, value, size / np.sqrt(self.similarity.n)
            if rounds < ROUNDS:
                self._descend(w, r, goal / 2)
                r = 1 - self.similarity.product(w)  # recomputed, because the float32 recurrence drifts
        return None

    def _combine(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The combination of the last solutions with the least residual at scale t, and that residual."""
        basis = np.linalg.qr(np.stack(self._known, axis=1).astype(np.float64))[0].astype(np.float32)
        products = self.similarity.set_scale(t, basis).astype(np.float64)
        factors = np.linalg.lstsq(products, np.ones(len(basis)))[0]
        return (basis @ factors).astype(np.float32), (1 - products @ factors).astype(np.float32)

    def _solve_directly(self, t: float) -> tuple[np.ndarray, float, float]:
        """A float64 Cholesky, for the ill-conditioned systems of nearly one-dimensional data."""
        from scipy.linalg import LinAlgError, solve

        Z = np.exp(-t * self.similarity.distances().astype(np.float64))
        try:
            w = solve(Z, np.ones(len(Z)), assume_a="pos", check_finite=False)
        except LinAlgError:
            raise Undefined(f"the similarity matrix at scale {t:.4g} is singular: too many near duplicates") from None
        self.direct += 1
        residual = float(np.linalg.norm(1 - Z @ w)) / np.sqrt(len(Z))
        if residual > TOLERANCE:
            raise Undefined(f"the magnitude weights at scale {t:.4g} have a relative residual of {residual:.1e}")
        return w.astype(np.float32), float(w.sum()), residual

    def _descend(self, w: np.ndarray, r: np.ndarray, goal: float) -> None:
        """Conjugate gradients in float32, updating `w` and its residual `r` in place; inner products in float64."""
        p = r.copy()
        square = float(np.dot(r, r.astype(np.float64)))
        for _ in range(ITERATIONS):
            if square <= goal**2:
                return
            q = self.similarity.product(p)
            step = np.float32(square / float(np.dot(p, q.astype(np.float64))))
            w += step * p
            r -= step * q
            previous, square = square, float(np.dot(r, r.astype(np.float64)))
            p *= np.float32(square / previous)
            p += r
            self.iterations += 1


def magnitude_function(similarity: Similarity, nearest: float, scales: int = SCALES) -> MagnitudeFunction:
    """Magnitude at `scales` equally spaced scales from 0 to where it reaches 95 % of n.

    `nearest` is a typical nearest-neighbour distance, only used for the first guess of that scale. Cost: an exponential
    an entry and about 2 products with half of an (n, n) float32 matrix a scale (n = 5,000: 1.2 s on one core).
    """
    solver = _Solver(similarity)
    top, weights, value, residual = _convergence_scale(solver, nearest)
    ts = np.linspace(0, top, scales)
    values, residuals = np.ones(scales), np.zeros(scales)
    W = np.full((scales, similarity.n), 1 / similarity.n, np.float32)
    W[-1], values[-1], residuals[-1] = weights, value, residual
    for s in range(scales - 2, 0, -1):
        W[s], values[s], residuals[s] = solver.solve(ts[s])
    residuals[1] = np.linalg.norm(similarity.residual(W[1])) / np.sqrt(similarity.n)
    if residuals[1] > 2 * TOLERANCE:
        raise Undefined(f"the magnitude weights at scale {ts[1]:.4g} have a relative residual of {residuals[1]:.1e}")
    return MagnitudeFunction(ts, values, W, residuals, solver.iterations, solver.direct)


def _convergence_scale(solver: _Solver, nearest: float) -> tuple[float, np.ndarray, float, float]:
    """The scale at which M = 0.95 n, and its solution: secant steps on log(1 − M/n), which is nearly linear in t."""
    n = solver.similarity.n
    t = 7 / nearest
    low, high = 0.0, np.inf
    before: tuple[float, float] | None = None
    while True:
        w, value, residual = solver.solve(t)
        gap = float(np.log(max(1 - value / n, 1e-12) / (1 - CONVERGED)))  # positive: t is too small
        low, high = (t, high) if gap > 0 else (low, t)
        if abs(gap) < 1e-6 or high - low < 1e-7 * t:
            return t, w, value, residual
        slope = -nearest if before is None else (gap - before[1]) / (t - before[0])
        following = t - gap / slope if slope < 0 else np.nan
        if not low < following < min(high, 100 * t):  # the step left the bracket: bisect, or go further up
            following = (low + high) / 2 if np.isfinite(high) else 4 * t
        before, t = (t, gap), following


def magnitude_of(space: Space) -> MagnitudeFunction:
    """The magnitude function of the distinct rows of a space under Euclidean distance, computed once and shared."""
    D = space.distinct_distances("euclidean")

    def compute() -> MagnitudeFunction:
        on_host = space.device == "cpu"
        similarity = HostSimilarity(D) if on_host else TorchSimilarity(space.distinct.distance_handle("euclidean"))
        with one_blas_thread():  # the blocks of rows are shared by threads
            return magnitude_function(similarity, _typical_gap(D))

    return space.shared("magnitude", compute)


def _typical_gap(D: np.ndarray) -> float:
    """Median distance to the nearest other point over at most 256 rows spread over the matrix."""
    rows = np.unique(np.linspace(0, len(D) - 1, 256).astype(int))
    others = D[rows].copy()
    others[np.arange(len(rows)), rows] = np.inf
    gap = float(np.median(others.min(axis=1)))
    if gap <= 0 or not np.isfinite(gap):
        raise Undefined(
            "magnitude needs distinct documents at distances above 0; half of them have another one at distance 0"
        )
    return gap
