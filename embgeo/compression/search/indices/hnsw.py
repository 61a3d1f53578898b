"""A navigable graph over the codes (`hnsw32`): each document has links to near ones, and a search follows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.part import Index, Structure, index
from embgeo.compression.search.cells import Cells, keep, row_score
from embgeo.compression.search.flat import cells_of
from embgeo.compression.search.on_faiss import add_codes, assert_metric, faiss_available, faiss_metric
from embgeo.compression.search.searcher import EffortSearcher, Found, any_norm, best_of, metric_of, pair_scores
from embgeo.errors import InputError, MissingExtraError
from embgeo.numeric.compiled import compiled
from embgeo.retrieval.exact import score
from embgeo.threads import limited_threads, one_numba_thread

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]

EFFORT = 64
BUILD_EFFORT = 40  # 100 and 200 took 1.7 and 3.8 times as long on SciFact × MiniLM and found no more
MAX_LINKS = 256
EXPANDED = 4  # documents of a beam whose links are followed at a time: fewer, larger steps
SEEN_BYTES = 64 * 2**20
TABLES = 64  # queries whose tables are made at a time
score_of: Any = None
take: Any = None


@dataclass(frozen=True)
class Graph(Structure):
    """Links by row number, −1 in free slots. It holds no vectors: the store's codes are scored.

    Attributes
    ----------
    metric : `inner_product` or `l2`.
    effort : the default beam width of a search.
    entry : the row where every search starts.
    ground : (n, 2·links) int32, the links of the layer that holds all documents.
    upper : (u, links) int32, the links of higher layers: document after document, each from layer 1 upwards.
    tops : (n,) uint8, the highest layer of each document.
    """

    kind: ClassVar[str] = "Graph"
    metric: str
    effort: int
    entry: int
    ground: np.ndarray
    upper: np.ndarray
    tops: np.ndarray

    @property
    def links(self) -> int:
        return self.ground.shape[1] // 2

    @property
    def firsts(self) -> np.ndarray:
        """(n,) int64: where each document's rows begin in `upper`."""
        return np.concatenate([[0], np.cumsum(self.tops, dtype=np.int64)])[:-1]

    def check(self, rows: int, width: int) -> None:
        if self.metric not in ("inner_product", "l2") or self.effort < 1:
            raise ValueError("the graph has an unknown metric or effort")
        shapes = self.ground.shape == (rows, 2 * self.links) and self.tops.shape == (rows,)
        if not shapes or self.upper.shape != (int(self.tops.sum(dtype=np.int64)), self.links):
            raise ValueError("the graph does not match these documents")
        for links in (self.ground, self.upper):
            if links.size and not -1 <= int(links.min()) <= int(links.max()) < rows:
                raise ValueError("a link of the graph points to no document")
        if not 0 <= self.entry < rows or self.tops[self.entry] != self.tops.max():
            raise ValueError("the graph has no entry point")
        own = np.repeat(self.tops, self.tops)
        layer = np.arange(len(own)) - np.repeat(self.firsts, self.tops) + 1
        if (self.tops[np.maximum(self.upper, 0)] < layer[:, None])[self.upper >= 0].any():
            raise ValueError("a link of the graph leads to a document that is not on its layer")

    def searcher(self, tier: Tier, codes: np.ndarray) -> EffortSearcher:
        if (cells := cells_of(tier, codes)) is not None:
            return WalkSearcher(tier, self, cells, self.effort)
        return BeamSearcher(tier, self, codes, self.effort)

    def on_faiss(self, flat: Any, codes: np.ndarray) -> Any:
        import faiss

        add_codes(flat, codes)
        index: Any = faiss.IndexHNSW(flat, self.links)
        flat.this.disown()
        index.own_fields = True
        hnsw = index.hnsw
        sizes = self.links * (2 + self.tops.astype(np.int64))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        neighbours = np.empty(int(starts[-1]), np.int32)
        on_ground = np.zeros(len(neighbours), bool)
        on_ground[(starts[:-1, None] + np.arange(2 * self.links)).ravel()] = True
        neighbours[on_ground], neighbours[~on_ground] = self.ground.ravel(), self.upper.ravel()
        faiss.copy_array_to_vector(neighbours, hnsw.neighbors)
        faiss.copy_array_to_vector(starts.astype(np.uint64), hnsw.offsets)
        faiss.copy_array_to_vector(self.tops.astype(np.int32) + 1, hnsw.levels)
        hnsw.entry_point, hnsw.max_level = self.entry, int(self.tops.max())
        hnsw.efSearch = self.effort
        index.ntotal, index.is_trained = flat.ntotal, True
        assert_metric(index, self.metric)
        return index

    def faiss_parameters(self, effort: int) -> Any:
        import faiss

        library: Any = faiss
        return library.SearchParametersHNSW(efSearch=effort)

    @property
    def faiss_ram_bytes(self) -> int:
        # an offset of 8 bytes and a layer of 4 per document
        return int(self.ground.nbytes + self.upper.nbytes) + 12 * len(self.tops)

    @property
    def faiss_file_bytes(self) -> int:
        return self.faiss_ram_bytes

    def without_rows(self, flat: Any) -> Any:
        import faiss

        return faiss.IndexHNSW(flat, self.links)


