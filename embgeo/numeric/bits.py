"""Levels of a few bits packed into bytes, and the loops that read them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from embgeo.numeric.compiled import compiled


def packed_bytes(width: int, bits: int) -> int:
    """Bytes of `width` levels of `bits` bits each."""
    return (width * bits + 7) // 8


def pack_nibbles(levels: np.ndarray) -> np.ndarray:
    """(n, r) levels below 16 → (n, ⌈r/2⌉) bytes; an odd last dimension is padded with 0."""
    if levels.shape[1] % 2:
        levels = np.pad(levels, ((0, 0), (0, 1)))
    packed: np.ndarray = levels[:, 0::2] | (levels[:, 1::2] << 4)
    return packed


def unpack_nibbles(codes: np.ndarray, width: int) -> np.ndarray:
    """The inverse of `pack_nibbles`."""
    levels = np.empty((len(codes), 2 * codes.shape[1]), np.uint8)
    levels[:, 0::2] = codes & 15
    levels[:, 1::2] = codes >> 4
    return levels[:, :width]


def pack_bits(levels: np.ndarray, bits: np.ndarray, code_bytes: int) -> np.ndarray:
    """(n, r) uint8 levels, coordinate j in bits[j] bits → (n, code_bytes) uint8, lowest bit first."""
    codes = np.zeros((len(levels), code_bytes), np.uint8)
    _pack_kernel()(levels, np.ascontiguousarray(bits, np.uint8), codes)
    return codes


def unpack_bits(codes: np.ndarray, bits: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """The inverse of `pack_bits`, each level looked up in tables[j] (r, 256): (n, r) of their type."""
    out = np.empty((len(codes), len(bits)), tables.dtype)
    _unpack_kernel()(np.ascontiguousarray(codes), np.ascontiguousarray(bits, np.uint8), tables, out)
    return out


def unpack_levels(codes: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The inverse of `pack_bits`: (n, r) uint8 levels."""
    return unpack_bits(codes, bits, np.broadcast_to(np.arange(256, dtype=np.uint8), (len(bits), 256)))


@cache
def _pack_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(levels, bits, codes):  # type: ignore[no-untyped-def]
        for i in numba.prange(levels.shape[0]):
            at = 0
            for j in range(levels.shape[1]):
                for b in range(bits[j]):
                    codes[i, at >> 3] |= ((levels[i, j] >> b) & 1) << (at & 7)
                    at += 1

    return kernel


@cache
def _unpack_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(codes, bits, tables, out):  # type: ignore[no-untyped-def]
        last = codes.shape[1] - 1
        for i in numba.prange(codes.shape[0]):
            at = 0
            for j in range(out.shape[1]):
                byte = at >> 3
                window = np.uint32(0)
                if bits[j] > 0:
                    window = np.uint32(codes[i, byte])
                    if byte < last:
                        window |= np.uint32(codes[i, byte + 1]) << np.uint32(8)
                level = (window >> np.uint32(at & 7)) & np.uint32((1 << bits[j]) - 1)
                out[i, j] = tables[j, level]
                at += bits[j]

    return kernel
