"""Search over a store's codes: FAISS where it has the format, our own paths where it has not.

Every searcher holds the codes as they are stored (1 byte, half a byte, one bit a coordinate); none keeps a float32
copy. `build_searcher` picks one:

    f32                  IndexFlat
    f16 bf16 int8        IndexScalarQuantizer, our codes and ranges handed over without re-encoding
    int4 fp4 tq4 pq…x4   IndexPQFastScan over our nibbles, the best 4k rescored exactly
    pq opq               IndexPQ with our codebooks
    fp8 (e4m3)           one query: a compiled loop over the bytes; batches: decode a block, multiply
    adaptive tqc         one query: a compiled loop over the packed levels; batches: decode a block, multiply
    binary               one query: a 256-entry table a byte; batches: decode a block, multiply
    anything else, and everything when FAISS is absent: decode a block, multiply

Specs with an index in front (`hnsw32,…`, `ivf256,…`) are searched by `indexed.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np

from embgeo.compression.codecs.codec import Codec, FittedCodec, TieredCodec
from embgeo.compression.codecs.part import Structure
from embgeo.compression.codecs.quantizers.adaptive import FittedAdaptive
from embgeo.compression.codecs.quantizers.binary import FittedSigns
from embgeo.compression.codecs.quantizers.casts import FittedCast
from embgeo.compression.codecs.quantizers.float8 import FittedFloat8
from embgeo.compression.codecs.quantizers.pq import FittedProduct
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.search.faiss_codebooks import centre_codebooks, fast_scan
from embgeo.compression.search.faiss_formats import code_index
from embgeo.compression.search.index_metric import flat_batches
from embgeo.compression.search.query_scale import any_length
from embgeo.embeddings import Embeddings
from embgeo.numeric.bits import bit_scores, e4m3_scores, table_scores, unpack_bits
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK, tie_order

BLOCK_ROWS = 8192


class Searcher(Protocol):
    """A searchable store."""

    @property
    def name(self) -> str: ...

    @property
    def ram_bytes(self) -> int: ...

    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, k) float32, larger is nearer, and rows (m, k) int64, −1 where there are fewer than k."""
        ...


def build_searcher(
    codec: Codec, codes: np.ndarray, device: str = "cpu", structure: Structure | None = None
) -> Searcher:
    """The fastest searcher for this codec on this machine.

    `device="cuda"` takes faiss-gpu where it is installed and has the index (float32 and float16), and otherwise decodes
    and multiplies there with torch.

    With a `structure` (links, lists) the search goes through it, on the CPU.
    """
    if isinstance(codec, TieredCodec):
        width = codec.search.code_bytes
        first = build_searcher(codec.search, np.ascontiguousarray(codes[:, :width]), device, structure)
        return TieredSearcher(codec, first, codes[:, width:])
    if structure is not None:
        from embgeo.compression.search.indexed import indexed_searcher

        return indexed_searcher(codec, codes, structure)
    if codec.spec.centred:
        return BlockSearcher(codec, codes)
    if device == "cuda":
        if _on_gpu(codec) and (index := _faiss_index(codec)) is not None:
            return GpuFaissSearcher(codec, codes, index)
        from embgeo.compression.search.on_torch import TorchSearcher

        return TorchSearcher(codec, codes, device)
    if faiss_available() and (fast := fast_scan(codec, codes)) is not None:
        return fast
    index = _faiss_index(codec)
    if index is not None:
        return FaissSearcher(codec, codes, index)
    if codec.similarity != "euclidean":
        if isinstance(codec.quantizer, FittedFloat8) and codec.quantizer.format == "e4m3":
            return ByteSearcher(codec, codes, "numba e4m3 loop, blocks in batches")
        if isinstance(codec.quantizer, FittedAdaptive):
            return AdaptiveSearcher(codec, codes, codec.quantizer)
        if isinstance(codec.quantizer, FittedSigns):
            return ByteSearcher(codec, codes, "numba byte tables, blocks in batches")
    return BlockSearcher(codec, codes)


