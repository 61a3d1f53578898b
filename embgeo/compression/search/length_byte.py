"""A byte per vector by which FAISS makes up for the lengths of decoded rows, which it cannot divide by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.compression.codecs.additive_code import AdditiveCode
from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.on_faiss import add_codes, faiss_metric

QUERIES = 256
ROWS = 5_000
K = 10
SHARE = 0.4
SEED = 0x1E46


@dataclass(frozen=True)
class LengthByte:
    """A code whose last byte corrects the inner product q·s of a query and a sum of codewords for the sum's length.

    q·s / |s| = q·s + q·s · (1/|s| − 1). FAISS adds, not multiplies: the byte is the nearest of 256 quantiles of
    1/|s| − 1, one more coordinate holds it, and there a query holds q·mean + weight, what it scores with documents that
    may be found; this is exact where q·s is that. The weight is .4 of what the ten nearest documents of documents score
    beyond the mean: queries of users score less, and a document far from a query must not gain by being short. On
    SciFact and Python's own documentation × MiniLM shares of .3 to .5 differ by at most .005 of recall for adaptive
    bits of 24 bytes or more; a weight alone, without q·mean, finds less (.676 for .681 at 24 bytes of SciFact).

    Attributes
    ----------
    code : of our bytes followed by the byte.
    byte : (n, 1) uint8.
    mean : (r,) float32 mean sum of codewords.
    weight : what queries hold in the last coordinate beyond q·mean.
    kept, kept_without : the share of our ten nearest that FAISS finds, for documents as queries on a sample of
        documents, with and without the byte; nan if there are too few documents.
    queries, rows : the size of that sample.
    """

    code: AdditiveCode
    byte: np.ndarray
    mean: np.ndarray
    weight: float
    kept: float
    kept_without: float
    queries: int
    rows: int

    @property
    def note(self) -> str:
        """What it loses, in a sentence."""
        if np.isnan(self.kept):
            return "FAISS corrects for the length of a decoded vector by one byte more per vector, to first order"
        return (
            f"FAISS cannot divide by the length of a decoded vector; one byte more per vector corrects for it to first "
            f"order. With {self.queries:,} documents as queries among {self.rows:,} of the store, FAISS's scores keep "
            f"{100 * self.kept:.1f} % of the ten that ours rank first ({100 * self.kept_without:.1f} % without the "
            "byte)"
        )


def length_byte(tier: Tier, code: AdditiveCode, codes: np.ndarray) -> LengthByte | None:
    """The byte for every row of `codes` (n, b), or None if decoding does not divide by lengths."""
    if code.lengths is None:
        return None
    gains = 1 / code.lengths(codes) - 1
    table = np.quantile(gains, (np.arange(256) + 0.5) / 256).astype(np.float32)
    byte = np.searchsorted((table[1:] + table[:-1]) / 2, gains).astype(np.uint8)[:, None]
    longer = code.with_byte(table)
    rng = np.random.default_rng(SEED)
    rows = rng.choice(len(codes), min(len(codes), ROWS), replace=False)
    decoded = tier.decode(np.ascontiguousarray(codes[rows]))
    queries = min(QUERIES, len(rows))
    mean = (decoded * code.lengths(codes[rows])[:, None]).mean(axis=0, dtype=np.float64).astype(np.float32)
    if len(rows) <= 2 * K:
        return LengthByte(longer, byte, mean, 0.0, np.nan, np.nan, queries, len(rows))
    Q = decoded[:queries]
    scores = Q @ decoded.T
    np.fill_diagonal(scores, -np.inf)  # a document does not find itself
    nearest = -np.partition(-scores, K - 1, axis=1)[:, :K]
    share = Q @ mean
    weight = SHARE * float((nearest - share[:, None]).mean(dtype=np.float64))
    index = longer.faiss_index(faiss_metric("inner_product"))
    add_codes(index, np.hstack([codes[rows], byte[rows]]))
    kept, without = (
        _kept(index, np.column_stack([Q, last]), scores, nearest.min(axis=1)) for last in (share + weight, 0 * share)
    )
    return LengthByte(longer, byte, mean, weight, kept, without, queries, len(rows))


def _kept(index: Any, Q: np.ndarray, scores: np.ndarray, least: np.ndarray) -> float:
    """The share of the K rows found, the query's own left out, whose score (m, n) is at least the query's `least`."""
    found = index.search(np.ascontiguousarray(Q, np.float32), K + 1)[1]
    own = found == np.arange(len(Q))[:, None]
    own[~own.any(axis=1), -1] = True
    others = found[~own].reshape(len(Q), K)
    return float((np.take_along_axis(scores, others, axis=1) >= least[:, None] - 1e-6).mean())
