"""Search of every document: by decoding block after block, by a codec's own loop, or over the matrix itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.part import Scorer
from embgeo.compression.search.searcher import BLOCK_ROWS, FEW_QUERIES, Found, any_norm
from embgeo.embeddings import Embeddings
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK, tie_order


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

    def search(self, Q: np.ndarray, k: int) -> Found:
        best = TopK.empty(len(Q), k, self.precedence)
        for start, block in self.embeddings.blocks():
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


class ScorerSearcher(BlockSearcher):
    """Up to a few queries are scored by the codec's own loop; more go by block."""

    def __init__(self, tier: Tier, codes: np.ndarray, scorer: Scorer) -> None:
        super().__init__(tier, codes, f"{scorer.name}, blocks in batches")
        self.scorer = scorer

    @property
    def ram_bytes(self) -> int:
        return super().ram_bytes + self.scorer.ram_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        if len(Q) > FEW_QUERIES:
            return super().search(Q, k)
        Z, bias = self.tier.queries(Q)
        best = TopK.empty(len(Q), k)
        best.merge(np.stack([self.scorer.ask(z)(None) for z in Z]), np.arange(len(self.codes)))
        return best.scores + bias[:, None], best.rows


def own_scorer(tier: Tier, codes: np.ndarray) -> Scorer | None:
    """The codec's own loop over these codes; None if it has none or scores are not inner products of decoded rows."""
    if tier.similarity == "euclidean" or tier.spec.centred:
        return None
    return tier.quantizer.scorer(codes)


def search_with_scorer(tier: Tier, codes: np.ndarray) -> ScorerSearcher | None:
    """A searcher by the codec's own loop, if it has one."""
    scorer = own_scorer(tier, codes)
    return None if scorer is None else ScorerSearcher(tier, codes, scorer)