@dataclass
class MatrixSearcher:
    """Exact float32 search over the matrix itself, by block: for a corpus too large to be copied into an index."""

    embeddings: Embeddings
    name: str = "float32 matrix by block"

    @cached_property
    def precedence(self) -> np.ndarray:
        return tie_order(self.embeddings.doc_ids)

    @property
    def ram_bytes(self) -> int:
        """What an index of float32 would hold; a memory map may hold less at a time."""
        return 4 * len(self.embeddings) * self.embeddings.dimension

    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        best = TopK.empty(len(Q), k, self.precedence)
        for start, block in self.embeddings.blocks():
            best.merge(score(Q, block, self.embeddings.similarity), np.arange(start, start + len(block)))
        return best.scores, best.rows


@dataclass
class TieredSearcher:
    """Search the first tier, rescore factor · k candidates with the second; both are held in memory."""

    codec: TieredCodec
    first: Searcher
    rescore_codes: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.first.name}, rescored"

    @property
    def ram_bytes(self) -> int:
        """Both tiers and both codecs: the copy kept for rescoring is searched, and timed, from memory too."""
        return self.first.ram_bytes + int(self.rescore_codes.nbytes) + self.codec.rescore.state_bytes

    def with_effort(self, effort: int) -> TieredSearcher:
        """The same with another effort of the index under the first tier."""
        return replace(self, first=cast(Any, self.first).with_effort(effort))

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        _, rows = self.first.search(Q, min(k * self.codec.factor, len(self.rescore_codes)))
        Z, bias = self.codec.rescore.queries(Q)
        candidates = np.maximum(rows, 0)
        decoded = self.codec.rescore.decode(self.rescore_codes[candidates.ravel()])
        scores = pair_scores(Z, decoded.reshape(*rows.shape, -1), self.codec.similarity) + bias[:, None]
        return best_of(np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows, k)


def pair_scores(Z: np.ndarray, documents: np.ndarray, similarity: str) -> np.ndarray:
    """(m, c) scores of each query (m, r) with its own candidates (m, c, r)."""
    if similarity == "euclidean":
        gaps = documents - Z[:, None, :]
        return -np.einsum("mcr,mcr->mc", gaps, gaps)
    return np.einsum("mcr,mr->mc", documents, Z)


