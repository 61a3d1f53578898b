"""RaBitQ (`rabitq1` … `rabitq9`): bits for the direction from the mean, and a factor that makes scores unbiased."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.cost import CENTROID, Cost
from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.summed_code import LEVELS, Asked, SummedCode
from embgeo.compression.codecs.training import Training
from embgeo.numeric.bits import pack_bits, unpack_bits, unpack_levels
from embgeo.numeric.compiled import compiled

FACTOR_BYTES = 8
EVENTS = 4096  # rescalings tried per row; if a row has more, those around the best of a grid
EVENT = 100e-9  # CPU seconds for one rescaling tried for a row
GRID = 128
direct: Any = None


@dataclass(frozen=True)
class FittedRaBitQ(FittedQuantizer):
    """z = along · axis + factor · (u − ⟨u, axis⟩ axis), where u_j is ±½, ±1½ … ±(2^bits − 1)/2.

    `along` = ⟨z, axis⟩ is kept exactly; with the residual o = z − along · axis, u is the grid vector of largest cosine
    with o and factor = ‖o‖² / ⟨u, o⟩. So ⟨q, z⟩ is estimated by along · ⟨q, axis⟩ + ‖o‖ · ⟨q′, ū⟩ / ⟨ō, ū⟩, q′ being q
    without its part along the axis and bars meaning unit length. `preserve` keeps the length of o instead: for squared
    distances it counts as much as the product. A row is its sign bits, then bits − 1 bits of magnitude a coordinate,
    lowest first, then factor and along as float32.

    Attributes
    ----------
    axis : (r,) float32, the direction of the documents' mean, zero if they have none.
    """

    kind: ClassVar[str] = "FittedRaBitQ"
    bits: int
    preserve: bool
    axis: np.ndarray

    @property
    def sign_bytes(self) -> int:
        return (len(self.axis) + 7) // 8

    @property
    def code_bytes(self) -> int:
        return rabitq_bytes(len(self.axis), self.bits)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        along = products(Z, self.axis)
        residuals = (Z - along[:, None] * self.axis).astype(np.float32)
        magnitudes = np.zeros(Z.shape, np.uint8)
        factors = np.empty(len(Z), np.float32)
        _direction_kernel()(residuals, self.axis, self.bits, self.preserve, magnitudes, factors)
        each = np.full(Z.shape[1], self.bits - 1, np.uint8)
        signs = np.packbits(residuals > 0, axis=1, bitorder="little")
        extra = pack_bits(magnitudes, each, self.code_bytes - self.sign_bytes - FACTOR_BYTES)
        numbers = np.stack([factors, along], axis=1).astype("<f4").view(np.uint8)
        return np.concatenate([signs, extra, numbers], axis=1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        width = len(self.axis)
        numbers = np.ascontiguousarray(codes[:, -FACTOR_BYTES:]).view("<f4").astype(np.float32)
        factors, along = numbers[:, :1], numbers[:, 1:]
        signs = np.unpackbits(codes[:, : self.sign_bytes], axis=1, count=width, bitorder="little")
        u = signs.astype(np.float32) - np.float32(0.5)
        if self.bits > 1:
            values = np.tile(np.arange(256, dtype=np.float32) * 2 + 1, (width, 1))
            each = np.full(width, self.bits - 1, np.uint8)
            u *= unpack_bits(codes[:, self.sign_bytes : -FACTOR_BYTES], each, values)
        decoded: np.ndarray = u * factors + (along - factors * products(u, self.axis)[:, None]) * self.axis
        return decoded

    def summed_code(self) -> SummedCode | None:
        """⟨q, decoded⟩ = factor · ⟨u, q − ⟨q, axis⟩ axis⟩ + along · ⟨q, axis⟩, with the levels of u ascending."""
        if self.bits > 8:
            return None
        width, half = len(self.axis), 1 << (self.bits - 1)
        tables = np.zeros((width, LEVELS), np.float32)
        tables[:, : 2 * half] = np.arange(2 * half, dtype=np.float32) - half + np.float32(0.5)

        def levels(codes: np.ndarray) -> np.ndarray:
            signs = np.unpackbits(codes[:, : self.sign_bytes], axis=1, count=width, bitorder="little")
            each = np.full(width, self.bits - 1, np.uint8)
            magnitudes = unpack_levels(codes[:, self.sign_bytes : -FACTOR_BYTES], each)
            return np.where(signs, magnitudes + np.uint8(half), np.uint8(half - 1) - magnitudes)

        def numbers(codes: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(codes[:, -FACTOR_BYTES:]).view("<f4").astype(np.float32)

        def queries(Z: np.ndarray) -> Asked:
            along = products(Z, self.axis)
            return Z - along[:, None] * self.axis, along, np.zeros_like(along)

        return SummedCode(np.full(width, self.bits, np.uint8), tables, levels, numbers, queries)


def products(Z: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """⟨z, axis⟩ of each row, (n,) float32 summed in float64, independent of the other rows."""
    out = np.empty(len(Z), np.float32)
    _product_kernel()(np.ascontiguousarray(Z, np.float32), axis, out)
    return out


def rabitq_bytes(width: int, bits: int) -> int:
    """Bytes of signs, further bits and two factors."""
    return (width + 7) // 8 + (width * (bits - 1) + 7) // 8 + FACTOR_BYTES


@quantizer(
    r"rabitq([1-9])",
    example="rabitq4",
    summary="RaBitQ: a residual's direction in that many bits per coordinate, and two factors; write rot before it",
    fitted=FittedRaBitQ,
)
@dataclass(frozen=True)
class RaBitQ(Quantizer):
    """1 to 9 bits per coordinate of a residual's direction, the scale chosen for each row, scores unbiased.

    The estimate is unbiased and its error O(1/√r) over random rotations: write `rot,rabitq1`. Bytes as in FAISS at one
    bit: 8 of factors, 56 for r = 384. What is subtracted from a row is its own projection on the mean rather than the
    mean: this lengthens no residual, and no product has an error along the mean, which all queries share (SciFact ×
    MiniLM, 1 bit: recall@10 of exact .72 against .705). Not to be confused with FAISS's query side, which may round
    the query: here it stays float. State: 4·r bytes.
    Source: Gao & Long 2024, "RaBitQ", §3; Gao et al. 2025 (extended to more bits), §3.
    """

    spelling: ClassVar[str] = "rabitq{bits}"
    bits: int

    def code_bytes(self, width: int) -> int:
        return rabitq_bytes(width, self.bits)

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        events = width * (2 ** (self.bits - 1) - 1)
        if events <= EVENTS:
            return Cost(0.0, documents * events * EVENT)
        return Cost(0.0, documents * (EVENTS * EVENT + GRID * width * CENTROID))

    def fit(self, Z: np.ndarray, training: Training) -> FittedRaBitQ:
        mean = training.mean if Z is training.X else Z.mean(axis=0, dtype=np.float64)
        size = float(np.linalg.norm(mean))
        # a mean of rounding errors has no direction
        present = size > 1e-6 * np.sqrt(np.einsum("ij,ij->", Z, Z, dtype=np.float64) / len(Z))
        axis = mean / size if present else np.zeros_like(mean)
        return FittedRaBitQ(self.bits, training.similarity == "euclidean", axis.astype(np.float32))


@cache
def _product_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(Z, axis, out):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(Z)):
            total = 0.0
            for j in range(Z.shape[1]):
                total += np.float64(Z[i, j]) * np.float64(axis[j])
            out[i] = total

    return kernel


@cache
def _direction_kernel() -> Any:
    import numba

    globals().update(direct=_row_kernel())

    @compiled(parallel=True)
    def kernel(residuals, axis, bits, preserve, magnitudes, factors):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(residuals)):
            factors[i] = direct(residuals[i], axis, bits, preserve, magnitudes[i])

    return kernel


@cache
def _row_kernel() -> Any:
    """Compiled: the magnitudes of a residual and its factor; apart, since loops in parallel take long to compile."""
    largest_float = float(np.finfo(np.float32).max)

    @compiled()
    def kernel(residual, axis, bits, preserve, magnitudes):  # type: ignore[no-untyped-def]
        width = len(residual)
        top = 2 ** (bits - 1) - 1
        reach = max(1, GRID * EVENTS // (2 * max(1, width * top)))
        a, peak = np.empty(width), 0.0
        for j in range(width):
            a[j] = abs(np.float64(residual[j]))
            peak = max(peak, a[j])
        if peak == 0:
            return np.float32(0)
        squared = (a * a).sum()
        # at scale t the levels are min(⌊t·a⌋, top); one of them steps up at every t = level / a
        begin, end = 0.0, np.inf
        if width * top > EVENTS:
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
            begin, end = first * ratio ** (at - reach), first * ratio ** (at + reach)
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
            magnitudes[j] = np.uint8(u[j])
        dot, square, across = 0.0, 0.0, 0.0
        for j in range(width):
            dot += a[j] * u[j]
            square += u[j] * u[j]
            across += (u[j] if residual[j] > 0 else -u[j]) * axis[j]
        # decoding removes the component of u along the axis
        factor = np.sqrt(squared / max(square - across * across, 1e-12 * square)) if preserve else squared / dot
        return np.float32(min(factor, largest_float))

    return kernel
