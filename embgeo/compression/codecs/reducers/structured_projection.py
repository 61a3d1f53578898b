"""Structured random projection (`srp192`): a random rotation that is described by sign bits alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training
from embgeo.numeric.compiled import compiled

ROUNDS = 6
LANES = 16  # rows turned side by side, so that every step is an addition of whole vectors


@dataclass(frozen=True)
class FittedStructured(FittedReducer):
    """Rounds of random signs and a Hadamard transform, then the first `dimensions` coordinates.

    The transform has the largest power of two p ≤ d as its width and is applied to the first and the last p coordinates
    in turn, so that no padding is needed and the whole is a rotation of d dimensions. If p is little more than d/2 the
    two hardly overlap; so before every second pair of rounds the coordinates are dealt out, even positions to the
    front, which mixes both halves. Each row is computed alone in a fixed order: no block size changes it.

    Attributes
    ----------
    signs : (6, ⌈d/8⌉) uint8, a bit for every coordinate and round, lowest first; 1 flips.
    dealt : whether coordinates are dealt out between pairs of rounds. Stores written by 0.1.0 do not say: they have
        four rounds and deal none.
    """

    kind: ClassVar[str] = "FittedStructured"
    width: int
    dimensions: int
    signs: np.ndarray
    dealt: bool = False

    @property
    def foldable(self) -> bool:
        return True

    @property
    def input_width(self) -> int:
        return self.width

    @property
    def matrix(self) -> np.ndarray:
        """(d, r) float32, what a FAISS file must hold; recomputed each time."""
        return self.documents(np.eye(self.width, dtype=np.float32))

    def documents(self, X: np.ndarray) -> np.ndarray:
        if X.shape[1] != self.width:
            raise ValueError(f"the rotation needs rows of {self.width} coordinates; got {X.shape[1]}")
        flips = 1 - 2 * np.unpackbits(self.signs, axis=1, count=self.width, bitorder="little").astype(np.float32)
        Z = np.empty((len(X), self.dimensions), np.float32)
        _rotation_kernel(1 if len(X) < LANES else LANES)(np.ascontiguousarray(X, np.float32), flips, self.dealt, Z)
        return Z

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        Z = self.documents(Q)
        if similarity != "euclidean":
            return Z, np.zeros(len(Q), np.float32)
        dropped = np.einsum("ij,ij->i", Q, Q) - np.einsum("ij,ij->i", Z, Z)
        return Z, -np.maximum(dropped, 0)


def random_signs(width: int, seed: int) -> np.ndarray:
    """(6, ⌈d/8⌉) uint8 for `FittedStructured`, equal for equal width and seed.

    The raw stream of a bit generator, which NumPy keeps the same in all versions (NEP 19), not a distribution.
    """
    each = (width + 7) // 8
    raw = np.random.PCG64([seed, width, 0x52B]).random_raw(-(-ROUNDS * each // 8))
    return raw.astype("<u8").view(np.uint8)[: ROUNDS * each].reshape(ROUNDS, each)


@reducer(
    r"srp(\d+)",
    example="srp192",
    summary="structured (Hadamard) random projection: the baseline that learned reductions must beat",
    fitted=FittedStructured,
)
@dataclass(frozen=True)
class StructuredProjection(Narrowing):
    """A random orthonormal projection made of signs and Hadamard transforms; at full width it is `rot`.

    Inner products shrink by r/d on average, which changes no ranking. The baseline that a learned reduction must beat.
    State: 3·d/4 bytes; after a learned matrix none, as both are merged into one. Cost: n·d·log d.
    Source: Johnson & Lindenstrauss 1984; Ailon & Chazelle 2009; the overlapping transforms, instead of padding with
    zeros, are Kac's walk in blocks.
    """

    spelling: ClassVar[str] = "srp{dimensions}"

    def fit(self, Z: np.ndarray, training: Training) -> FittedStructured:
        d = Z.shape[1]
        return FittedStructured(d, self.dimensions, random_signs(d, training.seed), dealt=True)


@cache
def _rotation_kernel(lanes: int) -> Any:
    """For that many rows side by side; a few queries are not worth waking threads for."""
    import numba

    @compiled(parallel=lanes > 1)
    def kernel(X, flips, dealt, out):  # type: ignore[no-untyped-def]
        n, width = X.shape
        p = 1
        while 2 * p <= width:
            p *= 2
        half = (width + 1) // 2
        scale = np.float32(p**-0.5)
        for group in numba.prange((n + lanes - 1) // lanes):
            first = group * lanes
            rows = min(lanes, n - first)
            z = np.zeros((width, lanes), np.float32)
            before = np.empty((width, lanes), np.float32)
            for i in range(rows):
                for j in range(width):
                    z[j, i] = X[first + i, j]
            for number in range(len(flips)):
                if dealt and number and number % 2 == 0:
                    z, before = before, z
                    for j in range(width):
                        for i in range(lanes):
                            z[j // 2 + half * (j % 2), i] = before[j, i]
                for j in range(width):
                    for i in range(lanes):
                        z[j, i] *= flips[number, j]
                block = z[:p] if number % 2 == 0 else z[width - p :]
                step = 1
                while step < p:
                    for start in range(0, p, 2 * step):
                        for j in range(start, start + step):
                            for i in range(lanes):
                                a, b = block[j, i], block[j + step, i]
                                block[j, i], block[j + step, i] = a + b, a - b
                    step *= 2
                for j in range(p):
                    for i in range(lanes):
                        block[j, i] *= scale
            for i in range(rows):
                for j in range(out.shape[1]):
                    out[first + i, j] = z[j, i]

    return kernel
