"""Reading the lists of a few centroids: by FAISS where it holds the codes, else by decoding a list at a time."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import FittedCodec
from embgeo.compression.search.index_metric import assert_metric, faiss_metric, flat_batches
from embgeo.compression.search.indices.ivf import Lists, list_scores
from embgeo.compression.search.query_scale import any_length
from embgeo.compression.search.searcher import BLOCK_ROWS, FEW_QUERIES, best_of
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK
from embgeo.threads import one_numba_thread

SMALL_LIST = 4096  # rows a list on average, below which one thread reads it


def faiss_lists(lists: Lists, flat: Any, codes: np.ndarray) -> Any:
    """A FAISS index of our lists with the format of `flat`, an empty index that takes our codes."""
    import faiss

    count, width = lists.centroids.shape
    metric = faiss_metric(lists.metric)
    coarse: Any = faiss.IndexFlat(width, metric)
    coarse.add(np.ascontiguousarray(lists.centroids))
    index: Any
    if isinstance(flat, faiss.IndexFlat):
        index = faiss.IndexIVFFlat(coarse, width, count, metric)
    elif isinstance(flat, faiss.IndexScalarQuantizer):
        index = faiss.IndexIVFScalarQuantizer(coarse, width, count, flat.sq.qtype, metric, False)
        index.sq.trained = flat.sq.trained
    else:
        index = faiss.IndexIVFPQ(coarse, width, count, flat.pq.M, flat.pq.nbits, metric)
        index.by_residual = False
        index.pq.centroids = flat.pq.centroids
    coarse.this.disown()
    index.own_fields = True
    if index.by_residual and not isinstance(flat, faiss.IndexFlat):
        raise AssertionError("FAISS would code residuals, not documents")
    assert_metric(index, lists.metric)
    for number, (begin, end) in enumerate(zip(lists.bounds[:-1], lists.bounds[1:], strict=True)):
        rows = lists.rows[begin:end].astype(np.int64)
        if len(rows):
            held = np.ascontiguousarray(codes[rows])
            index.invlists.add_entries(number, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(held))
    index.ntotal, index.is_trained = len(codes), True
    index.nprobe = min(lists.effort, count)
    return index


@dataclass(frozen=True)
class FaissListSearcher:
    """FAISS reads the lists and scores the store's own bytes; `effort` is its nprobe."""

    codec: FittedCodec
    lists: Lists
    index: Any
    effort: int
    ram_bytes: int

    @property
    def name(self) -> str:
        return f"faiss {type(self.index).__name__}"

    def with_effort(self, effort: int) -> FaissListSearcher:
        return replace(self, effort=effort)

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        import faiss

        Z, bias = self.codec.queries(Q)
        library: Any = faiss
        asked = library.SearchParametersIVF(nprobe=min(self.effort, self.index.nlist))
        Z, kept = np.ascontiguousarray(Z, np.float32), min(k, self.index.ntotal)
        found = [self.index.search(Z[part], kept, params=asked) for part in flat_batches(self.index, Z)]
        scores, rows = (np.concatenate([answer[side] for answer in found]) for side in (0, 1))
        scores = -scores if self.lists.metric == "l2" else scores
        scores, rows = best_of(np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows, k)
        return scores + bias[:, None], rows


@dataclass(frozen=True)
class ListSearcher:
    """Each list that a batch probes is decoded once for all its queries; a few queries read all theirs at once."""

    codec: FittedCodec
    lists: Lists
    codes: np.ndarray
    effort: int
    name: str = "inverted lists, decoded list by list"

    @property
    def ram_bytes(self) -> int:
        held = self.lists
        return sum(a.nbytes for a in (self.codes, held.rows, held.ends, held.centroids)) + self.codec.state_bytes

    def with_effort(self, effort: int) -> ListSearcher:
        return replace(self, effort=effort)

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        Z, bias = self.codec.queries(Q)
        held = self.lists
        nearness = list_scores(Z, held.centroids, held.metric)
        probed = np.argsort(-nearness, axis=1, kind="stable")[:, : self.effort]
        best = TopK.empty(len(Z), k)
        few = len(Z) <= FEW_QUERIES
        with one_numba_thread() if len(held.rows) < SMALL_LIST * len(held.ends) else nullcontext():
            (self._read_by_query if few else self._read_by_list)(Z, probed, best)
        return best.scores + bias[:, None], best.rows

    def _read_by_query(self, Z: np.ndarray, probed: np.ndarray, best: TopK) -> None:
        held, bounds = self.lists, self.lists.bounds
        for query, numbers in enumerate(probed):
            rows = np.concatenate([held.rows[bounds[number] : bounds[number + 1]] for number in numbers])
            for start in range(0, len(rows), BLOCK_ROWS):
                part = rows[start : start + BLOCK_ROWS]
                mine = TopK(best.scores[query : query + 1], best.rows[query : query + 1])
                block = self.codec.decode(self.codes[part])
                mine.merge(score(Z[query : query + 1], block, self.codec.similarity), part)

    def _read_by_list(self, Z: np.ndarray, probed: np.ndarray, best: TopK) -> None:
        held, bounds = self.lists, self.lists.bounds
        for number in np.unique(probed):
            rows = held.rows[bounds[number] : bounds[number + 1]]
            if not len(rows):
                continue
            asking = np.flatnonzero((probed == number).any(axis=1))
            block = self.codec.decode(self.codes[rows])
            mine = TopK(best.scores[asking], best.rows[asking])
            mine.merge(score(Z[asking], block, self.codec.similarity), rows)
            best.scores[asking], best.rows[asking] = mine.scores, mine.rows
