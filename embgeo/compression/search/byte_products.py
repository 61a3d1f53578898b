"""Compiled loops of search by products of bytes (`rounded.py`): sums of products, the rows they leave, exact scores."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from embgeo.compression.search.cells import LANES, keep, row_score, table_kernel
from embgeo.numeric.compiled import compiled

TOGETHER = 8  # queries whose sums fit into the registers of a processor
WIDTHS = (1, 2, 3, 4, 8)  # of levels in bits; of 8, levels are the bytes that they are worth
LOOKED_UP = 256  # instead of 8: each of these levels is worth the byte that a table says
CHUNK = 64  # rows of which the largest sum is compared first
NEARLY = 1.9  # twice the error, and some rounding
ROUNDED = 1e-6  # of a score, by how much float32 may be off, and within which rows may tie
score_of: Any = None
take: Any = None
fill: Any = None
multiply: Any = None


@cache
def processor_has(*features: str) -> bool:
    """Whether this processor has all of these instructions, by LLVM's names."""
    from numba.core.registry import cpu_target

    return {f"+{each}" for each in features} <= set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))


def widths() -> tuple[int, ...]:
    """What `bits` of `sum_kernel` may be on this processor."""
    return (*WIDTHS, LOOKED_UP) if processor_has("avx512vbmi") else WIDTHS


