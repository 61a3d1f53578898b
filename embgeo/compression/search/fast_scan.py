"""Search in half-byte codes by FAISS's 4-bit fast-scan.

A scalar code of 16 levels per coordinate is a product code with one coordinate per part and given centroids, so `int4`,
`fp4` and `tq4` go through the SIMD loops made for `pq…x4` as well.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.search.on_faiss import add_codes, assert_metric, faiss_available, faiss_metric
from embgeo.compression.search.searcher import Found, any_norm, best_of, metric_of
from embgeo.numeric.compiled import compiled

OVERSAMPLING = 4
SURE = 6.0  # deviations
QUERY_BLOCK = 256
LANES = 32  # rows per block of the packed layout


def search_by_fast_scan(tier: Tier, codes: np.ndarray) -> FastScanSearcher | None:
    """A 4-bit fast-scan searcher for this codec; None if its codes are not nibbles or FAISS packs them differently."""
    table = tier.quantizer.table_code()
    if not len(codes) or not faiss_available() or table is None or table.bits != 4:
        return None
    searcher = FastScanSearcher(tier, codes, table.centroids)
    return searcher if searcher.reads_back(codes) else None


class FastScanSearcher:
    """SIMD search in half-byte codes, with the best rows rescored from the same bytes.

    Fast-scan rounds each query's table of 16 products per part to 8 bits, so its scores are approximate. The best
    `OVERSAMPLING`·k rows, or more where rows lie so close that these may not hold the best k, are scored again with the
    float32 tables; the scores returned are those of decoded rows.
    The codes are held once, in the order FAISS packs them (32 rows per block), and rescoring reads them there.
    """

    def __init__(self, tier: Tier, codes: np.ndarray, levels: np.ndarray) -> None:
        import faiss

        metric = metric_of(tier.similarity)
        # differences do not depend on the origin, but FAISS's tables cancel far from it
        centre = levels.mean(axis=1, keepdims=True) if metric == "l2" else np.zeros((1, 1, 1), np.float32)
        levels = levels - centre
        plain = TableCode(4, levels).faiss_index(faiss_metric(metric))
        add_codes(plain, codes)
        index = faiss.IndexPQFastScan(plain)
        assert_metric(index, metric)
        self.tier = tier
        self.index = index
        self.levels = levels
        self.centre = centre.ravel()
        self.packed = faiss.rev_swig_ptr(index.codes.get(), index.codes.size())
        self.name = f"faiss IndexPQFastScan, {OVERSAMPLING}k rescored"
        self.ram_bytes = int(self.packed.nbytes) + tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        asked = np.ascontiguousarray(Z - self.centre, np.float32)
        scores = np.full((len(Q), k), -np.inf, np.float32)
        rows = np.full((len(Q), k), -1, np.int64)
        kept = min(k, self.index.ntotal)
        for start in range(0, len(Q), QUERY_BLOCK):
            here = slice(start, start + QUERY_BLOCK)
            scores[here, :kept], rows[here, :kept] = self.best(asked[here], kept)
        return scores + bias[:, None], rows

    def best(self, asked: np.ndarray, k: int) -> Found:
        """Exact scores (m, k), falling, and rows: of candidates that are widened until no other row can belong here."""
        scores, rows = np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64)
        left, count = np.arange(len(asked)), OVERSAMPLING * k
        while len(left) and OVERSAMPLING * count < self.index.ntotal:
            rough, places = self.index.search(asked[left], count)
            rough = -rough if self.tier.similarity == "euclidean" else rough
            tables = self.tables(asked[left])
            scores[left], rows[left] = best_of(exact(self.packed, tables, places), places, k)
            # FAISS leaves out rows whose rounded sum is 0; equal scores may lie beyond the candidates
            lacking = (places < 0).any(axis=1)
            left = left[lacking | (scores[left, -1] <= rough.min(axis=1) + allowed(tables))]
            count *= OVERSAMPLING
        every = np.arange(self.index.ntotal)[None]
        for query in left:
            found = exact(self.packed, self.tables(asked[query][None]), every)
            scores[query], rows[query] = best_of(found, every, k)
        return scores, rows

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
        found = exact(self.packed, tables, ends[None].astype(np.int64))
        nibbles = np.stack([codes[ends] & 15, codes[ends] >> 4], axis=2).reshape(len(ends), -1)[:, :parts]
        expected = tables[0, np.arange(parts), nibbles].sum(axis=1, dtype=np.float64)
        return bool(np.allclose(found[0], expected, atol=1e-3))


def allowed(tables: np.ndarray) -> np.ndarray:
    """(m,) by how much a sum may err.

    FAISS rounds the tables of a query to steps of at least 1/255 of the widest and 1/65,535 of all, so that a sum errs
    by many uniform errors; `SURE` of its deviations are allowed for, as if they were independent. Those of a query
    whose coordinates are all equal are not: it may miss a row that is that much nearer than one it found.
    """
    widest, total = _span_kernel()(tables)
    found: np.ndarray = SURE * np.maximum(widest / 255, total / 65_535) * np.sqrt(tables.shape[1] / 12)
    return found


def exact(packed: np.ndarray, tables: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(m, c) float32: the scores of the rows `places` (m, c), read from the packed bytes."""
    found = np.empty(places.shape, np.float32)
    _rescore_kernel()(packed, tables, places, found)
    return found


@cache
def _span_kernel() -> Any:

    @compiled()
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

    # one thread: a few thousand rows take less time than waking more threads
    @compiled()
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
