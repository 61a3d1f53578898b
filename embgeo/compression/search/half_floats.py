"""8-bit floats as halves of 16 bits, which processors widen to float32 many at a time, faster than a table is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

WRITTEN = 248  # bytes of e5m2 that mean a finite number; 254 of e4m3


@dataclass(frozen=True)
class HalfFloats:
    """Decoded value = factor · half(int8(byte) · move & mask); a smallest e4m3 is a smallest half.

    Attributes
    ----------
    move, mask : uint16; `move` is a power of two, which shifts the bits to their places.
    factor : float32.
    """

    move: np.uint16
    mask: np.uint16
    factor: np.float32

    @classmethod
    def of(cls, values: np.ndarray) -> HalfFloats | None:
        """From the value of each byte (256,); None if they are not those of e4m3 or e5m2 times a factor. Bytes that
        mean infinity or no number have the value 0 and are not in any code."""
        signed = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.uint16)
        top = int(values.argmax())
        for move, mask in ((np.uint16(128), np.uint16(0xBF80)), (np.uint16(256), np.uint16(0xFF00))):
            halves = (signed * move & mask).view(np.float16).astype(np.float32)
            written = np.isfinite(halves) & ((values != 0) | (halves == 0))
            if not (halves[top] > 0 and written.sum() >= WRITTEN):
                continue
            factor = np.float32(values[top] / halves[top])
            if np.allclose(values[written], factor * halves[written], rtol=1e-6, atol=0):
                return cls(move, mask, factor)
        return None


@cache
def widened() -> Any:
    """Compiled: the float32 value of the bits of a half."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def widen(_typing, bits):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, given):  # type: ignore[no-untyped-def]
            whole, real = ir.IntType(32), ir.FloatType()
            triple, _, features = context.codegen().magic_tuple()
            # without the instruction LLVM would call a function that numba does not have
            if "+f16c" in features or triple.startswith(("aarch64", "arm64")):
                return builder.fpext(builder.bitcast(given[0], ir.HalfType()), real)
            wide = builder.zext(given[0], whole)
            size = builder.shl(builder.and_(wide, whole(0x7FFF)), whole(13))
            normal = builder.bitcast(builder.add(size, whole(112 << 23)), real)
            small = builder.fsub(builder.bitcast(builder.add(size, whole(113 << 23)), real), real(2.0**-14))
            value = builder.select(builder.icmp_unsigned("<", size, whole(1 << 23)), small, normal)
            sign = builder.shl(builder.and_(wide, whole(0x8000)), whole(16))
            return builder.bitcast(builder.or_(builder.bitcast(value, whole), sign), real)

        return types.float32(types.uint16), generate

    return widen
