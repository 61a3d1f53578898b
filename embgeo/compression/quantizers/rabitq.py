"""RaBitQ (`rabitq1` … `rabitq9`): bits that keep the direction from the mean, and a factor that unbiases scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.kernels import pack_bits, unpack_bits
from embgeo.compression.parts import Reducer, quantizer
from embgeo.compression.training import Training

FACTOR_BYTES = 4
EXACT_BITS = 4  # up to here every rescaling is tried; above, those around the best of a grid
GRID = 128


@dataclass(frozen=True)
class FittedRaBitQ:
    """z = centre + factor · u, where u_j is ±½, ±1½ … ±(2^bits − 1)/2.

    With the residual o = z − centre, u is the grid vector of largest cosine with o, and factor = ‖o‖² / ⟨u, o⟩, so that
    ⟨q, z⟩ is estimated by ⟨q, centre⟩ + ‖o‖ · ⟨q, ū⟩ / ⟨ō, ū⟩ (bars: unit length). `preserve` keeps lengths instead,
    factor = ‖o‖ / ‖u‖: for squared distances the estimate of the length counts as much as that of the product.
    A row is its sign bits, then bits − 1 bits of magnitude a coordinate, lowest first, then the factor as float32.

    Attributes
    ----------
    centre : (r,) float32, the mean of the documents.
    """

    bits: int
    preserve: bool
    centre: np.ndarray

    @property
    def sign_bytes(self) -> int:
        return (len(self.centre) + 7) // 8

    @property
    def code_bytes(self) -> int:
        return rabitq_bytes(len(self.centre), self.bits)

    @property
    def factor_bytes(self) -> int:
        """Bytes of a code that are no coordinate's."""
        return FACTOR_BYTES

    def encode(self, Z: np.ndarray) -> np.ndarray:
        residuals = np.ascontiguousarray(Z - self.centre, dtype=np.float32)
        magnitudes = np.zeros(residuals.shape, np.uint8)
        factors = np.empty((len(Z), 1), np.float32)
        _direction_kernel()(residuals, self.bits, self.preserve, magnitudes, factors[:, 0])
        each = np.full(Z.shape[1], self.bits - 1, np.uint8)
        extra = self.code_bytes - self.sign_bytes - FACTOR_BYTES
        signs = np.packbits(residuals > 0, axis=1, bitorder="little")
        return np.concatenate(
            [signs, pack_bits(magnitudes, each, extra), factors.astype("<f4").view(np.uint8)], axis=1
        )  # fmt: skip

    def decode(self, codes: np.ndarray) -> np.ndarray:
        width = len(self.centre)
        factors = np.ascontiguousarray(codes[:, -FACTOR_BYTES:]).view("<f4").astype(np.float32)
        signs = np.unpackbits(codes[:, : self.sign_bytes], axis=1, count=width, bitorder="little")
        if self.bits == 1:
            magnitudes = np.full((1, 1), 0.5, np.float32)
        else:
            values = np.tile(np.arange(256, dtype=np.float32) + np.float32(0.5), (width, 1))
            each = np.full(width, self.bits - 1, np.uint8)
            magnitudes = unpack_bits(codes[:, self.sign_bytes : -FACTOR_BYTES], each, values)
        decoded: np.ndarray = self.centre + np.where(signs, magnitudes, -magnitudes) * factors
        return decoded


def rabitq_bytes(width: int, bits: int) -> int:
    """Signs, further bits, factor."""
    return (width + 7) // 8 + (width * (bits - 1) + 7) // 8 + FACTOR_BYTES


@quantizer(
    r"rabitq([1-9])",
    example="rabitq4",
    summary="RaBitQ: the direction from the mean in that many bits a coordinate, and a factor; wants rot before it",
    fitted=FittedRaBitQ,
)
@dataclass(frozen=True)
class RaBitQ:
    """1 to 9 bits a coordinate of the direction of z − mean, the scale chosen for each row, scores unbiased.

    The estimate is unbiased and its error O(1/√r) over random rotations: write `rot,rabitq1`. FAISS stores 8 bytes of
    factors (56 at 1 bit and r = 384); for inner products the two enter as one product, so 4 suffice here (52).
    Not to be confused with FAISS's query side, which may round the query: here it stays float. State: 4·r bytes.
    Source: Gao & Long 2024, "RaBitQ", eq. 12–20; Gao et al. 2025 (extended: more bits), §3.
    """

    bits: int
    before: ClassVar[tuple[Reducer, ...]] = ()

    @property
    def name(self) -> str:
        return f"rabitq{self.bits}"

    def code_bytes(self, width: int) -> int:
        return rabitq_bytes(width, self.bits)

    def fit(self, Z: np.ndarray, training: Training) -> FittedRaBitQ:
        mean = training.mean if Z is training.X else Z.mean(axis=0, dtype=np.float64)
        return FittedRaBitQ(self.bits, training.similarity == "euclidean", mean.astype(np.float32))


@cache
def _direction_kernel() -> Any:
    import numba

    largest_float = float(np.finfo(np.float32).max)

    @numba.njit(cache=True, parallel=True, nogil=True)
    def kernel(residuals, bits, preserve, magnitudes, factors):  # type: ignore[no-untyped-def]
        n, width = residuals.shape
        top = 2 ** (bits - 1) - 1
        for i in numba.prange(n):
            a = np.abs(residuals[i].astype(np.float64))
            peak = a.max()
            factors[i] = 0
            if peak == 0:
                continue
            squared = (a * a).sum()
            # at scale t the levels are min(⌊t·a⌋, top); one of them steps up at every t = level / a
            begin, end = 0.0, np.inf
            if bits > EXACT_BITS:
                ratio = 12.0 ** (1.0 / GRID)
                first = 0.5 * (top + 1) / peak
                best, at = -1.0, 0
                for g in range(GRID + 1):
                    scale = first * ratio**g
                    dot, square = 0.0, 0.0
                    for j in range(width):
                        u = min(np.floor(scale * a[j]), top) + 0.5
                        dot += a[j] * u
                        square += u * u
                    if dot * dot > best * square:
                        best, at = dot * dot / square, g
                begin, end = first * ratio ** (at - 1), first * ratio ** (at + 1)
            u = np.empty(width)
            steps = 0
            for j in range(width):
                low = min(np.floor(begin * a[j]), top)
                high = top if a[j] > 0 and end * a[j] >= top else (np.floor(end * a[j]) if a[j] > 0 else 0.0)
                u[j] = low + 0.5
                steps += max(int(high - low), 0)
            times = np.empty(steps)
            which = np.empty(steps, np.int32)
            filled = 0
            for j in range(width):
                if a[j] > 0:
                    level = u[j] + 0.5
                    while level <= top and filled < steps and level / a[j] <= end:
                        times[filled] = level / a[j]
                        which[filled] = j
                        filled += 1
                        level += 1
            order = np.argsort(times[:filled])
            dot, square = (a * u).sum(), (u * u).sum()
            best, taken = dot * dot / square, 0
            for s in range(filled):
                j = which[order[s]]
                square += 2 * u[j] + 1
                u[j] += 1
                dot += a[j]
                if dot * dot > best * square:
                    best, taken = dot * dot / square, s + 1
            for s in range(taken, filled):
                u[which[order[s]]] -= 1
            for j in range(width):
                magnitudes[i, j] = np.uint8(u[j])
            dot, square = (a * u).sum(), (u * u).sum()
            factor = np.sqrt(squared / square) if preserve else squared / dot
            factors[i] = min(factor, largest_float)

    return kernel
