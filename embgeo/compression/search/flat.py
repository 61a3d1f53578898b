"""Search of every document: by decoding block after block, by a codec's own loop, or over the matrix itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.cells import Cells, sums_of
from embgeo.compression.search.searcher import BLOCK_ROWS, Found, any_norm
from embgeo.embeddings import Embeddings
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK, tie_order

LOOKED_UP = 16  # queries of a batch that are looked up one by one
DECODED_ROWS = 2048  # at a time, which stay in the cache of a core


@dataclass
class MatrixSearcher:
    """Exact float32 search over the matrix itself, or its first `rows`, by block: for a corpus too large to be copied
    into an index."""

    embeddings: Embeddings
    rows: int | None = None
    name: str = "float32 matrix by block"

    @cached_property
    def precedence(self) -> np.ndarray:
        return tie_order(self.embeddings.doc_ids)

    @property
    def ram_bytes(self) -> int:
        """What an index of float32 would hold; a memory map may hold less at a time."""
        return 4 * self.searched * self.embeddings.dimension

    @property
    def searched(self) -> int:
        return len(self.embeddings) if self.rows is None else self.rows

    def search(self, Q: np.ndarray, k: int) -> Found:
        best = TopK.empty(len(Q), k, self.precedence)
        for start, block in self.embeddings.blocks():
            if start >= self.searched:
                break
            block = block[: self.searched - start]
            best.merge(score(Q, block, self.embeddings.similarity), np.arange(start, start + len(block)))
        return best.scores, best.rows


@dataclass
class BlockSearcher:
    """Decode a block of rows, multiply with all queries, keep the best: right for every codec, fast for batches."""

    tier: Tier
    codes: np.ndarray
    name: str = "decode by block"

    @property
    def ram_bytes(self) -> int:
        return int(self.codes.nbytes) + self.tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        best = TopK.empty(len(Q), k)
        for start in range(0, len(self.codes), BLOCK_ROWS):
            block = self.tier.decode(self.codes[start : start + BLOCK_ROWS])
            best.merge(score(Z, block, self.tier.similarity), np.arange(start, start + len(block)))
        return best.scores + bias[:, None], best.rows


@dataclass
class LevelSearcher:
    """Codes that are sums over levels: few queries look up the bytes of every row, more go by decoded block."""

    tier: Tier
    cells: Cells
    name: str = "byte tables, 32 rows at a time; decoded blocks in batches"

    @property
    def ram_bytes(self) -> int:
        return self.cells.nbytes + self.tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        best = TopK.empty(len(Q), k)
        if len(Q) <= LOOKED_UP:
            best.merge(self.cells.scan(Z), np.arange(self.cells.rows))
        else:
            asked = self.cells.question(Z)
            for first in range(0, self.cells.rows, DECODED_ROWS):
                last = min(first + DECODED_ROWS, self.cells.rows)
                best.merge(self.cells.products(asked, first, last), np.arange(first, last))
            bias = bias + asked[1]
        return best.scores + bias[:, None], best.rows


def cells_of(tier: Tier, codes: np.ndarray) -> Cells | None:
    """The codes as cells; None if scores are not sums over levels of decoded rows."""
    code = sums_of(tier) if len(codes) else None
    return None if code is None else Cells.of(code, codes)


def search_by_levels(tier: Tier, codes: np.ndarray) -> LevelSearcher | None:
    """A searcher of codes that are sums over levels."""
    cells = cells_of(tier, codes)
    return None if cells is None else LevelSearcher(tier, cells)
