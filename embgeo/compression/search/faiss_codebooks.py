"""Search over codebook codes with FAISS: `IndexPQ` for bytes, 4-bit fast-scan for half bytes and any 16-level alphabet.

A scalar code of 16 levels a coordinate is a product code with one coordinate a part and given centroids, so `int4`,
`fp4` and `tq4` go through the SIMD loops made for `pq…x4` as well.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import FittedCodec
from embgeo.compression.codecs.quantizers.float4 import E2M1, FittedFloat4, signed_levels
from embgeo.compression.codecs.quantizers.pq import FittedProduct
from embgeo.compression.codecs.quantizers.turboquant import FittedTurboQuant
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.search.query_scale import any_length

OVERSAMPLING = 4
QUERY_BLOCK = 256
LANES = 32  # rows a block of the packed layout


def product_index(quantizer: FittedProduct, metric: int) -> Any:
    """An empty `IndexPQ` with our codebooks; codes go in as they are by `add_sa_codes`."""
    import faiss

    parts, _, width = quantizer.centroids.shape
    index = faiss.IndexPQ(parts * width, parts, quantizer.bits, metric)
    faiss.copy_array_to_vector(np.ascontiguousarray(quantizer.centroids).ravel(), index.pq.centroids)
    index.is_trained = True
    return index


def centre_codebooks(index: Any) -> np.ndarray:
    """Move the codebooks of an `IndexPQ` to their means, in place, and return these, (r,) float32, zeros elsewhere.

    Taken from the queries too they change no distance, and FAISS's tables of products do not cancel far from 0.
    """
    import faiss

    if not isinstance(index, faiss.IndexPQ):
        return np.zeros(index.d, np.float32)
    shape = index.pq.M, index.pq.ksub, index.pq.dsub
    centroids = faiss.vector_to_array(index.pq.centroids).reshape(shape)
    centre = centroids.mean(axis=1, keepdims=True)
    faiss.copy_array_to_vector((centroids - centre).ravel(), index.pq.centroids)
    return centre.ravel()


def half_byte_levels(quantizer: Any) -> np.ndarray | None:
    """(parts, 16, width) float32 of a quantizer whose codes are nibbles, even part low, or None."""
    if isinstance(quantizer, FittedProduct) and quantizer.bits == 4:
        return quantizer.centroids
    if isinstance(quantizer, FittedUniform) and quantizer.bits == 4:
        return alphabet(quantizer.low[:, None] + quantizer.step[:, None] * np.arange(16, dtype=np.float32))
    if isinstance(quantizer, FittedFloat4):
        return alphabet(quantizer.scale[:, None] * signed_levels(E2M1))
    if isinstance(quantizer, FittedTurboQuant) and quantizer.bits == 4:
        return alphabet(np.tile(quantizer.values, (quantizer.width, 1)))
    return None


def alphabet(levels: np.ndarray) -> np.ndarray:
    """(r, 16) levels of each coordinate → the (r, 16, 1) centroids of a product code that holds them."""
    return np.ascontiguousarray(levels, np.float32)[:, :, None]


def fast_scan(codec: FittedCodec, codes: np.ndarray) -> FastScanSearcher | None:
    """A 4-bit fast-scan searcher for this codec; None where its codes are no nibbles or FAISS packs them otherwise."""
    levels = half_byte_levels(codec.quantizer)
    if levels is None or not len(codes):
        return None
    searcher = FastScanSearcher(codec, codes, levels)
    return searcher if searcher.reads_back(codes) else None


class FastScanSearcher:
    """SIMD search in half-byte codes, its best rescored from the same bytes.

    Fast-scan rounds each query's table of 16 products a part to 8 bits, so its scores are approximate. The best
    `OVERSAMPLING`·k rows are scored again with the float32 tables; what is returned are scores of decoded rows.
    The codes are held once, in the order FAISS packs them (32 rows a block), and rescoring reads them there.
    """

    def __init__(self, codec: FittedCodec, codes: np.ndarray, levels: np.ndarray) -> None:
        import faiss

        metric = faiss.METRIC_L2 if codec.similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT
        # differences do not know where the origin lies, but FAISS's tables cancel far from it
        centre = levels.mean(axis=1, keepdims=True) if metric == faiss.METRIC_L2 else np.zeros((1, 1, 1), np.float32)
        levels = levels - centre
        plain = product_index(FittedProduct(4, levels), metric)
        for start in range(0, len(codes), 65536):
            plain.add_sa_codes(np.ascontiguousarray(codes[start : start + 65536]))
        index = faiss.IndexPQFastScan(plain)
        if index.metric_type != metric or plain.code_size != codec.code_bytes:
            raise AssertionError(f"FAISS built {index.metric_type}/{plain.code_size} for {codec.spec}")
        self.codec = codec
        self.index = index
        self.levels = levels
        self.centre = centre.ravel()
        self.packed = faiss.rev_swig_ptr(index.codes.get(), index.codes.size())
        self.name = f"faiss IndexPQFastScan, {OVERSAMPLING}k rescored"
        self.ram_bytes = int(self.packed.nbytes) + codec.state_bytes

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        Z, bias = self.codec.queries(Q)
        Z = np.ascontiguousarray(Z - self.centre, np.float32)
        scores = np.full((len(Q), k), -np.inf, np.float32)
        rows = np.full((len(Q), k), -1, np.int64)
        kept = min(k, self.index.ntotal)
        for start in range(0, len(Q), QUERY_BLOCK):
            here = slice(start, start + QUERY_BLOCK)
            found, places = self.rescored(Z[here], min(OVERSAMPLING * k, self.index.ntotal))
            order = np.lexsort((places, -found))[:, :kept]
            scores[here, :kept] = np.take_along_axis(found, order, 1)
            rows[here, :kept] = np.take_along_axis(places, order, 1)
        return scores + bias[:, None], rows

    def rescored(self, Z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The `count` best rows of fast-scan and their exact scores, in no order."""
        _, places = self.index.search(Z, count)
        found = np.empty(places.shape, np.float32)
        _rescore_kernel()(self.packed, self.tables(Z), places, found)
        return found, places

    def tables(self, Z: np.ndarray) -> np.ndarray:
        """(m, parts, 16) float32: what each level of each part adds to the score."""
        parts, _, width = self.levels.shape
        cut = Z.reshape(len(Z), parts, width)
        if self.codec.similarity != "euclidean":
            return np.einsum("mpw,pcw->mpc", cut, self.levels)
        return -((cut[:, :, None, :] - self.levels[None]) ** 2).sum(axis=3)

    def reads_back(self, codes: np.ndarray) -> bool:
        """Whether the packed bytes are laid out as the rescoring loop takes them to be, on the first and last rows."""
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
def _rescore_kernel() -> Any:
    import numba

    # one thread: a few thousand rows take less time than waking others
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