@index(
    r"hnsw(\d+)(?:ef(\d+))?",
    example="hnsw32",
    summary="graph with that many links per document (twice as many on the base layer); hnsw32ef64 sets the beam width",
    fitted=Graph,
)
@dataclass(frozen=True)
class HNSW(Index):
    """Hierarchical navigable small world graph, built and searched under the store's own similarity.

    Links are chosen from decoded documents by FAISS on one thread, so that equal seeds give equal graphs; layers are
    filled by quota, ⌊n / links^l⌋ documents on layer l, so that the size is known in advance. Documents that no search
    would reach (few: duplicates, short vectors under inner product) get a link from the nearest one with a free slot.
    Bytes: n·(8·links + 1) and 4·links more for each slot on a higher layer; hnsw32 costs 262 bytes a vector, more than
    many codes. Building holds the decoded documents as float32; searching holds codes and links.
    Source: Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs".
    """

    links: int
    explicit_effort: int | None = None
    label: ClassVar[str] = "ef"

    @property
    def name(self) -> str:
        return f"hnsw{self.links}" + ("" if self.explicit_effort is None else f"ef{self.explicit_effort}")

    @property
    def effort(self) -> int:
        return EFFORT if self.explicit_effort is None else self.explicit_effort

    @property
    def marginal_bytes(self) -> int:
        # base layer and layer number, and 1/links + 1/links² + … = 1/(links − 1) of a slot above
        return 8 * self.links + 1 + math.ceil(4 * self.links / (self.links - 1))

    def structure_bytes(self, rows: int, width: int) -> int:
        return rows * (8 * self.links + 1) + 4 * self.links * sum(_quotas(rows, self.links))

    def check(self, documents: int | None = None) -> None:
        if not 2 <= self.links <= MAX_LINKS:
            raise InputError(f"hnsw needs between 2 and {MAX_LINKS} links per document; got {self.links}")
        if self.effort < 1:
            raise InputError(f"the search effort (ef) of hnsw must be at least 1; got {self.effort}")

    def efforts(self, documents: int) -> list[int]:
        steps = [10, 16, 32, 64, 128, 256, 512]
        return sorted({min(step, documents) for step in [*steps, self.effort]})

    def pool(self, k: int) -> int:
        return max(self.effort, k)

    def build(self, X: np.ndarray, sample: np.ndarray, similarity: str, seed: int) -> Graph:
        metric = metric_of(similarity)
        neighbours, starts, entry, tops = _faiss_links(X, self.links, metric, layers(len(X), self.links, seed))
        on_ground = np.zeros(len(neighbours), bool)
        on_ground[(starts[:-1, None] + np.arange(2 * self.links)).ravel()] = True
        ground = np.ascontiguousarray(neighbours[on_ground].reshape(len(X), 2 * self.links))
        upper = np.ascontiguousarray(neighbours[~on_ground].reshape(-1, self.links))
        connect(ground, entry, X, metric)
        return Graph(metric, self.effort, entry, ground, upper, tops)


def _quotas(rows: int, links: int) -> list[int]:
    """How many documents are on layer 1, 2, …"""
    quotas = []
    while rows := rows // links:
        quotas.append(rows)
    return quotas


def layers(rows: int, links: int, seed: int) -> np.ndarray:
    """(rows,) uint8 highest layer of each document; the documents are random, their number is fixed."""
    tops = np.zeros(rows, np.uint8)
    order = np.random.default_rng([seed, links, 0x6A9]).permutation(rows)
    for quota in _quotas(rows, links):
        tops[order[:quota]] += 1
    return tops