def best_of(scores: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each row, descending, equal scores in row order; padded with −inf and −1."""
    order = np.lexsort((rows, -scores))[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    if (missing := k - rows.shape[1]) > 0:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return scores, rows


@dataclass
class BlockSearcher:
    """Decode a block of rows, multiply with all queries, keep the best: right for every codec, fast for batches."""

    codec: FittedCodec
    codes: np.ndarray
    name: str = "decode by block"

    @property
    def ram_bytes(self) -> int:
        return int(self.codes.nbytes) + self.codec.state_bytes

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        Z, bias = self.codec.queries(Q)
        best = TopK.empty(len(Q), k)
        for start in range(0, len(self.codes), BLOCK_ROWS):
            block = self.codec.decode(self.codes[start : start + BLOCK_ROWS])
            best.merge(score(Z, block, self.codec.similarity), np.arange(start, start + len(block)))
        return best.scores + bias[:, None], best.rows


FEW_QUERIES = 4


@dataclass
class ByteSearcher(BlockSearcher):
    """Up to a few queries are scored straight from the bytes by a compiled loop; more go by block."""

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if len(Q) > FEW_QUERIES:
            return super().search(Q, k)
        Z, bias = self.codec.queries(Q)
        best = TopK.empty(len(Q), k)
        scores = np.stack([self._scores(z) for z in Z])
        best.merge(scores, np.arange(len(self.codes)))
        return best.scores + bias[:, None], best.rows

    def _scores(self, z: np.ndarray) -> np.ndarray:
        quantizer = self.codec.quantizer
        if isinstance(quantizer, FittedFloat8):
            return e4m3_scores(self.codes, z / quantizer.scale[0])
        assert isinstance(quantizer, FittedSigns)
        return table_scores(self.codes, sign_tables(z, quantizer))


class AdaptiveSearcher(ByteSearcher):
    """Adaptive bits: a few queries are scored from the packed levels; each decoded row keeps its length (4 bytes)."""

    def __init__(self, codec: FittedCodec, codes: np.ndarray, adaptive: FittedAdaptive) -> None:
        super().__init__(codec, codes, "numba loop over packed levels, blocks in batches")
        self.adaptive = adaptive
        squares = [
            np.einsum("ij,ij->i", block, block)
            for start in range(0, len(codes), BLOCK_ROWS)
            for block in [unpack_bits(codes[start : start + BLOCK_ROWS], adaptive.bits, adaptive.tables)]
        ]
        lengths = np.sqrt(np.concatenate(squares)) if adaptive.unit else np.ones(len(codes), np.float32)
        self.lengths = np.where(lengths > 0, lengths, 1).astype(np.float32)

    @property
    def ram_bytes(self) -> int:
        return super().ram_bytes + self.lengths.nbytes

    def _scores(self, z: np.ndarray) -> np.ndarray:
        products = bit_scores(self.codes, self.adaptive.bits, self.adaptive.tables * z[:, None])
        return products / self.lengths


def sign_tables(z: np.ndarray, quantizer: FittedSigns) -> np.ndarray:
    """(code_bytes, 256) float32: what each byte of signs adds to the score of query `z`."""
    padded = np.zeros(8 * quantizer.code_bytes, np.float32)
    padded[: len(z)] = z * quantizer.magnitude[0]
    signs = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.float32) * 2 - 1
    return padded.reshape(-1, 8) @ signs.T


class FaissSearcher:
    """A flat FAISS index that holds our codes byte for byte."""

    def __init__(self, codec: FittedCodec, codes: np.ndarray, index: Any) -> None:
        import faiss

        expected = faiss.METRIC_L2 if codec.similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT
        if index.metric_type != expected or index.code_size != codec.code_bytes:
            raise AssertionError(f"FAISS built {index.metric_type}/{index.code_size} for {codec.spec}")
        for start in range(0, len(codes), 65536):
            index.add_sa_codes(np.ascontiguousarray(codes[start : start + 65536]))
        self.codec = codec
        self.index = index
        self.centre = centre_codebooks(index) if expected == faiss.METRIC_L2 else np.float32(0)
        self.name = f"faiss {type(index).__name__}"
        self.ram_bytes = int(codes.nbytes) + codec.state_bytes

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        Z, bias = self.codec.queries(Q)
        asked = np.ascontiguousarray(Z - self.centre, np.float32)
        found = [self.index.search(asked[part], min(k, self.index.ntotal)) for part in flat_batches(self.index, asked)]
        scores, rows = (np.concatenate([answer[side] for answer in found]) for side in (0, 1))
        if self.codec.similarity == "euclidean":
            scores = -scores
        # FAISS leaves equal scores in heap order: put them in row order, as everywhere else
        scores, rows = best_of(scores, rows, k)
        return scores + bias[:, None], rows


class GpuFaissSearcher(FaissSearcher):
    """The same on the first CUDA device, by faiss-gpu."""

    def __init__(self, codec: FittedCodec, codes: np.ndarray, index: Any) -> None:
        import faiss

        super().__init__(codec, codes, index)
        self._resources = faiss.StandardGpuResources()  # owns the memory of the index: it must live as long
        self.index = faiss.index_cpu_to_gpu(self._resources, 0, self.index)
        if self.index.metric_type != index.metric_type:
            raise AssertionError(f"faiss-gpu built metric {self.index.metric_type} for {codec.spec}")
        self.name = f"faiss {type(self.index).__name__} on the GPU"


def _on_gpu(codec: FittedCodec) -> bool:
    """Whether faiss-gpu is there with a device, and has a flat index of this format.

    Not under euclidean similarity: there it takes norms and products, which cancel far from the origin.
    """
    if codec.similarity == "euclidean":
        return False
    if not isinstance(codec.quantizer, FittedCast) or codec.quantizer.format not in ("f32", "f16"):
        return False
    if not faiss_available():
        return False
    import faiss

    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def faiss_available() -> bool:
    """Whether a FAISS build is installed (`EMBGEO_NO_FAISS=1` hides it, for tests)."""
    if os.environ.get("EMBGEO_NO_FAISS"):
        return False
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def _faiss_index(codec: FittedCodec) -> Any | None:
    """An empty trained index of exactly this format, or None where FAISS has none that is faster than our own paths."""
    native = isinstance(codec.quantizer, FittedCast | FittedUniform | FittedProduct)
    return code_index(codec) if native and faiss_available() else None
