"""Codes that decode to a sum of codewords, one per step, each step with its own number of bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Lengths = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class AdditiveCode:
    """A row decodes to constant + Σ_s codeword(s, level_s); levels of bits[s] bits follow each other, lowest first.

    Codeword(s, level) is tables[s, level] in the coordinates from places[s] on, and 0 elsewhere.

    Attributes
    ----------
    width : r, coordinates of a decoded row.
    bits, places : (steps,) integers; 1 to 8 bits.
    tables : (steps, 256, w) float32.
    constant : (r,) float32.
    lengths : codes (n, b) → (n,) norms that decoding divides the sums by, or None if the sum is the decoded row.
    """

    width: int
    bits: np.ndarray
    places: np.ndarray
    tables: np.ndarray
    constant: np.ndarray
    lengths: Lengths | None = None

    @classmethod
    def of_levels(cls, bits: np.ndarray, levels: np.ndarray, lengths: Lengths | None = None) -> AdditiveCode:
        """From the levels (r, 256) of each coordinate; one of 0 bits always decodes to its level 0."""
        used = np.flatnonzero(bits)
        constant = np.where(bits > 0, np.float32(0), levels[:, 0])
        return cls(len(bits), bits[used].astype(np.int64), used, levels[used][:, :, None], constant, lengths)

    @property
    def codebook_bytes(self) -> int:
        """What FAISS holds for it: every codeword as a whole row of float32."""
        return 4 * self.width * int((1 << self.bits).sum())

    def with_byte(self, table: np.ndarray) -> AdditiveCode:
        """One more step, of one whole byte after the codes, whose codewords table (256,) lie in one more coordinate."""
        unused = -int(self.bits.sum()) % 8  # bits that end the last byte of a code: a step of codewords 0
        bits, places = [8], [self.width]
        steps = np.zeros((2 if unused else 1, *self.tables.shape[1:]), np.float32)
        steps[-1, :, 0] = table
        if unused:
            bits, places = [unused, *bits], [0, *places]
        return replace(
            self,
            width=self.width + 1,
            bits=np.append(self.bits, bits),
            places=np.append(self.places, places),
            tables=np.concatenate([self.tables, steps]),
            constant=np.append(self.constant, np.float32(0)),
        )

    def codebook(self) -> np.ndarray:
        """(Σ 2^bits, r) float32: the codewords of all steps one after another; those of the first hold the constant."""
        rows = np.zeros((int((1 << self.bits).sum()), self.width), np.float32)
        start = 0
        for bits, place, table in zip(self.bits.tolist(), self.places.tolist(), self.tables, strict=True):
            end = start + (1 << bits)
            held = rows[start:end, place : place + table.shape[1]]
            held[:] = table[: 1 << bits, : held.shape[1]]
            start = end
        rows[: 1 << int(self.bits[0])] += self.constant
        return rows

    def faiss_index(self, metric: int) -> Any:
        """An empty trained `IndexResidualQuantizer`; codes go in as they are by `add_sa_codes`.

        Inner products are sums of looked-up products; for L2 every row is decoded, which is exact and slow.
        """
        import faiss

        sizes: Any = faiss.UInt64Vector()
        faiss.copy_array_to_vector(self.bits.astype(np.uint64), sizes)
        products = metric == faiss.METRIC_INNER_PRODUCT
        search = faiss.AdditiveQuantizer.ST_LUT_nonorm if products else faiss.AdditiveQuantizer.ST_decompress
        index: Any = faiss.IndexResidualQuantizer(self.width, sizes, metric, search)
        # the products of all pairs of codewords, which only encoding needs, would be computed whenever it is read
        index.rq.train_type |= faiss.ResidualQuantizer.Skip_codebook_tables
        faiss.copy_array_to_vector(self.codebook().ravel(), index.rq.codebooks)
        index.rq.is_trained = index.is_trained = True
        return index