def _faiss_links(
    X: np.ndarray, links: int, metric: str, tops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """FAISS's flat array of links, where each document's begin (n + 1,), the entry, and the layers it used."""
    if not faiss_available():
        raise MissingExtraError("building hnsw needs FAISS: pip install 'embgeo[cpu]'")
    import faiss

    built: Any = faiss.IndexHNSWFlat(X.shape[1], links, faiss_metric(metric))
    built.hnsw.efConstruction = max(BUILD_EFFORT, links)
    assert_metric(built, metric)
    faiss.copy_array_to_vector(tops.astype(np.int32) + 1, built.hnsw.levels)
    with limited_threads(1):  # with several, the links depend on timing
        built.add(np.ascontiguousarray(X, np.float32))
    used = faiss.vector_to_array(built.hnsw.levels) - 1
    neighbours = faiss.vector_to_array(built.hnsw.neighbors).astype(np.int32)
    starts = faiss.vector_to_array(built.hnsw.offsets).astype(np.int64)
    return neighbours, starts, int(built.hnsw.entry_point), used.astype(np.uint8)


def connect(ground: np.ndarray, entry: int, X: np.ndarray, metric: str) -> None:
    """Make every document reachable from `entry` along `ground`, changed in place, as far as free slots allow.

    An unreachable document gets a link from the nearest one with a free slot: among its own links, else among theirs,
    else anywhere.
    """
    reached = np.zeros(len(ground), bool)
    _mark(ground, entry, reached)
    has_place = np.asarray((ground < 0).any(axis=1))
    for row in np.flatnonzero(~reached):
        if reached[row]:
            continue
        near = ground[row][ground[row] >= 0]
        far = ground[near][ground[near] >= 0]
        for candidates in (near, far, np.arange(len(ground))):
            free = candidates[reached[candidates] & has_place[candidates]]
            if len(free):
                break
        else:
            return
        nearness = score(X[row][None], X[free], "euclidean" if metric == "l2" else "dot")[0]
        nearest = free[nearness.argmax()]
        ground[nearest, (ground[nearest] < 0).argmax()] = row
        has_place[nearest] = (ground[nearest] < 0).any()
        _mark(ground, int(row), reached)


def _mark(ground: np.ndarray, start: int, reached: np.ndarray) -> None:
    """Set `reached` for everything reachable from `start`."""
    reached[start] = True
    front = np.array([start])
    while len(front):
        ahead = np.unique(ground[front])
        front = ahead[ahead >= 0]
        front = front[~reached[front]]
        reached[front] = True


@dataclass(frozen=True)
class WalkSearcher:
    """A compiled walk along the links for codes that are sums over levels: a document is scored by its bytes."""

    tier: Tier
    graph: Graph
    cells: Cells
    effort: int
    name: str = "compiled walk over stored links, byte tables"

    @property
    def ram_bytes(self) -> int:
        graph = self.graph
        arrays = (graph.ground, graph.upper, graph.tops, self.firsts)
        return sum(array.nbytes for array in arrays) + self.cells.nbytes + self.tier.state_bytes

    @cached_property
    def firsts(self) -> np.ndarray:
        return self.graph.firsts

    def with_effort(self, effort: int) -> WalkSearcher:
        return replace(self, effort=effort)

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        cells, graph = self.cells, self.graph
        weights, along, constant = cells.code.ask(Z)
        beam = min(max(self.effort, k), cells.rows)
        scores = np.full((len(Z), beam), -np.inf, np.float32)
        rows = np.full((len(Z), beam), -1, np.int64)
        links = (graph.ground, graph.upper, self.firsts, graph.tops, graph.entry)
        for at in range(0, len(Z), TABLES):
            here = slice(at, at + TABLES)
            tables = np.stack([cells.tables(one) for one in weights[here]])
            asked = (tables, along[here], constant[here])
            _walk_kernel()(*cells.held, *asked, *links, scores[here], rows[here])
        return best_of(scores + bias[:, None], rows, k)


@cache
def _walk_kernel() -> Any:
    import numba

    # closures would be compiled anew by every process
    globals().update(score_of=row_score(), take=keep())

    @compiled(parallel=True)
    def kernel(  # type: ignore[no-untyped-def]
        packed, numbers, scales, step, tables, along, constant, ground, upper, firsts, tops, entry, scores, rows
    ):
        for q in numba.prange(len(tables)):
            table, a, c = tables[q], along[q], constant[q]
            at = entry
            reached = score_of(packed, numbers, scales, step, table, a, c, at)
            for layer in range(tops[entry], 0, -1):  # step to the best while one is better
                moving = True
                while moving:
                    moving = False
                    links = upper[firsts[at] + layer - 1]
                    for link in links:
                        if link < 0:
                            continue
                        score = score_of(packed, numbers, scales, step, table, a, c, link)
                        if score > reached:
                            at, reached, moving = link, score, True
            seen = np.zeros((len(ground) + 63) // 64, np.uint64)
            spent = np.zeros(scores.shape[1], np.bool_)
            seen[at >> 6] |= np.uint64(1) << np.uint64(at & 63)
            best, found = scores[q], rows[q]
            _, count = take(best, found, 0, reached, at)
            first = 0
            while first < count:
                if spent[first]:
                    first += 1
                    continue
                spent[first] = True
                for link in ground[found[first]]:
                    if link < 0:
                        continue
                    word, bit = link >> 6, np.uint64(1) << np.uint64(link & 63)
                    if seen[word] & bit:
                        continue
                    seen[word] |= bit
                    score = score_of(packed, numbers, scales, step, table, a, c, link)
                    if score < best[-1]:
                        continue
                    place, count = take(best, found, count, score, link)
                    if place >= 0:
                        for other in range(count - 1, place, -1):
                            spent[other] = spent[other - 1]
                        spent[place] = False
                        first = min(first, place)

    return kernel


@dataclass(frozen=True)
class BeamSearcher:
    """Beam search for every other codec: all queries of a batch step together, and each step decodes a document once.

    Works for any codec, without a float32 copy; slow for one query (some milliseconds of small steps).
    """

    tier: Tier
    graph: Graph
    codes: np.ndarray
    effort: int
    name: str = "beam search over stored links, decoding what it visits"

    @property
    def ram_bytes(self) -> int:
        graph = self.graph
        arrays = (self.codes, graph.ground, graph.upper, graph.tops, self.firsts)
        return sum(array.nbytes for array in arrays) + self.tier.state_bytes

    @cached_property
    def firsts(self) -> np.ndarray:
        return self.graph.firsts

    def with_effort(self, effort: int) -> BeamSearcher:
        return replace(self, effort=effort)

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        together = max(1, SEEN_BYTES // len(self.codes))
        with one_numba_thread():
            found = [self._walk(Z[at : at + together], k) for at in range(0, len(Z), together)]
        scores = np.concatenate([scores for scores, _ in found])
        return scores + bias[:, None], np.concatenate([rows for _, rows in found])

    def _walk(self, Z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        queries = np.arange(len(Z))
        score: Score = lambda queries, rows: self._decoded_scores(Z[queries], rows)  # noqa: E731
        rows = self._descend(len(Z), score)[:, None]
        scores = score(queries, rows)
        seen = np.zeros((len(Z), len(self.codes)), bool)
        seen[queries, rows[:, 0]] = True
        spent = np.zeros(rows.shape, bool)
        beam = max(self.effort, k)
        while not spent.all():
            # scores descend along a beam: its first unexpanded documents are the best
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
                scores = np.hstack([scores, score(queries, ahead)])
                spent = np.hstack([spent, ~there])
                keep = np.lexsort((rows, -scores))[:, :beam]
                rows, scores, spent = (np.take_along_axis(array, keep, 1) for array in (rows, scores, spent))
        return best_of(scores, rows, k)

    def _descend(self, count: int, score: Score) -> np.ndarray:
        """(m,) where each query enters the base layer: on each layer above, step to the best while one is better."""
        graph = self.graph
        at = np.full(count, graph.entry)
        reached = score(np.arange(count), at[:, None])[:, 0]
        for layer in range(int(graph.tops[graph.entry]), 0, -1):
            moving = np.arange(count)
            while len(moving):
                ahead = graph.upper[self.firsts[at[moving]] + layer - 1]
                scores = score(moving, ahead)
                best = scores.argmax(axis=1)
                top = scores[np.arange(len(moving)), best]
                better = top > reached[moving]
                at[moving[better]] = ahead[better, best[better]]
                reached[moving[better]] = top[better]
                moving = moving[better]
        return at

    def _decoded_scores(self, Z: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Each row is decoded once, however many queries need it."""
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        if there.any():
            which, place = np.unique(rows[there], return_inverse=True)
            decoded = self.tier.decode(self.codes[which])
            query = np.nonzero(there)[0]
            scores[there] = pair_scores(Z, query, decoded, place, self.tier.similarity)
        return scores
