"""Search by products of bytes: levels and queries are rounded to bytes, and rows that may be among the best are scored
exactly.

A processor multiplies bytes and adds four products in one instruction, and looks 64 levels of at most four bits up in
another. Each sum has a bound of its error (Cauchy–Schwarz), so that no row is missed whatever the data: bounds as wide
as the scores lie apart only let more rows through.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.summed_code import SummedCode
from embgeo.compression.search.cells import LANES, Cells, keep, row_score, table_kernel
from embgeo.compression.search.flat import cells_of
from embgeo.compression.search.searcher import Found, any_norm
from embgeo.numeric.compiled import compiled
from embgeo.retrieval.top_k import TopK

TOGETHER = 8  # queries whose sums fit into the registers of a processor
QUERY_BLOCK = 256
SUMS = 400_000  # held at a time, in the cache of a core
ROOM = 16_384  # candidates of a query
CHUNK = 64  # rows of which the largest sum is compared first
MIDDLE = 128
SLACK = 2e-6  # of the largest sum: rounding of float32
score_of: Any = None
take: Any = None
fill: Any = None
multiply: Any = None
WIDTHS = (1, 2, 3, 4, 8)
SPANS = np.arange(255, 127, -1)
PARTS = np.arange(1, 65)  # of the largest coordinates of queries
MORE = 4  # words at least may be multiplied again for them
STEPS = 16  # bytes between two levels that are looked up


@dataclass(frozen=True)
class Rounded:
    """What levels are worth in bytes: level l of coordinate j is centre[j] + scale[j] · (byte − 128).

    Attributes
    ----------
    cells : where levels lie, without their bytes if `packed` has them.
    packed : (⌈n / 32⌉, words, 32) uint32, four cells of a row each, the first lowest; no words if levels are looked up.
    bits : of each level, 1 to 4 or 8; 8 if they are looked up.
    centre, scale : (r,) float64.
    pieces : (2, pieces) int64, a cell whose levels are looked up and a word that holds some; (2, 0): no such.
    table : (pieces, 256) uint32, what each byte of a cell adds to the word; without pieces (1, 256), the byte of each
        level many times.
    slots : (slots, 4) int64, coordinates whose levels are multiplied together, −1 for none.
    longest : of rows of bytes − 128, times their factors ÷ `unit`, the largest norm about their mean and the largest
        |mean|; and the largest norm of what is left of levels.
    unit : the largest factor of a row.
    """

    cells: Cells
    packed: np.ndarray
    bits: int
    centre: np.ndarray
    scale: np.ndarray
    pieces: np.ndarray
    table: np.ndarray
    slots: np.ndarray
    longest: tuple[float, float, float]
    unit: np.float32

    @classmethod
    def of(cls, cells: Cells) -> Rounded | None:
        """None for levels in blocks, of 8 bits unless evenly spaced, and for factors of rows below 0."""
        code, factors, used = cells.code, cells.numbers[:, 0], cells.code.bits > 0
        bits = int(code.bits.max(initial=0))
        if not bits or code.blocks is not None or (factors < 0).any():
            return None
        values = np.where(used[:, None], code.tables, code.tables[:, :1])[:, : 1 << bits]
        low, scale, table, left = _in_bytes(values)
        unlike = bits not in WIDTHS or (code.bits[used] != bits).any()
        unlike |= (np.abs(left) * scale[:, None]).max() > 2 * scale.max()
        if unlike or (bits == 8 and (table != np.arange(256)).any()):
            if (code.bits == 8).all():
                return None
            low, scale, table, left = _in_own_bytes(code)
        unit = np.float32(factors.max(initial=0) or 1)
        longest = [_longest(cells, each, unit) for each in ((table - MIDDLE) * (scale > 0)[:, None], left)]
        norms = *longest[0][:2], longest[1][2]
        if table.ndim > 1:
            words, bits, layout = np.zeros((len(cells.packed), 0, LANES), np.uint32), 8, _look_ups(cells, table)
        else:
            words, slots = _in_words(cells, bits)
            layout = np.zeros((2, 0), np.int64), np.resize(table, 1024).astype(np.uint8).view(np.uint32)[None], slots
            cells = replace(cells, packed=cells.packed[:0])
        return cls(cells, words, bits, low + MIDDLE * scale, scale, *layout, norms, unit)

    def ask(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The words that each group of the queries Z (m, r) multiplies, (groups, words); the queries as bytes for them,
        (groups, slots, queries of a group, 4) int8; and (m, 3) float32: what is added to a sum, the weight of the
        offset, and by how much a score in these units may be off."""
        weights, along, _ = self.cells.code.ask(Z)
        values = weights * self.scale
        many, step = self.spread(values)
        values /= step[:, None]
        group, slots = 1 if len(Z) == 1 else TOGETHER, self.slots.reshape(many.shape[1], -1, 4)
        limit = np.zeros((len(many), values.shape[1] + 1))
        limit[:, slots] = 127 * many[:, :, None, None]
        whole = _whole(values, np.repeat(limit[:, :-1], group, axis=0)[: len(Z)])
        padded = np.zeros((len(many) * group, whole.shape[1] + 1), np.int32)
        padded[: len(Z), :-1] = whole
        order = np.zeros((len(many), many.sum(axis=1).max()), np.int64)
        asked = np.zeros((*order.shape, slots.shape[1], group, 4), np.int8)
        for at, (mine, here) in enumerate(zip(many, padded.reshape(-1, group, padded.shape[1]), strict=True)):
            words = np.repeat(np.arange(len(mine)), mine)
            turn = np.arange(len(words)) - (np.cumsum(mine) - mine)[words]
            parts = (here[:, slots[words]] + turn[:, None, None]) // mine[words, None, None]  # their sum is the whole
            order[at, : len(words)], asked[at, : len(words)] = words, parts.transpose(1, 2, 0, 3)
        base, along = weights @ self.centre / step - MIDDLE * whole.sum(axis=1), along / step
        left = values - whole
        long, short = np.linalg.norm(values, axis=1), np.linalg.norm(left, axis=1)
        # Cauchy–Schwarz, about the means of rows
        error = short * self.longest[0] + np.abs(left.sum(axis=1)) * self.longest[1] + long * self.longest[2]
        offset = np.abs(along) * np.abs(self.cells.numbers[:, 1] / self.unit).max(initial=0)
        error += SLACK * (np.abs(base) + 2 * MIDDLE * long * np.sqrt(whole.shape[1]) + offset)
        bounds = np.stack([base, along, error], axis=1).astype(np.float32)
        return order, asked.reshape(len(many), -1, group, 4), bounds

    def spread(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How often each group of queries of `values` (m, r) multiplies each word, (groups, words), and what 1 is worth
        in these values (m,).

        Where some coordinates weigh much more than others, their words are multiplied several times, each by a part of
        the query, so that all are rounded by less."""
        words, group = self.packed.shape[1] or len(self.slots), 1 if len(values) == 1 else TOGETHER
        padded = np.pad(np.abs(values), ((0, -len(values) % group), (0, 1)))
        sizes = padded[:, self.slots.reshape(words, -1)].max(axis=2)
        largest = sizes.max(axis=1, keepdims=True)
        share = (sizes / np.where(largest > 0, largest, 1)).reshape(-1, group, words).max(axis=1)
        many = np.maximum(np.ceil(share * PARTS[:, None, None]), 1).astype(np.int64)
        more = max(MORE, words // (2 if self.pieces.size else 4))
        allowed = (many.sum(axis=2) <= words + more).sum(axis=0)
        many = many[np.maximum(allowed - 1, 0), np.arange(len(share))]
        step = (sizes / np.repeat(many, group, axis=0)).max(axis=1)[: len(values)] / 127
        return many, np.where(step > 0, step, 1)

    def candidates(self, Z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For the queries Z (m, r): at most how high rows that may be among the best score, in units of the query, and
        these rows (m, room); how many there are (m,), −1 for too many; and a score that k rows reach (m,)."""
        cells, (order, asked, bounds) = self.cells, self.ask(Z)
        blocks = min(max(1, SUMS // (LANES * asked.shape[0] * asked.shape[2])), len(self.packed))
        # rows of sums that lie 4 kB apart would share a set of the cache
        sums = np.empty((asked.shape[0] * asked.shape[2], LANES * blocks + 16), np.int32)
        lows, counts = np.full((len(Z), k), -np.inf, np.float32), np.zeros(len(Z), np.int64)
        room = max(ROOM, 4 * k)
        highs, rows = np.empty((len(Z), room), np.float32), np.empty((len(Z), room), np.int64)
        for first in range(0, len(self.packed), blocks):
            start, end = first * LANES, min(cells.rows, (first + blocks) * LANES)
            here = self.packed[first : first + blocks], cells.packed[first : first + blocks]
            _sum_kernel()(*here, self.pieces, order, self.bits, self.table, asked, sums)
            numbers = cells.numbers[start:end]
            _filter_kernel()(sums, start, end - start, numbers, 1 / self.unit, bounds, lows, counts, highs, rows)
        return highs, rows, counts, lows[:, -1]

    def search(self, Z: np.ndarray, best: TopK) -> None:
        """Take the best rows for the queries Z (m, r) and their scores into `best`, which is empty."""
        cells, found = self.cells, self.candidates(Z, best.scores.shape[1])
        levels = cells.code.tables, cells.code.bits, cells.cell, cells.shift, cells.widest_first
        held = self.packed, cells.rows, *cells.held
        _exact_kernel()(held, levels, cells.count, cells.code.ask(Z), found, best.scores, best.rows)


def _in_bytes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the values (r, levels): the lowest of each coordinate and its scale (r,), what all of them then are nearly,
    whole numbers (levels,) up to 255, and what is left of each (r, levels)."""
    values = values.astype(np.float64)
    low, high = values.min(axis=1), values.max(axis=1)
    widest = np.argmax(high - low)
    shares = (values[widest] - low[widest]) / (high[widest] - low[widest] or 1)
    parts = shares[:, None] * SPANS
    # the span in which levels are closest to whole numbers: evenly spaced ones are whole in one
    span = SPANS[np.argmin(np.round(np.abs(parts - np.rint(parts)).mean(axis=0) / SPANS, 9))]
    scale, table = (high - low) / span, np.rint(shares * span)
    exact = (values - low[:, None]) / np.where(scale > 0, scale, 1)[:, None]
    return low, scale, table, np.where((scale > 0)[:, None], exact - table, 0)


def _in_own_bytes(code: SummedCode) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same with whole numbers of each coordinate's own (r, 256), about the middle: narrow coordinates get fewer,
    since the longest row counts, but enough for their levels."""
    values, levels = code.tables.astype(np.float64), 2.0**code.bits
    used = np.arange(256) < levels[:, None]
    low = np.where(used, values, np.inf).min(axis=1)
    width = np.where(used, values, -np.inf).max(axis=1) - low
    span = np.maximum(np.rint(255 * np.sqrt(width / (width.max() or 1))), STEPS * (levels - 1))
    scale = width / np.clip(span, 1, 255)  # a coordinate without bits spans nothing
    low -= scale * (MIDDLE - (np.minimum(span, 255) + 1) // 2)
    exact = (values - low[:, None]) / np.where(scale > 0, scale, 1)[:, None]
    table = np.clip(np.rint(exact), 0, 255)
    return low, scale, table, np.where(used & (scale > 0)[:, None], exact - table, 0)


def _look_ups(cells: Cells, table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces, table and slots of levels that are worth the bytes `table` (r, 256)."""
    order, every = cells.columns[0], np.arange(256)
    slots = np.full((-(-len(order) // 4), 4), -1)
    slots.ravel()[: len(order)] = order
    pairs = np.stack([cells.cell[order].astype(np.int64), np.arange(len(order)) // 4])
    pieces, piece = np.unique(pairs, axis=1, return_inverse=True)
    words = np.zeros((pieces.shape[1], 256), np.uint32)
    for place, (j, at) in enumerate(zip(order, piece.ravel(), strict=True)):
        mine = table[j, every >> cells.shift[j] & (1 << int(cells.code.bits[j])) - 1]
        words[at] |= mine.astype(np.uint32) << np.uint32(8 * (place % 4))
    return pieces, words, slots


def _in_words(cells: Cells, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of levels of one width four to a word, and the slots."""
    fields, mine, (blocks, count, _) = 8 // bits, np.flatnonzero(cells.code.bits), cells.packed.shape
    slots = np.full((fields * -(-count // 4), 4), -1)
    slots[fields * (cells.cell[mine] >> 2) + cells.shift[mine] // bits, cells.cell[mine] & 3] = mine
    padded = np.pad(cells.packed, ((0, 0), (0, -count % 4), (0, 0))).reshape(blocks, -1, 4, LANES)
    return np.ascontiguousarray(padded.transpose(0, 1, 3, 2)).view(np.uint32)[..., 0], slots


def _longest(cells: Cells, values: np.ndarray, unit: np.float32) -> tuple[float, float, float]:
    """Of rows of levels with the values (r, levels), times their factors ÷ unit: the largest norm about their mean,
    |mean| and norm."""
    sums = list[np.ndarray]()
    for power in (1, 2):
        tables = np.zeros((len(values), 256), np.float32)
        tables[:, : values.shape[1]] = values**power
        numbers = (cells.numbers / unit) ** power * np.array([1, 0], np.float32)
        held = replace(cells, code=SummedCode(cells.code.bits, tables, cells.code.levels), numbers=numbers)
        sums.append(held.scan(np.ones((1, len(values)), np.float32))[0].astype(np.float64) / len(values))
    mean, square = sums
    about = np.maximum(square - mean**2, 0) + SLACK * square
    norms = [float(np.sqrt(len(values) * each.max())) * (1 + SLACK) for each in (about, square)]
    return norms[0], float(np.abs(mean).max()) + SLACK * norms[1], norms[1]


def _whole(values: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Whole numbers near `values` (m, r), none beyond `limit` (r,), with nearly the same sums: those closest to the
    middle of two are moved."""
    whole = np.rint(values)
    missing = np.rint((values - whole).sum(axis=1, keepdims=True))
    order = np.argsort(-np.sign(missing) * (values - whole), axis=1)
    moved = np.where(np.arange(values.shape[1]) < np.abs(missing), np.sign(missing), 0)
    np.put_along_axis(whole, order, np.take_along_axis(whole, order, 1) + moved, 1)
    return np.clip(whole, -limit, limit)


@dataclass
class ProductSearcher:
    """Codes whose levels are worth bytes: products of bytes for every row, exact scores for the few that they leave."""

    tier: Tier
    rounded: Rounded
    name: str = "products of bytes, candidates rescored"

    @property
    def ram_bytes(self) -> int:
        return self.rounded.packed.nbytes + self.rounded.cells.nbytes + self.tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        best = TopK.empty(len(Q), k)
        if len(Q) == 1 and self.rounded.pieces.size:  # to look its own sums up takes no longer
            best.merge(self.rounded.cells.scan(Z), np.arange(self.rounded.cells.rows))
            return best.scores + bias[:, None], best.rows
        for start in range(0, len(Q), QUERY_BLOCK):
            part = slice(start, start + QUERY_BLOCK)
            self.rounded.search(Z[part], TopK(best.scores[part], best.rows[part]))
        return best.scores + bias[:, None], best.rows


def search_by_products(tier: Tier, codes: np.ndarray) -> ProductSearcher | None:
    """A searcher by products of bytes; None if the processor lacks them, levels are not worth bytes, or the bounds let
    so many rows through, of queries like documents, that tables or decoded blocks are faster."""
    from numba.core.registry import cpu_target

    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    able = {"+avx512bw", "+avx512vnni"} <= set(features)
    rounded = Rounded.of(cells) if able and (cells := cells_of(tier, codes)) is not None else None
    if rounded is None:
        return None
    like = tier.decode(np.ascontiguousarray(codes[:: -(-len(codes) // TOGETHER)]))
    counts = rounded.candidates(tier.quantizer.query_side(like), 10)[2]
    several = counts.min() < 0 or counts.mean() > max(ROOM // 4, len(codes) // 64)
    return None if several else ProductSearcher(tier, rounded)


@cache
def _sum_kernel() -> Any:
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


def _multiplier() -> Any:
    """Compiled: (together, bits, codes, weights, table, order, count, sums, stride), the addresses of arrays, how many
    words, and the stride in bytes: the sums of 32 rows over these words, for `together` queries."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    byte, word, place = ir.IntType(8), ir.IntType(32), ir.IntType(64)
    bytes64, pairs32, words16 = ir.VectorType(byte, 64), ir.VectorType(ir.IntType(16), 32), ir.VectorType(word, 16)
    zero = ir.Constant(words16, None)

    def at(b: Any, kind: Any, address: Any, start: Any, offset: int = 0) -> Any:
        return b.inttoptr(b.add(b.add(address, start), place(offset)), kind.as_pointer())

    def body(b: Any, together: int, bits: int, arguments: Any) -> None:
        codes, weights, table, order, count, sums, stride = arguments
        add_products, look_up = (
            cgutils.get_or_insert_function(b.module, ir.FunctionType(kinds[0], kinds), f"llvm.x86.avx512.{name}.512")
            for name, kinds in (("vpdpbusd", (words16, bytes64, bytes64)), ("pshuf.b", (bytes64, bytes64)))
        )
        fields, mask = 8 // bits, ir.Constant(bytes64, [(1 << bits) - 1] * 64)
        bytes_of = b.load(at(b, bytes64, table, place(0)), align=1)
        # two sums for one query: each addition waits for the one before
        totals = [[cgutils.alloca_once_value(b, zero) for _ in range(4 // min(2, together))] for _ in range(together)]
        with cgutils.for_range(b, count) as loop:
            word_at = b.load(at(b, place, order, b.mul(loop.index, place(8))))
            start, slot = b.mul(word_at, place(4 * LANES)), b.mul(loop.index, place(4 * fields * together))
            levels = read = [b.load(at(b, bytes64, codes, start, 64 * half), align=1) for half in (0, 1)]
            for field in range(fields):
                if bits < 8:
                    moved = [b.lshr(b.bitcast(one, pairs32), ir.Constant(pairs32, [field * bits] * 32)) for one in read]
                    levels = [b.call(look_up, [bytes_of, b.and_(b.bitcast(one, bytes64), mask)]) for one in moved]
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
        for wanted in itertools.product((1, TOGETHER), WIDTHS):
            same = [b.icmp_signed("==", asked, place(one)) for asked, one in zip(arguments[:2], wanted, strict=True)]
            with b.if_then(b.and_(*same)):
                body(b, *wanted, arguments[2:])
        return context.get_dummy_value()

    @intrinsic
    def kernel(context, together, bits, codes, weights, table, order, count, sums, stride):  # type: ignore[no-untyped-def]
        return types.void(*[types.intp] * 9), generate

    return kernel


@cache
def _filter_kernel() -> Any:
    import numba

    @compiled(parallel=True, fastmath={"nnan", "nsz", "contract"})
    def kernel(sums, start, end, numbers, scale, bounds, lows, counts, highs, rows):  # type: ignore[no-untyped-def]
        k, room = lows.shape[1], highs.shape[1]
        factors, offsets = np.empty(len(numbers), np.float32), np.empty(len(numbers), np.float32)
        for i in range(len(numbers)):
            factors[i], offsets[i] = numbers[i, 0] * scale, numbers[i, 1] * scale
        for q in numba.prange(len(bounds)):
            base, along, error = bounds[q, 0], bounds[q, 1], bounds[q, 2]
            bar = lows[q, k - 1]
            for begin in range(0, end, CHUNK):
                last = min(begin + CHUNK, end)
                some = sums[q, begin:last]
                if len(numbers) > 0:
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
                    if len(numbers) > 0:
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
def _exact_kernel() -> Any:
    import numba

    globals().update(take=keep(), fill=table_kernel(), score_of=row_score())

    @compiled(parallel=True)
    def kernel(held, levels, cells, asked, found, scores, rows):  # type: ignore[no-untyped-def]
        words_of, n, packed, numbers, scales, step = held
        values, bits, cell, shift, order = levels
        weights, along, constant = asked
        highs, candidates, counts, bars = found
        words = words_of.shape[1]
        parts = min(len(weights), 64)
        for part in numba.prange(parts):
            table = np.empty((4 * words or cells, 256), np.float32)
            for q in range(len(weights) * part // parts, len(weights) * (part + 1) // parts):
                fill(weights[q], values, bits, cell, shift, order, table)
                taken = 0
                for c in range(counts[q] if counts[q] >= 0 else n):
                    row = candidates[q, c] if counts[q] >= 0 else c
                    if counts[q] >= 0 and highs[q, c] < bars[q]:
                        continue
                    total = np.float32(0)
                    if words == 0:
                        total = score_of(packed, numbers, scales, step, table, along[q], np.float32(0), row)
                    for w in range(words):
                        word = words_of[row // LANES, w, row % LANES]
                        for at in range(4):
                            total += table[4 * w + at, (word >> np.uint32(8 * at)) & np.uint32(255)]
                    if words > 0 and len(numbers) > 0:
                        total = total * numbers[row, 0] + along[q] * numbers[row, 1]
                    _, taken = take(scores[q], rows[q], taken, total + constant[q], row)

    return kernel
