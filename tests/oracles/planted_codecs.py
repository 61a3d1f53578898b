"""Codecs that are wrong on purpose, each in one way that has been shipped somewhere; the laws must reject every one.

All but the last two quantize Z (n, r) float32 with bytes; `fit(Z)` replaces `Quantizer.fit`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer


@dataclass(frozen=True)
class Honest(FittedQuantizer):
    """An int8 of the obvious kind: the planted ones below differ from it in one thing each."""

    kind: ClassVar[str] = "Honest"
    low: np.ndarray
    step: np.ndarray

    @classmethod
    def fit(cls, Z: np.ndarray) -> Honest:
        low = Z.min(axis=0)
        return cls(low, ((Z.max(axis=0) - low) / np.float32(255)).astype(np.float32))

    @property
    def code_bytes(self) -> int:
        return len(self.low)

    def levels(self, Z: np.ndarray) -> np.ndarray:
        return np.rint((Z - self.low) / np.where(self.step > 0, self.step, 1))

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return np.clip(self.levels(Z), 0, 255).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.low + self.step * codes.astype(np.float32)


class Zeros(Honest):
    """dtype, shape and range are right; nothing is stored."""

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return np.zeros(codes.shape, np.float32)


class ShuffledRows(Honest):
    """Every row decodes to some other row."""

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return super().encode(Z)[::-1].copy()


class PerCallRanges(Honest):
    """Ranges from whatever is passed in: a chunk, or the queries."""

    def levels(self, Z: np.ndarray) -> np.ndarray:
        low, high = Z.min(axis=0), Z.max(axis=0)
        return np.rint((Z - low) / np.where(high > low, high - low, 1) * 255)


class Wrapping(Honest):
    """A value just outside the range comes back at the other end."""

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return self.levels(Z).astype(np.int64).astype(np.uint8)


class FlatBits(Honest):
    """`np.packbits` without `axis=1`: the bits of one row run on into the next."""

    @property
    def code_bytes(self) -> int:
        return (len(self.low) + 7) // 8

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return np.resize(np.packbits(Z > 0, bitorder="little"), (len(Z), self.code_bytes))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(codes, axis=1, count=len(self.low), bitorder="little")
        return bits.astype(np.float32) * 2 - 1


class WritesIntoInput(Honest):
    """Subtracts the lower end in place: the caller's documents are ruined."""

    def levels(self, Z: np.ndarray) -> np.ndarray:
        Z -= self.low
        return np.rint(Z / np.where(self.step > 0, self.step, 1))


class LiesAboutBytes(Honest):
    """Claims four bits per coordinate and writes eight."""

    @property
    def code_bytes(self) -> int:
        return (len(self.low) + 1) // 2


class CoarserThanItSays(Honest):
    """Eight bits on disk that hold one: more bits are no better."""

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return (super().encode(Z) // 128) * 128


_calls = itertools.count()


@dataclass(frozen=True)
class Unseeded(Honest):
    """Dithers with an unseeded generator."""

    def encode(self, Z: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(next(_calls)).uniform(-1, 1, Z.shape)
        return np.clip(np.rint(self.levels(Z) + noise), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class HiddenState(Honest):
    """Keeps a table that neither the byte account nor the store knows of."""

    table: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(cls, Z: np.ndarray) -> HiddenState:
        plain = Honest.fit(Z)
        return cls(np.zeros_like(plain.low), np.ones_like(plain.step), {"low": plain.low, "step": plain.step})

    def levels(self, Z: np.ndarray) -> np.ndarray:
        return np.rint((Z - self.table["low"]) / np.where(self.table["step"] > 0, self.table["step"], 1))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.table["low"] + self.table["step"] * codes.astype(np.float32)


@dataclass(frozen=True)
class StoresItsRotation(Honest):
    """Rotates the rows by a random matrix, and stores d² numbers that follow from a seed."""

    rotation: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))

    @classmethod
    def fit(cls, Z: np.ndarray) -> StoresItsRotation:
        d = Z.shape[1]
        rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype(np.float32)
        plain = Honest.fit(Z @ rotation)
        return cls(plain.low, plain.step, rotation)

    def levels(self, Z: np.ndarray) -> np.ndarray:
        return super().levels(Z @ self.rotation)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return super().decode(codes) @ self.rotation.T


@dataclass(frozen=True)
class Memorising(FittedQuantizer):
    """A codebook as large as the corpus: the code of a document is its row among those fitted on (trap 18).

    In sample it is exact; a document it never saw becomes the nearest one that it did.
    """

    kind: ClassVar[str] = "Memorising"
    rows: np.ndarray

    @classmethod
    def fit(cls, Z: np.ndarray) -> Memorising:
        return cls(np.ascontiguousarray(Z))

    @property
    def code_bytes(self) -> int:
        return 2

    def encode(self, Z: np.ndarray) -> np.ndarray:
        gaps = (Z**2).sum(axis=1)[:, None] - 2 * Z @ self.rows.T + (self.rows**2).sum(axis=1)
        return np.ascontiguousarray(gaps.argmin(axis=1).astype("<u2")).view(np.uint8).reshape(len(Z), 2)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.rows[np.ascontiguousarray(codes).view("<u2")[:, 0]]
