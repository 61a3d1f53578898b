"""Compiled loops that score one query against codes, without decoding them into memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


def table_scores(codes: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Σ_j tables[j, codes[i, j]], (n,) float32: any code whose score is a sum over bytes.

    `codes` (n, b) uint8, `tables` (b, 256) float32. Reads each code byte once and gathers from b·1 KiB of tables.
    """
    out = np.empty(len(codes), np.float32)
    _table_kernel()(codes, np.ascontiguousarray(tables, np.float32), out)
    return out


def e4m3_scores(codes: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Σ_j query[j] · e4m3(codes[i, j]), (n,) float32; the byte becomes a float32 by a shift and a minimum, no table."""
    out = np.empty(len(codes), np.float32)
    _e4m3_kernel()(codes, np.ascontiguousarray(query, np.float32), out)
    return out


@cache
def _table_kernel() -> Any:
    import numba

    @numba.njit(cache=True, parallel=True, nogil=True, fastmath=True)
    def kernel(codes, tables, out):  # type: ignore[no-untyped-def]
        for i in numba.prange(codes.shape[0]):
            total = np.float32(0)
            for j in range(codes.shape[1]):
                total += tables[j, codes[i, j]]
            out[i] = total

    return kernel


@cache
def _e4m3_kernel() -> Any:
    import numba

    sign, rest, shift, bias = np.uint32(0x80), np.uint32(0x7F), np.uint32(20), np.uint32(120 << 23)

    @numba.njit(cache=True, parallel=True, nogil=True, fastmath=True)
    def kernel(codes, query, out):  # type: ignore[no-untyped-def]
        n, d = codes.shape
        rows = 64
        query_bits = query.view(np.uint32)
        for block in numba.prange((n + rows - 1) // rows):
            value_bits = np.empty(d, np.uint32)
            signed_bits = np.empty(d, np.uint32)
            value = value_bits.view(np.float32)
            signed = signed_bits.view(np.float32)
            for i in range(block * rows, min((block + 1) * rows, n)):
                for j in range(d):
                    code = np.uint32(codes[i, j])
                    value_bits[j] = ((code & rest) << shift) + bias
                    signed_bits[j] = query_bits[j] ^ ((code & sign) << np.uint32(24))
                total = np.float32(0)
                for j in range(d):
                    # right for normal numbers; a subnormal m/8·2⁻⁶ arrives as (1 + m/8)·2⁻⁷ = f, and is 2f − 2⁻⁶
                    total += signed[j] * min(value[j], np.float32(2) * value[j] - np.float32(0.015625))
                out[i] = total

    return kernel


def pack_bits(levels: np.ndarray, bits: np.ndarray, code_bytes: int) -> np.ndarray:
    """(n, r) uint8 levels, coordinate j in bits[j] bits → (n, code_bytes) uint8, lowest bit first."""
    codes = np.zeros((len(levels), code_bytes), np.uint8)
    _pack_kernel()(levels, np.ascontiguousarray(bits, np.uint8), codes)
    return codes


def unpack_bits(codes: np.ndarray, bits: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """The inverse of `pack_bits`, each level looked up in tables[j] (r, 256): (n, r) float32."""
    out = np.empty((len(codes), len(bits)), np.float32)
    _unpack_kernel()(np.ascontiguousarray(codes), np.ascontiguousarray(bits, np.uint8), tables, out)
    return out


@cache
def _pack_kernel() -> Any:
    import numba

    @numba.njit(cache=True, parallel=True, nogil=True)
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

    @numba.njit(cache=True, parallel=True, nogil=True)
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


def bit_scores(codes: np.ndarray, bits: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Σ_j tables[j, level(i, j)], (n,) float32, levels read straight from codes packed by `pack_bits`.

    `tables` (r, 256) float32 holds query · value; reads each code byte once.
    """
    out = np.empty(len(codes), np.float32)
    _bit_kernel()(codes, np.ascontiguousarray(bits, np.uint8), np.ascontiguousarray(tables, np.float32), out)
    return out


@cache
def _bit_kernel() -> Any:
    import numba

    @numba.njit(cache=True, parallel=True, nogil=True)
    def kernel(codes, bits, tables, out):  # type: ignore[no-untyped-def]
        last = codes.shape[1] - 1
        for i in numba.prange(codes.shape[0]):
            at = 0
            total = np.float32(0)
            for j in range(bits.shape[0]):
                byte = at >> 3
                window = np.uint32(0)
                if bits[j] > 0:
                    window = np.uint32(codes[i, byte])
                    if byte < last:
                        window |= np.uint32(codes[i, byte + 1]) << np.uint32(8)
                total += tables[j, (window >> np.uint32(at & 7)) & np.uint32((1 << bits[j]) - 1)]
                at += bits[j]
            out[i] = total

    return kernel
