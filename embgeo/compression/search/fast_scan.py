"""Search in half-byte codes by FAISS's 4-bit fast-scan: product codes and all sums over levels of at most 4 bits.

A scalar code of 16 levels per coordinate is a product code with one coordinate per part and given centroids, so `int4`,
`fp4` and `tq4` go through the SIMD loops made for `pq…x4` as well. Levels of fewer bits share a part; a factor of each
row (`rabitq`, `eden`, `lvq4`, the norms of `tqc`) is applied to the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.summed_code import SummedCode
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.search.cells import fitted_cells, sums_of
from embgeo.compression.search.on_faiss import add_codes, assert_metric, faiss_available, faiss_metric
from embgeo.compression.search.searcher import Found, any_norm, best_of, metric_of

OVERSAMPLING = 4
SURE = 6.0  # deviations
QUERY_BLOCK = 256
LANES = 32  # rows per block of the packed layout
LEVELS = 16
WIDEST = 8.0
SAMPLED = 256  # rows of which the best sum is guessed
SPREAD = 8  # parts that hold a number of a row
ROWS = 8192  # packed at a time


def search_by_fast_scan(tier: Tier, codes: np.ndarray) -> FastScanSearcher | None:
    """A 4-bit fast-scan searcher for this codec; None if its codes are not nibbles or FAISS packs them differently."""
    if not len(codes) or not faiss_available():
        return None
    table = tier.quantizer.table_code()
    if table is not None and table.bits == 4:
        nibbles: Nibbles | None = Nibbles(codes, table.centroids)
    else:
        nibbles = None if (code := sums_of(tier)) is None else Nibbles.of_sums(code, codes)
    if nibbles is None:
        return None
    searcher = FastScanSearcher(tier, nibbles)
    return searcher if searcher.reads_back(nibbles.codes) else None


@dataclass(frozen=True)
class Nibbles:
    """Codes as parts of half a byte, each decoded by a table of 16 entries, with a factor and an offset of each row.

    Attributes
    ----------
    codes : (n, ⌈parts / 2⌉) uint8; the first of two parts in the low half.
    centroids : (parts, 16, w) float32.
    sums : what the parts were made from, None if their sum is the score.
    columns : (parts of levels · w,) coordinate of each column of a query, −1 for none.
    numbers : (n, 2) float32, factor and offset; (0, 2) if all are 1 and 0.
    middle : a factor in the middle.
    extras : the numbers of rows that have `SPREAD` parts of their own each, after those of levels: offset ÷ factor, and
        factor ÷ `middle` − 1.
    """

    codes: np.ndarray
    centroids: np.ndarray
    sums: SummedCode | None = None
    columns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    numbers: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    middle: float = 1.0
    extras: tuple[_Extra, ...] = ()

    @classmethod
    def of_sums(cls, code: SummedCode, codes: np.ndarray) -> Nibbles | None:
        """None if a level has more than 4 bits, blocks have scales, or a row has a factor that is not positive or over
        `WIDEST` times the middle one: it would widen the candidates of every query to all rows."""
        if code.blocks is not None or code.bits.max(initial=0) > 4:
            return None
        numbers, middle = np.empty((0, 2), np.float32), 1.0
        if code.numbers is not None:
            numbers = np.concatenate([code.numbers(codes[at : at + ROWS]) for at in range(0, len(codes), ROWS)])
            middle = float(np.median(numbers[:, 0]))
            if not (numbers[:, 0] > 0).all() or numbers[:, 0].max() > WIDEST * middle:
                return None
        cell, shift, parts = fitted_cells(code.bits, 4)
        members = [np.flatnonzero(cell == part) for part in range(parts)]
        width = max(len(mine) for mine in members)
        columns, tables = np.full((parts, width), -1), np.zeros((parts, LEVELS, width), np.float32)
        for part, mine in enumerate(members):
            columns[part, : len(mine)] = mine
            levels = (np.arange(LEVELS)[:, None] >> shift[mine]) & ((1 << code.bits[mine].astype(np.int64)) - 1)
            tables[part, :, : len(mine)] = code.tables[mine[None], levels]
        extras = list[tuple[_Extra, np.ndarray]]()
        if len(numbers):
            extras = [_Extra.of(numbers[:, 1] / numbers[:, 0]), _Extra.of(numbers[:, 0] / np.float32(middle) - 1)]
        packed = np.zeros((len(codes), (parts + SPREAD * len(extras) + 1) // 2), np.uint8)
        for at in range(0, len(codes), ROWS):
            block = np.ascontiguousarray(codes[at : at + ROWS])
            pack_kernel()(code.levels(block), cell, shift, packed[at : at + ROWS])
        for part, half in enumerate((half for _, halves in extras for half in halves.T), start=parts):
            packed[:, part // 2] |= half << (4 * (part % 2))
        held = tuple(extra for extra, _ in extras)
        tables = np.concatenate([tables, *(extra.tables(width) for extra in held)])
        return cls(packed, tables, code, columns.ravel(), numbers, middle, held)

    def ask(self, Z: np.ndarray) -> _Question:
        """The queries Z (m, r) as FAISS is asked them, and what turns its sums into scores."""
        nothing = np.zeros(len(Z), np.float32)
        if self.sums is None:
            return _Question(np.ascontiguousarray(Z, np.float32), nothing, nothing, nothing)
        weights, along, constant = self.sums.ask(Z)
        fixed = np.flatnonzero(self.sums.bits == 0)
        base = weights[:, fixed] @ self.sums.tables[fixed, 0]
        columns = np.where(self.columns >= 0, weights[:, np.maximum(self.columns, 0)], np.float32(0))
        extra = np.zeros((len(Z), SPREAD * len(self.extras), self.centroids.shape[2]), np.float32)
        if self.extras:
            extra[:, :SPREAD, 0] = along[:, None]
        return _Question(np.hstack([columns, extra.reshape(len(Z), -1)]), base, along, constant)


@dataclass(frozen=True)
class _Extra:
    """A number of each row, low + step · level, with its level spread over `SPREAD` parts: in fewer, their tables would
    be wider than all others, and FAISS would round these to steps as wide."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, values: np.ndarray) -> tuple[_Extra, np.ndarray]:
        """With the half bytes (n, SPREAD) uint8 of the rows, whose sum is the level."""
        low, high = float(values.min()), float(values.max())
        most = (LEVELS - 1) * SPREAD
        step = (high - low) / most or 1.0
        level = np.clip(np.rint((values - low) / step), 0, most).astype(np.int64)
        return cls(low, high, step), ((level[:, None] + np.arange(SPREAD)) // SPREAD).astype(np.uint8)

    def tables(self, width: int) -> np.ndarray:
        """(SPREAD, 16, width) float32."""
        found = np.zeros((SPREAD, LEVELS, width), np.float32)
        found[:, :, 0] = self.low / SPREAD + self.step * np.arange(LEVELS)
        return found


@dataclass(frozen=True)
class _Question:
    """Queries (m, parts · w), and by query the constant of the sum, the weight of the offset and the constant."""

    columns: np.ndarray
    base: np.ndarray
    along: np.ndarray
    constant: np.ndarray

    def of(self, queries: slice | np.ndarray) -> _Question:
        return _Question(self.columns[queries], self.base[queries], self.along[queries], self.constant[queries])


class FastScanSearcher:
    """SIMD search in half-byte codes, with the best rows rescored from the same bytes.

    Fast-scan rounds each query's table of 16 products per part to 8 bits, so its scores are approximate, and it adds
    but does not multiply: a row's factor enters by what it adds to a sum as large as the best. The best
    `OVERSAMPLING`·k rows, or more where rows lie so close that these may not hold the best k, are scored again with the
    float32 tables and their factors; the scores returned are those of decoded rows.
    The codes are held once, in the order FAISS packs them (32 rows per block), and rescoring reads them there.
    """

    def __init__(self, tier: Tier, nibbles: Nibbles) -> None:
        import faiss

        metric = metric_of(tier.similarity)
        levels = nibbles.centroids
        # differences do not depend on the origin, but FAISS's tables cancel far from it
        centre = levels.mean(axis=1, keepdims=True) if metric == "l2" else np.zeros((1, 1, 1), np.float32)
        levels = levels - centre
        plain = TableCode(4, levels).faiss_index(faiss_metric(metric))
        add_codes(plain, nibbles.codes)
        index = faiss.IndexPQFastScan(plain)
        assert_metric(index, metric)
        self.tier = tier
        self.index = index
        self.levels = levels
        self.centre = centre.ravel()
        self.nibbles = replace(nibbles, codes=nibbles.codes[:0])
        self.packed = faiss.rev_swig_ptr(index.codes.get(), index.codes.size())
        self.name = f"faiss IndexPQFastScan, {OVERSAMPLING}k rescored"
        self.ram_bytes = int(self.packed.nbytes + nibbles.numbers.nbytes) + tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        asked = self.nibbles.ask(np.ascontiguousarray(Z - self.centre, np.float32))
        scores = np.full((len(Q), k), -np.inf, np.float32)
        rows = np.full((len(Q), k), -1, np.int64)
        kept = min(k, self.index.ntotal)
        for start in range(0, len(Q), QUERY_BLOCK):
            here = slice(start, start + QUERY_BLOCK)
            scores[here, :kept], rows[here, :kept] = self.best(asked.of(here), kept)
        return scores + bias[:, None], rows

    def best(self, asked: _Question, k: int) -> Found:
        """Exact scores (m, k), falling, and rows: of candidates that are widened until no other row can belong here."""
        queries = len(asked.columns)
        scores, rows = np.empty((queries, k), np.float32), np.empty((queries, k), np.int64)
        lift = self.expected(asked, k) if self.nibbles.extras else np.zeros(queries, np.float32)
        left, count = np.arange(queries), OVERSAMPLING * k
        while len(left) and OVERSAMPLING * count < self.index.ntotal:
            mine = asked.of(left)
            columns = self.lifted(mine.columns, lift[left])
            rough, places = self.index.search(columns, count)
            rough = -rough if self.tier.similarity == "euclidean" else rough
            tables = self.tables(columns)
            scores[left], rows[left] = best_of(self.exact(tables, places, mine), places, k)
            worst = (scores[left, -1] - mine.constant) / self.nibbles.middle
            others = rough.min(axis=1) + self.allowed(tables, mine.along, lift[left]) + mine.base
            # FAISS leaves out rows whose rounded sum is 0; equal scores may lie beyond the candidates
            lacking = (places < 0).any(axis=1)
            short = lacking | (worst <= self.most(others, lift[left]))
            lift[left], left = np.where(lacking, lift[left], worst), left[short]
            count *= OVERSAMPLING
        every = np.arange(self.index.ntotal)[None]
        for query in left:
            one = asked.of(np.array([query]))
            scores[query], rows[query] = best_of(self.exact(self.tables(one.columns), every, one), every, k)
        return scores, rows

    def expected(self, asked: _Question, k: int) -> np.ndarray:
        """(m,) about how large the k-th largest sum · factor ÷ `middle` is, were those of a few rows normal."""
        from scipy.special import ndtri

        n = self.index.ntotal
        rows = np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64)
        scores = self.exact(self.tables(asked.columns), np.broadcast_to(rows, (len(asked.columns), len(rows))), asked)
        sums = (scores - asked.constant[:, None]) / self.nibbles.middle
        return np.asarray(sums.mean(axis=1) - ndtri(min(k / n, 0.5)) * sums.std(axis=1), np.float32)

    def lifted(self, columns: np.ndarray, lift: np.ndarray) -> np.ndarray:
        """The queries with what a row's factor adds to a sum of `lift` (m,), the last of the extra numbers."""
        if self.nibbles.extras:
            columns = columns.copy()
            columns.reshape(len(columns), len(self.levels), -1)[:, -SPREAD:, 0] = lift[:, None]
        return columns

    def allowed(self, tables: np.ndarray, along: np.ndarray, lift: np.ndarray) -> np.ndarray:
        """(m,) by how much a sum may err.

        FAISS rounds the tables of a query to steps of at least 1/255 of the widest and 1/65,535 of all, so that a sum
        errs by many uniform errors; `SURE` of its deviations are allowed for, as if they were independent. Those of a
        query whose coordinates are all equal are not: it may miss a row that is that much nearer than one it found.
        The extra numbers are rounded too.
        """
        widest, total = _span_kernel()(tables)
        allowed = SURE * np.maximum(widest / 255, total / 65_535) * np.sqrt(tables.shape[1] / 12)
        for extra, weight in zip(self.nibbles.extras, (along, lift), strict=False):
            allowed = allowed + np.abs(weight) * extra.step / 2
        return np.asarray(allowed, np.float64)

    def most(self, others: np.ndarray, lift: np.ndarray) -> np.ndarray:
        """(m,) the largest sum · factor ÷ `middle` of a row whose sum, lifted by its factor, is at most `others` (m,):
        of (others − lift · x) · (1 + x) over the range of x = factor ÷ `middle` − 1."""
        if not self.nibbles.extras:
            return others
        spread = self.nibbles.extras[-1]
        top = np.clip((others - lift) / np.where(lift > 0, 2 * lift, 1), spread.low, spread.high)
        return np.max([(others - lift * x) * (1 + x) for x in (top, spread.low, spread.high)], axis=0)

    def exact(self, tables: np.ndarray, places: np.ndarray, asked: _Question) -> np.ndarray:
        """(m, c) float32: the scores of the rows `places` (m, c), read from the packed bytes."""
        found = np.empty(places.shape, np.float32)
        if self.nibbles.extras:  # rows have these numbers unrounded too
            tables = tables.copy()
            tables[:, -SPREAD * len(self.nibbles.extras) :] = 0
        _rescore_kernel()(self.packed, tables, places, found)
        found += asked.base[:, None]
        if len(self.nibbles.numbers):
            mine = self.nibbles.numbers[np.maximum(places, 0)]
            found = found * mine[..., 0] + asked.along[:, None] * mine[..., 1]
        return found + asked.constant[:, None]

    def tables(self, Z: np.ndarray) -> np.ndarray:
        """(m, parts, 16) float32: what each level of each part adds to the score."""
        parts, _, width = self.levels.shape
        cut = Z.reshape(len(Z), parts, width)
        if self.tier.similarity != "euclidean":
            return np.einsum("mpw,pcw->mpc", cut, self.levels)
        return -((cut[:, :, None, :] - self.levels[None]) ** 2).sum(axis=3)

    def reads_back(self, codes: np.ndarray) -> bool:
        """Whether the packed bytes have the layout that the rescoring loop assumes, on the first and last rows."""
        parts = len(self.levels)
        ends = np.unique(np.r_[0 : min(64, len(codes)), max(0, len(codes) - 64) : len(codes)])
        # random tables: a sum that agrees to rounding has read the same levels
        tables = np.random.default_rng(0).standard_normal((1, parts, 16)).astype(np.float32)
        found = np.empty((1, len(ends)), np.float32)
        _rescore_kernel()(self.packed, tables, ends[None].astype(np.int64), found)
        nibbles = np.stack([codes[ends] & 15, codes[ends] >> 4], axis=2).reshape(len(ends), -1)[:, :parts]
        expected = tables[0, np.arange(parts), nibbles].sum(axis=1, dtype=np.float64)
        return bool(np.allclose(found[0], expected, atol=1e-3))


