"""Levels regrouped for scanning: bytes that each hold whole levels, those of 32 rows side by side.

A query becomes a table of 256 sums for every such byte. A row is then scored by looking up its bytes, which 32 rows do
together in the registers of the processor; of the bytes that are read nothing is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.summed_code import SummedCode
from embgeo.numeric.compiled import compiled

LANES = 32
Asked = tuple[np.ndarray, np.ndarray]
sums: Any = None
decode: Any = None
even_sums: Any = None
PACKED_ROWS = 8192  # unpacked at a time
TILED = 16  # columns of decoded rows: whole registers


def sums_of(tier: Tier) -> SummedCode | None:
    """How scores are sums over levels; None if they are not."""
    if tier.similarity == "euclidean" or tier.spec.centred:
        return None
    return tier.quantizer.summed_code()


@dataclass(frozen=True)
class Cells:
    """The codes of n rows as cells of a byte.

    Attributes
    ----------
    code : what the levels stand for.
    rows : n.
    cell, shift : (r,) int16, the cell that a level lies in and its lowest bit there; cell −1: a level of no bits.
    packed : (⌈n / 32⌉, cells, 32) uint8; in a code of blocks the bytes of their scales follow the cells of levels.
    numbers : (n, 2) float32, factor and offset of each row; (0, 2) if all are 1 and 0.
    """

    code: SummedCode
    rows: int
    cell: np.ndarray
    shift: np.ndarray
    packed: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, code: SummedCode, codes: np.ndarray) -> Cells:
        """From codes (n, b); a block of them is unpacked at a time."""
        cell, shift, count = fitted_cells(code.bits)
        scales = 0 if code.blocks is None else -(-len(code.bits) // code.blocks.size)
        packed = np.zeros((-(-len(codes) // LANES), count + scales, LANES), np.uint8)
        numbers = np.empty((0 if code.numbers is None else len(codes), 2), np.float32)
        for start in range(0, len(codes), PACKED_ROWS):
            block = np.ascontiguousarray(codes[start : start + PACKED_ROWS])
            here = packed[start // LANES :]
            _pack_kernel()(np.ascontiguousarray(code.levels(block)), cell, shift, here)
            if code.blocks is not None:
                each, whole = np.full(scales, 8), np.arange(count, count + scales)
                _pack_kernel()(code.blocks.codes(block), whole, np.zeros_like(each), here)
            if code.numbers is not None:
                numbers[start : start + len(block)] = code.numbers(block)
        return cls(code, len(codes), cell, shift, packed, numbers)

    def by_row(self) -> np.ndarray:
        """(n, cells) uint8: the bytes of each row, one after another."""
        return self.packed.transpose(0, 2, 1).reshape(-1, self.packed.shape[1])[: self.rows]

    @property
    def nbytes(self) -> int:
        return int(self.packed.nbytes + self.numbers.nbytes)

    def tables(self, weights: np.ndarray) -> np.ndarray:
        """(cells, 256) float32: what each byte adds to the sum of a query with these weights (r,)."""
        out = np.zeros((self.count, 256), np.float32)
        table_kernel()(weights, self.code.tables, self.code.bits, self.cell, self.shift, self.widest_first, out)
        return out

    def scan(self, Z: np.ndarray) -> np.ndarray:
        """(m, n) float32 products of the queries Z (m, r) with all decoded rows, a query at a time."""
        weights, along, constant = self.code.ask(Z)
        out = np.empty((len(Z), self.rows), np.float32)
        for query, scores in enumerate(out):
            tables, low, moving = np.empty((0, 256), np.float32), np.float32(0), weights[query]
            if self.steps is None:
                tables = self.tables(weights[query])
            else:
                low, moving = weights[query] @ self.steps[0], weights[query] * self.steps[1]
            _scan_kernel()(*self.held, tables, moving, low, along[query], constant[query], scores)
        return out

    @cached_property
    def steps(self) -> Asked | None:
        """The lowest value and the step between values of each coordinate (r,), if each level is a whole byte and
        values are evenly spaced, which are then computed; None otherwise."""
        if self.code.blocks is not None or (self.code.bits != 8).any():
            return None
        tables = self.code.tables
        low, step = tables[:, 0], (tables[:, -1] - tables[:, 0]) / np.float32(255)
        even = low[:, None] + step[:, None] * np.arange(256, dtype=np.float32)
        close = (np.abs(tables - even) <= 1e-6 * np.abs(step).max() + 1e-6 * np.abs(low)[:, None]).all()
        return (low, step) if close else None

    @cached_property
    def count(self) -> int:
        """Cells of levels."""
        return max(1, int(self.cell.max(initial=0)) + 1)

    @cached_property
    def held(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """What the compiled loops read of it: bytes, numbers, the value of each scale, and the cells of a block."""
        blocks = self.code.blocks
        if blocks is None:
            return self.packed, self.numbers, np.empty(0, np.float32), self.count
        return self.packed, self.numbers, blocks.values, blocks.size * int(self.code.bits[0]) // 8

    @property
    def decodable(self) -> tuple[Any, ...]:
        """What the compiled loops read to decode blocks: rows of coordinates, then factor and offset."""
        packed, numbers, scales, step = self.held
        return packed, *self.columns[1:], scales, step, numbers

    @cached_property
    def widest_first(self) -> np.ndarray:
        return _widest_first(self.code.bits)

    @cached_property
    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates by cell; where each cell's columns and values begin; and its values for each byte, one after
        another."""
        count = self.count
        used = np.flatnonzero(self.cell >= 0)
        order = used[np.argsort(self.cell[used], kind="stable")]
        columns = np.searchsorted(self.cell[order], np.arange(count + 1))
        every = np.arange(256)
        values = [np.zeros(0, np.float32)]
        for one in range(count):
            mine = order[columns[one] : columns[one + 1]]
            levels = (every[:, None] >> self.shift[mine]) & ((1 << self.code.bits[mine].astype(np.int64)) - 1)
            values.append(self.code.tables[mine[None], levels].ravel())
        return order, columns, 256 * columns, np.concatenate([*values, np.zeros(8)]).astype(np.float32)

    def products(self, asked: Asked, first: int, last: int) -> np.ndarray:
        """(m, last − first) float32 products with the decoded rows from `first` to before `last`, less the constants of
        the queries: rows are decoded by cell and multiplied. `asked` is what `question` returns."""
        begin, end = first // LANES, -(-last // LANES)
        packed, *values, numbers = self.decodable
        decoded = np.empty(((end - begin) * LANES, asked[0].shape[1]), np.float32)
        _decode_kernel()(packed[begin:end], *values, numbers[begin * LANES : end * LANES], decoded)
        used = len(self.columns[0]) + 2
        rows = decoded[first - begin * LANES : last - begin * LANES, :used]
        product: np.ndarray = asked[0][:, :used] @ rows.T
        return product

    def question(self, Z: np.ndarray) -> Asked:
        """The queries Z (m, r) as `products` takes them, (m, columns), and their constants (m,).

        Columns are a multiple of `TILED` and 3 or more beyond the coordinates: for the sum of levels of no bits, for
        the offset and, always 0, for what is copied too much."""
        weights, along, constant = self.code.ask(Z)
        fixed = np.flatnonzero(self.cell < 0)
        base = weights[:, fixed] @ self.code.tables[fixed, 0]
        order = self.columns[0]
        columns = np.zeros((len(Z), -(-(len(order) + 3) // TILED) * TILED), np.float32)
        columns[:, : len(order)] = weights[:, order]
        columns[:, len(order)], columns[:, len(order) + 1] = base, along
        return columns, constant


def _widest_first(bits: np.ndarray) -> np.ndarray:
    """The order in which levels are given their cells, so that those of a cell come by rising shift."""
    return np.argsort(-bits.astype(np.int64), kind="stable")


def fitted_cells(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Cell and shift (r,) of each level, widest first into the first cell that has as many bits left, and how many
    cells that takes."""
    cell, shift, left = np.full(len(bits), -1, np.int16), np.zeros(len(bits), np.int16), list[int]()
    for j in _widest_first(bits).tolist():
        need = int(bits[j])
        if not need:
            break
        place = next((at for at, free in enumerate(left) if free >= need), len(left))
        if place == len(left):
            left.append(8)
        cell[j], shift[j] = place, 8 - left[place]
        left[place] -= need
    return cell, shift, max(1, len(left))


@cache
def row_score() -> Any:
    """Compiled: the product of a query, by its tables, with the decoded row `row`."""

    @compiled(fastmath=True)
    def kernel(packed, numbers, scales, step, tables, along, constant, row):  # type: ignore[no-untyped-def]
        block, lane = row // LANES, row % LANES
        total = np.float32(0)
        cells = len(tables)
        for first in range(0, cells, step):
            part = np.float32(0)
            for c in range(first, min(first + step, cells)):
                part += tables[c, packed[block, c, lane]]
            if len(scales) > 0:
                part *= scales[packed[block, cells + first // step, lane]]
            total += part
        if len(numbers) > 0:
            total = total * numbers[row, 0] + along * numbers[row, 1]
        return total + constant

    return kernel


@cache
def keep() -> Any:
    """Compiled: take a row into the `count` best so far, in falling order of scores, equal ones by row; its place, or
    −1 if it is not among them, and how many they are then."""

    @compiled()
    def kernel(scores, rows, count, score, row):  # type: ignore[no-untyped-def]
        size = len(scores)
        if score != score or (count == size and score < scores[size - 1]):
            return -1, count
        at = count
        while at > 0 and (scores[at - 1] < score or (scores[at - 1] == score and rows[at - 1] > row)):
            at -= 1
        if at == size:
            return -1, count
        count = min(count + 1, size)
        for place in range(count - 1, at, -1):
            scores[place], rows[place] = scores[place - 1], rows[place - 1]
        scores[at], rows[at] = score, row
        return at, count

    return kernel


@cache
def _pack_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(levels, cell, shift, packed):  # type: ignore[no-untyped-def]
        n, r = levels.shape
        for block in numba.prange((n + LANES - 1) // LANES):
            for i in range(block * LANES, min(n, (block + 1) * LANES)):
                for j in range(r):
                    if cell[j] >= 0:
                        packed[block, cell[j], i % LANES] |= np.uint8(levels[i, j] << shift[j])

    return kernel


@cache
def table_kernel() -> Any:
    """Compiled: what each byte adds to the sum of a query."""

    @compiled()
    def kernel(weights, values, bits, cell, shift, order, out):  # type: ignore[no-untyped-def]
        out[:] = 0
        for j in order:
            w = weights[j]
            if cell[j] < 0:
                for v in range(256):
                    out[0, v] += w * values[j, 0]
                continue
            table, low, levels = out[cell[j]], np.int64(1) << np.int64(shift[j]), np.int64(1) << np.int64(bits[j])
            if low == 1:
                for level in range(levels):
                    table[level] = w * values[j, level]
                continue
            # the sums of the levels below are there already: they are repeated for each level of this one
            for level in range(levels - 1, -1, -1):
                add, some = w * values[j, level], table[level * low : level * low + low]
                for v in range(low):
                    some[v] = table[v] + add

    return kernel


@cache
def block_sums() -> Any:
    """Compiled: the sums of a query, by its tables, for the 32 rows of a block, into `total`; `part` is scratch."""

    @compiled(fastmath={"reassoc", "contract", "nsz", "arcp"})
    def kernel(packed, scales, step, tables, block, part, total):  # type: ignore[no-untyped-def]
        cells = len(tables)
        total[:] = 0
        for first in range(0, cells, step):
            part[:] = 0
            for c in range(first, min(first + step, cells)):
                for lane in range(LANES):
                    part[lane] += tables[c, packed[block, c, lane]]
            if len(scales) > 0:
                for lane in range(LANES):
                    total[lane] += part[lane] * scales[packed[block, cells + first // step, lane]]
            else:
                for lane in range(LANES):
                    total[lane] += part[lane]

    return kernel


@cache
def _even_sums() -> Any:

    @compiled(fastmath={"reassoc", "contract", "nsz", "arcp"})
    def kernel(packed, weights, block, total):  # type: ignore[no-untyped-def]
        cells = len(weights)
        fours = cells - cells % 4  # four cells at a time: the sums of 32 rows are written a fourth as often
        total[:] = 0
        for c in range(0, fours, 4):
            w, x, y, z = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
            for lane in range(LANES):
                total[lane] += (
                    w * np.float32(packed[block, c, lane])
                    + x * np.float32(packed[block, c + 1, lane])
                    + y * np.float32(packed[block, c + 2, lane])
                    + z * np.float32(packed[block, c + 3, lane])
                )
        for c in range(fours, cells):
            for lane in range(LANES):
                total[lane] += weights[c] * np.float32(packed[block, c, lane])

    return kernel


@cache
def _scan_kernel() -> Any:
    import numba

    # closures would be compiled anew by every process
    globals().update(sums=block_sums(), even_sums=_even_sums())

    @compiled(parallel=True)
    def kernel(packed, numbers, scales, step, tables, weights, low, along, constant, out):  # type: ignore[no-untyped-def]
        blocks = len(packed)
        parts = min(blocks, 64)
        for part in numba.prange(parts):
            total, scratch = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
            for block in range(blocks * part // parts, blocks * (part + 1) // parts):
                if len(tables) > 0:
                    sums(packed, scales, step, tables, block, scratch, total)
                else:
                    even_sums(packed, weights, block, total)
                    for lane in range(LANES):
                        total[lane] += low
                first = block * LANES
                for lane in range(min(LANES, len(out) - first)):
                    score = total[lane]
                    if len(numbers) > 0:
                        score = score * numbers[first + lane, 0] + along * numbers[first + lane, 1]
                    out[first + lane] = score + constant

    return kernel


@cache
def block_rows() -> Any:
    """Compiled: decode the 32 rows of a block into `out` (32, columns of a question)."""

    @compiled()
    def kernel(packed, columns, starts, values, scales, step, numbers, block, out):  # type: ignore[no-untyped-def]
        cells, first = len(columns) - 1, block * LANES
        end = columns[cells]
        factor, offset = np.ones(LANES, np.float32), np.zeros(LANES, np.float32)
        for lane in range(min(LANES, len(numbers) - first)):
            factor[lane], offset[lane] = numbers[first + lane, 0], numbers[first + lane, 1]
        for c in range(cells):
            width, column, start = columns[c + 1] - columns[c], columns[c], starts[c]
            # 1, 2, 4 or 8 values are copied at a time; those too many are overwritten by the next
            for lane in range(LANES):
                at, scale = start + width * np.int64(packed[block, c, lane]), factor[lane]
                if width == 1:
                    out[lane, column] = values[at] * scale
                elif width == 2:
                    out[lane, column], out[lane, column + 1] = values[at] * scale, values[at + 1] * scale
                else:
                    w, x, y, z = values[at], values[at + 1], values[at + 2], values[at + 3]
                    out[lane, column], out[lane, column + 1] = w * scale, x * scale
                    out[lane, column + 2], out[lane, column + 3] = y * scale, z * scale
                    if width > 4:
                        i, j, k, m = values[at + 4], values[at + 5], values[at + 6], values[at + 7]
                        out[lane, column + 4], out[lane, column + 5] = i * scale, j * scale
                        out[lane, column + 6], out[lane, column + 7] = k * scale, m * scale
            if len(scales) > 0 and ((c + 1) % step == 0 or c + 1 == cells):
                for lane in range(LANES):
                    scale = scales[packed[block, cells + c // step, lane]]
                    for k in range(columns[c - c % step], columns[c + 1]):
                        out[lane, k] *= scale
        for lane in range(LANES):
            out[lane, end], out[lane, end + 1] = factor[lane], offset[lane]
            for k in range(end + 2, out.shape[1]):
                out[lane, k] = 0

    return kernel


@cache
def _decode_kernel() -> Any:
    import numba

    globals().update(decode=block_rows())

    @compiled(parallel=True)
    def kernel(packed, columns, starts, values, scales, step, numbers, out):  # type: ignore[no-untyped-def]
        for block in numba.prange(len(out) // LANES):
            rows = out[block * LANES : (block + 1) * LANES]
            decode(packed, columns, starts, values, scales, step, numbers, block, rows)

    return kernel