@cache
def sum_kernel() -> Any:
    """Compiled: the sums of products of bytes of every row with each query, into `sums`."""
    import numba

    globals().update(multiply=_multiplier())

    @compiled(parallel=True)
    def kernel(packed, cells, pieces, order, bits, table, weights, sums):  # type: ignore[no-untyped-def]
        blocks, words, _ = packed.shape
        groups, slots, together, _ = weights.shape
        packed_at, weights_at = np.intp(packed.ctypes.data), np.intp(weights.ctypes.data)
        table_at, sums_at, stride = np.intp(table.ctypes.data), np.intp(sums.ctypes.data), 4 * sums.shape[1]
        order_at, count = np.intp(order.ctypes.data), order.shape[1]
        parts = min(blocks, 64)
        for part in numba.prange(parts):
            found = np.zeros((1 if words > 0 else slots, LANES), np.uint32)
            for block in range(blocks * part // parts, blocks * (part + 1) // parts):
                codes, to = packed_at + 4 * LANES * words * block, sums_at + 4 * LANES * block
                for p in range(pieces.shape[1]):
                    some, mine, word = cells[block, pieces[0, p]], table[p], found[pieces[1, p]]
                    for lane in range(LANES):
                        word[lane] |= mine[some[lane]]
                if words == 0:
                    codes = np.intp(found.ctypes.data)
                for group in range(groups):
                    asked = weights_at + 4 * slots * together * group
                    here, there = order_at + 8 * count * group, to + stride * together * group
                    multiply(together, bits, codes, asked, table_at, here, count, there, stride)
                found[:] = 0  # for the next, and until here its memory must not be given back

    return kernel


def _worth(b: Any, bits: int, table: list[Any]) -> Callable[[Any, int], Any]:
    """What makes, of 64 bytes as they are read and the number of a field in them, the bytes that its levels are worth,
    which `table` holds, 64 at a time."""
    from llvmlite import ir
    from numba.core import cgutils

    kind, pairs32 = ir.VectorType(ir.IntType(8), 64), ir.VectorType(ir.IntType(16), 32)

    def call(name: str, *given: Any) -> Any:
        calls = ir.FunctionType(kind, [kind] * len(given))
        return b.call(cgutils.get_or_insert_function(b.module, calls, f"llvm.x86.avx512.{name}.512"), given)

    def worth(read: Any, field: int) -> Any:
        if bits == 8:
            return read
        if bits == LOOKED_UP:
            low, high = (call("vpermi2var.qi", first, read, second) for first, second in (table[:2], table[2:]))
            return b.select(b.icmp_signed("<", read, ir.Constant(kind, None)), high, low)
        moved = b.bitcast(b.lshr(b.bitcast(read, pairs32), ir.Constant(pairs32, [field * bits] * 32)), kind)
        return call("pshuf.b", table[0], b.and_(moved, ir.Constant(kind, [(1 << bits) - 1] * 64)))

    return worth


def _multiplier() -> Any:
    """Compiled: (together, bits, codes, weights, table, order, count, sums, stride), the addresses of arrays, how many
    words, and the stride in bytes: the sums of 32 rows over these words, for `together` queries."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    word, place = ir.IntType(32), ir.IntType(64)
    bytes64, words16 = ir.VectorType(ir.IntType(8), 64), ir.VectorType(word, 16)
    zero = ir.Constant(words16, None)

    def at(b: Any, kind: Any, address: Any, start: Any, offset: int = 0) -> Any:
        return b.inttoptr(b.add(b.add(address, start), place(offset)), kind.as_pointer())

    def body(b: Any, together: int, bits: int, arguments: Any) -> None:
        codes, weights, table, order, count, sums, stride = arguments
        products = ir.FunctionType(words16, [words16, bytes64, bytes64])
        add_products = cgutils.get_or_insert_function(b.module, products, "llvm.x86.avx512.vpdpbusd.512")
        fields = max(1, 8 // bits)
        worth = _worth(b, bits, [b.load(at(b, bytes64, table, place(0), part), align=1) for part in (0, 64, 128, 192)])
        # two sums for one query: each addition waits for the one before
        totals = [[cgutils.alloca_once_value(b, zero) for _ in range(4 // min(2, together))] for _ in range(together)]
        with cgutils.for_range(b, count) as loop:
            word_at = b.load(at(b, place, order, b.mul(loop.index, place(8))))
            start, slot = b.mul(word_at, place(4 * LANES)), b.mul(loop.index, place(4 * fields * together))
            read = [b.load(at(b, bytes64, codes, start, 64 * half), align=1) for half in (0, 1)]
            for field in range(fields):
                levels = [worth(one, field) for one in read]
                for query, total in enumerate(totals):
                    weight = b.load(at(b, word, weights, slot, 4 * (field * together + query)), align=1)
                    weight = b.insert_element(ir.Constant(words16, ir.Undefined), weight, word(0))
                    weight = b.bitcast(b.shuffle_vector(weight, weight, zero), bytes64)
                    for half, level in enumerate(levels):
                        held = total[(2 * field + half) % len(total)]
                        b.store(b.call(add_products, [b.load(held), level, weight]), held)
        for query, total in enumerate(totals):
            for half in (0, 1):
                whole = functools.reduce(b.add, [b.load(held) for held in total[half::2]])
                b.store(whole, at(b, words16, sums, b.mul(stride, place(query)), 64 * half), align=4)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        for wanted in itertools.product((1, TOGETHER), widths()):
            same = [b.icmp_signed("==", asked, place(one)) for asked, one in zip(arguments[:2], wanted, strict=True)]
            with b.if_then(b.and_(*same)):
                body(b, *wanted, arguments[2:])
        return context.get_dummy_value()

    @intrinsic
    def kernel(context, together, bits, codes, weights, table, order, count, sums, stride):  # type: ignore[no-untyped-def]
        return types.void(*[types.intp] * 9), generate

    return kernel


@cache
def filter_kernel() -> Any:
    """Compiled: which rows may be among the best, by their sums and the bound of what those are off by."""
    import numba

    @compiled(parallel=True, fastmath={"nnan", "nsz", "contract"})
    def kernel(sums, start, end, factors, offsets, bounds, lows, counts, highs, rows):  # type: ignore[no-untyped-def]
        k, room = lows.shape[1], highs.shape[1]
        for q in numba.prange(len(bounds)):
            base, along, error = np.float32(bounds[q, 0]), np.float32(bounds[q, 1]), np.float32(bounds[q, 2])
            bar = lows[q, k - 1]
            for begin in range(0, end, CHUNK):
                last = min(begin + CHUNK, end)
                some = sums[q, begin:last]
                if len(factors) > 0:
                    factor, offset, passed, least = factors[begin:last], offsets[begin:last], np.int32(0), bar - error
                    for i in range(len(some)):
                        passed += np.int32((np.float32(some[i]) + base) * factor[i] + along * offset[i] >= least)
                else:
                    largest = some[0]
                    for i in range(len(some)):
                        if some[i] > largest:
                            largest = some[i]
                    passed = np.int32(np.float32(largest) + base + error >= bar)
                if passed == 0 or counts[q] < 0:
                    continue
                for i in range(begin, last):
                    score = np.float32(sums[q, i]) + base
                    if len(factors) > 0:
                        score = score * factors[i] + along * offsets[i]
                    low, high = score - error, score + error
                    if not high >= bar:
                        continue
                    if low > lows[q, k - 1]:
                        at = k - 1
                        while at > 0 and lows[q, at - 1] < low:
                            lows[q, at] = lows[q, at - 1]
                            at -= 1
                        lows[q, at] = low
                        bar = lows[q, k - 1]
                    if counts[q] == room:
                        counts[q] = -1
                        break
                    highs[q, counts[q]], rows[q, counts[q]] = high, start + i
                    counts[q] += 1

    return kernel


@cache
def exact_kernel() -> Any:
    """Compiled: the exact scores of these rows, of which the best are kept."""
    import numba

    globals().update(take=keep(), fill=table_kernel(), score_of=row_score())

    @compiled(parallel=True)
    def kernel(held, levels, cells, asked, found, scores, rows):  # type: ignore[no-untyped-def]
        words_of, n, packed, numbers, scales, step = held
        values, bits, cell, shift, order, shared = levels
        weights, along, constant = asked
        highs, candidates, counts, bars, units = found
        words, k = words_of.shape[1], scores.shape[1]
        parts = min(len(weights), 64)
        for part in numba.prange(parts):
            table = np.empty((4 * words or cells, 256), np.float32)
            of_cells = np.zeros(4 * words, np.float32)
            for q in range(len(weights) * part // parts, len(weights) * (part + 1) // parts):
                if len(shared) > 0:
                    for j in range(len(cell)):
                        of_cells[cell[j]] = weights[q, j]
                else:
                    fill(weights[q], values, bits, cell, shift, order, table)
                taken, count, bar = 0, counts[q], bars[q]
                # at first the k whose rounded scores are best, about: what they reach, few others may
                first = bar + np.float32(NEARLY * units[q, 2])
                for turn in range(1 if count < 0 else 2):
                    for c in range(count if count >= 0 else n):
                        row = candidates[q, c] if count >= 0 else c
                        if count >= 0 and (highs[q, c] < bar or (highs[q, c] < first) != (turn == 1)):
                            continue
                        total = np.float32(0)
                        if words == 0:
                            total = score_of(packed, numbers, scales, step, table, along[q], np.float32(0), row)
                        for w in range(words):
                            word = words_of[row // LANES, w, row % LANES]
                            for at in range(4):
                                byte = (word >> np.uint32(8 * at)) & np.uint32(255)
                                if len(shared) > 0:
                                    total += of_cells[4 * w + at] * shared[byte]
                                else:
                                    total += table[4 * w + at, byte]
                        if words > 0 and len(numbers) > 0:
                            total = total * numbers[row, 0] + along[q] * numbers[row, 1]
                        _, taken = take(scores[q], rows[q], taken, total + constant[q], row)
                    if taken == k:
                        worst = scores[q, k - 1]
                        reached = (worst - constant[q] - ROUNDED * abs(worst)) / units[q, 3]
                        bar = max(bar, reached - units[q, 2] / 4)

    return kernel
