"""Structured random projection (`srp192`): a random rotation that is described by sign bits alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.compression.parts import check_width, reducer
from embgeo.compression.training import Training

ROUNDS = 4


def hadamard(Z: np.ndarray) -> np.ndarray:
    """Rows times the orthonormal Hadamard matrix of their width, a power of two; n·p·log₂p additions."""
    n, p = Z.shape
    step = 1
    while step < p:
        pairs = Z.reshape(n, p // (2 * step), 2, step)
        Z = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(n, p)
        step *= 2
    result: np.ndarray = Z * np.float32(p**-0.5)
    return result


@dataclass(frozen=True)
class FittedStructured:
    """Four rounds of random signs and a Hadamard transform, then the first `dimensions` coordinates.

    The transform has the largest power of two p ≤ d as its width and is laid over the first and the last p coordinates
    by turns, so that no padding is needed and the whole is a rotation of d dimensions.

    Attributes
    ----------
    signs : (4, ⌈d/8⌉) uint8, a bit for every coordinate and round, lowest first; 1 flips.
    """

    width: int
    dimensions: int
    signs: np.ndarray

    def documents(self, X: np.ndarray) -> np.ndarray:
        p = 1 << (self.width.bit_length() - 1)
        flips = 1 - 2 * np.unpackbits(self.signs, axis=1, count=self.width, bitorder="little").astype(np.float32)
        Z = np.array(X, np.float32)
        for number, flip in enumerate(flips):
            Z *= flip
            part = slice(0, p) if number % 2 == 0 else slice(self.width - p, self.width)
            Z[:, part] = hadamard(Z[:, part])
        return np.ascontiguousarray(Z[:, : self.dimensions])

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        Z = self.documents(Q)
        if similarity != "euclidean":
            return Z, np.zeros(len(Q), np.float32)
        dropped = np.einsum("ij,ij->i", Q, Q) - np.einsum("ij,ij->i", Z, Z)
        return Z, -np.maximum(dropped, 0)


@reducer(
    r"srp(\d+)",
    example="srp192",
    summary="structured (Hadamard) random projection: state of 4 bits a dimension; at full width a rotation",
    fitted=FittedStructured,
)
@dataclass(frozen=True)
class StructuredProjection:
    """A random orthonormal projection made of signs and Hadamard transforms: d/2 bytes of state where `grp192` and
    `rot` hold a matrix. At full width (`srp384` for 384 dimensions) it stands in for `rot` before few-bit quantizers.

    It is not folded with neighbouring matrices: folding would bring back the state that it saves.
    Source: Ailon & Chazelle 2009; the overlapping transforms, instead of padding with zeros, are Kac's walk in blocks.
    """

    dimensions: int

    @property
    def name(self) -> str:
        return f"srp{self.dimensions}"

    def width(self, dimension: int) -> int:
        return check_width(self.name, self.dimensions, dimension)

    def fit(self, Z: np.ndarray, training: Training) -> FittedStructured:
        d = Z.shape[1]
        rng = np.random.default_rng([training.seed, d, 0x52B])
        signs = np.packbits(rng.integers(0, 2, (ROUNDS, d), dtype=np.uint8), axis=1, bitorder="little")
        return FittedStructured(d, self.dimensions, signs)
