"""Search by products of bytes: levels and queries are rounded to bytes, and rows that may be among the best are scored
exactly.

A processor multiplies bytes and adds four products in one instruction, and looks 64 levels of at most four bits up in
another. Each sum has a bound of its error (Cauchy–Schwarz), so that no row is missed whatever the data: bounds as wide
as the scores lie apart only let more rows through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.summed_code import SummedCode
from embgeo.compression.search.byte_products import (
    LOOKED_UP,
    TOGETHER,
    WIDTHS,
    exact_kernel,
    filter_kernel,
    processor_has,
    sum_kernel,
    widths,
)
from embgeo.compression.search.cells import LANES, Cells
from embgeo.compression.search.flat import cells_of
from embgeo.compression.search.searcher import Found, any_norm
from embgeo.retrieval.top_k import TopK

QUERY_BLOCK = 256
SUMS = 400_000  # held at a time, in the cache of a core
ROOM = 16_384  # candidates of a query
MIDDLE = 128
SLACK = 2e-6  # of the largest sum: rounding of float32
SPANS = np.arange(255, 127, -1)
PARTS = np.arange(1, 65)  # of the largest coordinates of queries
MORE = 4  # words at least may be multiplied again for them
LARGEST = 1e30  # error, a millionth or more of the sums
STEPS = 16  # bytes between two levels that are looked up


@dataclass(frozen=True)
class Rounded:
    """What levels are worth in bytes: level l of coordinate j is centre[j] + scale[j] · (byte − 128).

    Attributes
    ----------
    cells : where levels lie, without their bytes if `packed` has them.
    packed : (⌈n / 32⌉, words, 32) uint32, four cells of a row each, the first lowest; no words if levels are looked up.
    bits : of each level, 1 to 4 or 8; 8 if they are looked up in `pieces`, `LOOKED_UP` if in one table of bytes.
    centre, scale : (r,) float64.
    pieces : (2, pieces) int64, a cell whose levels are looked up and a word that holds some; (2, 0): no such.
    table : (pieces, 256) uint32, what each byte of a cell adds to the word; without pieces (1, 256), the byte of each
        level many times.
    slots : (slots, 4) int64, coordinates whose levels are multiplied together, −1 for none.
    longest : of rows of bytes − 128, times their factors ÷ `unit`, the largest norm about their mean and the largest
        |mean|; and the largest norm of what is left of levels.
    numbers : (2, n) float32, factors and offsets of rows ÷ the largest factor, `unit`; (2, 0) where rows have none.
    offset : the largest |offset| of these.
    unit : the largest factor; 1 where rows have none.
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
    numbers: np.ndarray
    offset: float
    unit: float

    @classmethod
    def of(cls, cells: Cells) -> Rounded | None:
        """None for levels in blocks, of 8 bits if this processor has no tables of them, and for factors below 0."""
        code, factors, used = cells.code, cells.numbers[:, 0], cells.code.bits > 0
        bits = int(code.bits.max(initial=0))
        if not bits or code.blocks is not None or (factors < 0).any():
            return None
        values = np.where(used[:, None], code.tables, code.tables[:, :1])[:, : 1 << bits]
        low, scale, table, left = _in_bytes(values)
        unlike = bits not in WIDTHS or (code.bits[used] != bits).any()
        unlike |= (np.abs(left) * scale[:, None]).max() > 2 * scale.max()
        looked_up = bits == 8 and bool((table != np.arange(256)).any())
        if unlike or (looked_up and LOOKED_UP not in widths()):
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
            cells, bits = replace(cells, packed=cells.packed[:0]), LOOKED_UP if looked_up else bits
        with np.errstate(over="ignore"):  # told by `candidates`
            numbers = np.ascontiguousarray(cells.numbers.T) / unit
        offset = float(np.abs(numbers[1]).max(initial=0))
        return cls(cells, words, bits, low + MIDDLE * scale, scale, *layout, norms, numbers, offset, float(unit))

    def ask(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The words that each group of the queries Z (m, r) multiplies, (groups, words); the queries as bytes for them,
        (groups, slots, queries of a group, 4) int8; and (m, 4) float64: what is added to a sum, the weight of the
        offset, by how much a score in these units may be off, and the unit."""
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
        largest = np.abs(weights) @ np.abs(self.centre) / step + np.abs(along) * self.offset
        largest += 2 * MIDDLE * long * np.sqrt(whole.shape[1])
        error += SLACK * largest
        bounds = np.stack([base, along, error, step * self.unit], axis=1)
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

    def candidates(self, Z: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
        """For the queries Z (m, r): at most how high rows that may be among the best score, in units of the query, and
        these rows (m, room); how many there are (m,), −1 for too many; a score that k rows reach (m,); and what
        `ask` says of units (m, 4)."""
        cells, (order, asked, bounds) = self.cells, self.ask(Z)
        blocks = min(max(1, SUMS // (LANES * asked.shape[0] * asked.shape[2])), len(self.packed))
        # rows of sums that lie 4 kB apart would share a set of the cache
        sums = np.empty((asked.shape[0] * asked.shape[2], LANES * blocks + 16), np.int32)
        # of larger ones, and of none at all, float32 sums say nothing: every row is scored
        counts = np.where(bounds[:, 2] < LARGEST, 0, -1)
        lows = np.full((len(Z), k), -np.inf, np.float32)
        room = max(ROOM, 4 * k)
        highs, rows = np.empty((len(Z), room), np.float32), np.empty((len(Z), room), np.int64)
        for first in range(0, len(self.packed), blocks):
            start, end = first * LANES, min(cells.rows, (first + blocks) * LANES)
            here = self.packed[first : first + blocks], cells.packed[first : first + blocks]
            sum_kernel()(*here, self.pieces, order, self.bits, self.table, asked, sums)
            numbers = self.numbers[:, start:end]
            filter_kernel()(sums, start, end - start, *numbers, bounds, lows, counts, highs, rows)
        return highs, rows, counts, lows[:, -1].copy(), bounds

    def search(self, Z: np.ndarray, best: TopK) -> None:
        """Take the best rows for the queries Z (m, r) and their scores into `best`, which is empty."""
        cells, found = self.cells, self.candidates(Z, best.scores.shape[1])
        values = cells.code.tables
        # the values of all coordinates, if they are bytes with the same ones
        alike = self.bits == LOOKED_UP and (cells.code.bits == 8).all() and (values == values[0]).all()
        shared = values[0] if alike else values[0, :0]
        levels = values, cells.code.bits, cells.cell, cells.shift, cells.widest_first, shared
        held = self.packed, cells.rows, *cells.held
        exact_kernel()(held, levels, cells.count, cells.code.ask(Z), found, best.scores, best.rows)


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
    return np.ascontiguousarray(pieces), words, slots


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
        numbers = np.zeros_like(cells.numbers)
        numbers[:, 0] = (cells.numbers[:, 0] / unit) ** power
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
        held = self.rounded.packed.nbytes + self.rounded.numbers.nbytes + self.rounded.cells.nbytes
        return held + self.tier.state_bytes

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
    able = processor_has("avx512bw", "avx512vnni")
    rounded = Rounded.of(cells) if able and (cells := cells_of(tier, codes)) is not None else None
    if rounded is None:
        return None
    like = tier.decode(np.ascontiguousarray(codes[:: -(-len(codes) // TOGETHER)]))
    counts = rounded.candidates(tier.quantizer.query_side(like), 10)[2]
    several = counts.min() < 0 or counts.mean() > max(ROOM // 4, len(codes) // 64)
    return None if several else ProductSearcher(tier, rounded)