@cache
def pack_kernel() -> Any:
    """Compiled: put levels (n, r) into their halves of bytes."""
    import numba

    @numba.njit(cache=True, parallel=True, nogil=True)
    def kernel(levels, cell, shift, packed):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(levels)):
            for j in range(levels.shape[1]):
                if cell[j] >= 0:
                    packed[i, cell[j] >> 1] |= np.uint8(levels[i, j] << (shift[j] + 4 * (cell[j] & 1)))

    return kernel


@cache
def _span_kernel() -> Any:
    import numba

    @numba.njit(cache=True, nogil=True)
    def kernel(tables):  # type: ignore[no-untyped-def]
        queries, parts, levels = tables.shape
        widest, total = np.zeros(queries), np.zeros(queries)
        for q in range(queries):
            for p in range(parts):
                low = high = tables[q, p, 0]
                for c in range(1, levels):
                    low, high = min(low, tables[q, p, c]), max(high, tables[q, p, c])
                widest[q] = max(widest[q], high - low)
                total[q] += high - low
        return widest, total

    return kernel


@cache
def _rescore_kernel() -> Any:
    import numba

    # one thread: a few thousand rows take less time than waking more threads
    @numba.njit(cache=True, nogil=True)
    def kernel(packed, tables, places, found):  # type: ignore[no-untyped-def]
        queries, parts, _ = tables.shape
        pairs = (parts + 1) // 2
        for q in range(queries):
            for r in range(places.shape[1]):
                row = places[q, r]
                if row < 0:
                    found[q, r] = -np.inf
                    continue
                # a block holds 32 rows; of each pair of parts 32 bytes: 16 of the even part, 16 of the odd one, rows
                # 0–15 in the low halves and 16–31 in the high, in the order 0 8 1 9 2 10 …
                lane = row % LANES
                shift = 4 if lane > 15 else 0
                lane &= 15
                at = 2 * lane if lane < 8 else 2 * lane - 15
                at += (row // LANES) * pairs * LANES
                total = 0.0
                for p in range(parts):
                    byte = packed[at + (p >> 1) * LANES + (p & 1) * 16]
                    total += tables[q, p, (byte >> shift) & 15]
                found[q, r] = total

    return kernel
