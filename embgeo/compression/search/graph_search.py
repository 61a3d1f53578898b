"""Walking a stored graph: by FAISS where it holds the codes, else by a beam that decodes what it meets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import FittedCodec
from embgeo.compression.search.index_metric import assert_metric
from embgeo.compression.search.indices.hnsw import Graph
from embgeo.compression.search.query_scale import any_length
from embgeo.compression.search.searcher import best_of, pair_scores
from embgeo.threads import one_numba_thread

EXPANDED = 4  # documents of a beam whose links are followed at a time: fewer, larger steps
SEEN_BYTES = 64 * 2**20


def faiss_graph(graph: Graph, storage: Any) -> Any:
    """A FAISS index of our links over `storage`, which holds the codes; AssertionError where the metrics differ."""
    import faiss

    index: Any = faiss.IndexHNSW(storage, graph.links)
    storage.this.disown()
    index.own_fields = True
    hnsw = index.hnsw
    sizes = graph.links * (2 + graph.tops.astype(np.int64))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    neighbours = np.empty(int(starts[-1]), np.int32)
    on_ground = np.zeros(len(neighbours), bool)
    on_ground[(starts[:-1, None] + np.arange(2 * graph.links)).ravel()] = True
    neighbours[on_ground], neighbours[~on_ground] = graph.ground.ravel(), graph.upper.ravel()
    faiss.copy_array_to_vector(neighbours, hnsw.neighbors)
    faiss.copy_array_to_vector(starts.astype(np.uint64), hnsw.offsets)
    faiss.copy_array_to_vector(graph.tops.astype(np.int32) + 1, hnsw.levels)
    hnsw.entry_point, hnsw.max_level = graph.entry, int(graph.tops.max())
    hnsw.efSearch = graph.effort
    index.ntotal, index.is_trained = storage.ntotal, True
    assert_metric(index, graph.metric)
    return index


@dataclass(frozen=True)
class FaissGraphSearcher:
    """FAISS walks the graph and scores the store's own bytes; `effort` is its efSearch."""

    codec: FittedCodec
    graph: Graph
    index: Any
    effort: int
    ram_bytes: int

    @property
    def name(self) -> str:
        import faiss

        return f"faiss IndexHNSW over {type(faiss.downcast_index(self.index.storage)).__name__}"

    def with_effort(self, effort: int) -> FaissGraphSearcher:
        return replace(self, effort=effort)

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        import faiss

        Z, bias = self.codec.queries(Q)
        library: Any = faiss
        asked = library.SearchParametersHNSW(efSearch=self.effort)
        scores, rows = self.index.search(
            np.ascontiguousarray(Z, np.float32), min(k, self.index.ntotal), params=asked
        )  # fmt: skip
        scores = -scores if self.graph.metric == "l2" else scores
        scores, rows = best_of(np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows, k)
        return scores + bias[:, None], rows


@dataclass(frozen=True)
class BeamSearcher:
    """The same walk for every other codec: all queries of a batch step together, what a step meets is decoded once.

    Right for any codec, without a float32 copy; slow for one query (some milliseconds of small steps).
    """

    codec: FittedCodec
    graph: Graph
    codes: np.ndarray
    effort: int
    name: str = "beam over stored links, decoding what it meets"

    @property
    def ram_bytes(self) -> int:
        graph = self.graph
        arrays = (self.codes, graph.ground, graph.upper, graph.tops, self.firsts)
        return sum(array.nbytes for array in arrays) + self.codec.state_bytes

    @cached_property
    def firsts(self) -> np.ndarray:
        return self.graph.firsts

    def with_effort(self, effort: int) -> BeamSearcher:
        return replace(self, effort=effort)

    @any_length
    def search(self, Q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        Z, bias = self.codec.queries(Q)
        together = max(1, SEEN_BYTES // len(self.codes))
        with one_numba_thread():
            found = [self._walk(Z[at : at + together], k) for at in range(0, len(Z), together)]
        scores = np.concatenate([scores for scores, _ in found])
        return scores + bias[:, None], np.concatenate([rows for _, rows in found])

    def _walk(self, Z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = np.arange(len(Z))
        rows = self._descend(Z)[:, None]
        scores = self._scores(Z, rows)
        seen = np.zeros((len(Z), len(self.codes)), bool)
        seen[queries, rows[:, 0]] = True
        spent = np.zeros(rows.shape, bool)
        beam = max(self.effort, k)
        while not spent.all():
            # scores descend along a beam: its first unspent documents are the best
            order = np.argsort(spent, axis=1, kind="stable")[:, :EXPANDED]
            fresh = ~np.take_along_axis(spent, order, 1)
            np.put_along_axis(spent, order, True, 1)
            ahead = self.graph.ground[np.take_along_axis(rows, order, 1)]
            ahead = np.where(fresh[:, :, None], ahead, -1).reshape(len(Z), -1)
            ahead = np.sort(ahead, axis=1)
            ahead[:, 1:][ahead[:, 1:] == ahead[:, :-1]] = -1
            ahead[seen[queries[:, None], np.maximum(ahead, 0)]] = -1
            there = ahead >= 0
            if there.any():
                seen[np.nonzero(there)[0], ahead[there]] = True
                rows = np.hstack([rows, ahead])
                scores = np.hstack([scores, self._scores(Z, ahead)])
                spent = np.hstack([spent, ~there])
                keep = np.lexsort((rows, -scores))[:, :beam]
                rows, scores, spent = (np.take_along_axis(array, keep, 1) for array in (rows, scores, spent))
        return best_of(scores, rows, k)

    def _descend(self, Z: np.ndarray) -> np.ndarray:
        """(m,) where each query enters the ground layer: on every layer above, step to the best while one is better."""
        graph = self.graph
        at = np.full(len(Z), graph.entry)
        score = self._scores(Z, at[:, None])[:, 0]
        for layer in range(int(graph.tops[graph.entry]), 0, -1):
            moving = np.arange(len(Z))
            while len(moving):
                ahead = graph.upper[self.firsts[at[moving]] + layer - 1]
                scores = self._scores(Z[moving], ahead)
                best = scores.argmax(axis=1)
                top = scores[np.arange(len(moving)), best]
                better = top > score[moving]
                at[moving[better]] = ahead[better, best[better]]
                score[moving[better]] = top[better]
                moving = moving[better]
        return at

    def _scores(self, Z: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(m, c) scores of each query with its own rows, −inf for row −1; each row is decoded once."""
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        if there.any():
            which, place = np.unique(rows[there], return_inverse=True)
            decoded = self.codec.decode(self.codes[which])
            query = np.nonzero(there)[0]
            scores[there] = pair_scores(Z[query], decoded[place][:, None, :], self.codec.similarity)[:, 0]
        return scores
