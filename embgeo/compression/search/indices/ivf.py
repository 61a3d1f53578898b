"""Inverted lists over the codes (`ivf256`): documents by nearest centroid; a search reads a few lists."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.codebooks import training_rows
from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.part import Index, Structure, index
from embgeo.compression.search.cells import LANES, Cells, block_rows, block_sums, keep
from embgeo.compression.search.flat import cells_of
from embgeo.compression.search.on_faiss import assert_metric, faiss_metric
from embgeo.compression.search.searcher import BLOCK_ROWS, FEW_QUERIES, EffortSearcher, Found, any_norm, metric_of
from embgeo.errors import InputError
from embgeo.numeric.compiled import compiled
from embgeo.numeric.kmeans import fill_empty, kmeans
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK
from embgeo.threads import one_numba_thread

POINTS_PER_LIST = 39  # FAISS's own recommendation
SAMPLE_PER_LIST = 256
PASSES = 12
ASSIGNED_ROWS = 65_536
SMALL_LIST = 4096  # average rows per list, below which one thread reads it
POOL = 200
# nanoseconds with one thread; only their ratios matter
LOOKUP, TABLE = 0.5, 500.0  # a byte of a row, the table of a cell
DECODED, PRODUCT = 0.8, 0.02  # a coordinate of a row, also with a query
SCORES = 2**23  # of queries with the rows that they read, held at a time
take: Any = None
decode: Any = None
tile: Any = None
sums: Any = None


@dataclass(frozen=True)
class Lists(Structure):
    """Row numbers by list. It holds no vectors: the store's codes are scored.

    Attributes
    ----------
    metric : `inner_product` or `l2`.
    effort : lists probed by default.
    ends : (lists,) uint64, where each list ends in `rows`.
    centroids : (lists, r) float32, unit length under inner product; queries are compared with them as floats.
    rows : (n,) int32, the rows of list 0, then of list 1, …, each ascending.
    """

    kind: ClassVar[str] = "Lists"
    metric: str
    effort: int
    ends: np.ndarray
    centroids: np.ndarray
    rows: np.ndarray

    @property
    def bounds(self) -> np.ndarray:
        """(lists + 1,) int64: list l is rows[bounds[l] : bounds[l + 1]]."""
        return np.concatenate([[0], self.ends.astype(np.int64)])

    def check(self, rows: int, width: int) -> None:
        if self.metric not in ("inner_product", "l2") or self.effort < 1:
            raise ValueError("the lists have an unknown metric or effort")
        if self.rows.shape != (rows,) or self.ends.ndim != 1 or self.centroids.shape != (len(self.ends), width):
            raise ValueError("the lists do not match these documents")
        if not len(self.ends) or (np.diff(self.bounds) < 0).any() or int(self.ends[-1]) != rows:
            raise ValueError("the ends of the lists are damaged")
        if not np.array_equal(np.sort(self.rows), np.arange(rows)):
            raise ValueError("the lists do not hold every document exactly once")

    @property
    def growing_bytes(self) -> int:
        return self.rows.nbytes

    def searcher(self, tier: Tier, codes: np.ndarray) -> EffortSearcher:
        if (cells := cells_of(tier, codes[self.rows])) is not None:
            return ListScanner(tier, self, cells, self.effort)
        return ListSearcher(tier, self, codes, self.effort)

    def on_faiss(self, flat: Any, codes: np.ndarray) -> Any:
        import faiss

        count, width = len(self.centroids), flat.d
        metric = faiss_metric(self.metric)
        coarse: Any = faiss.IndexFlat(width, metric)
        # a coordinate that the format adds says nothing about lists
        coarse.add(np.pad(self.centroids, ((0, 0), (0, width - self.centroids.shape[1]))))
        index: Any
        if isinstance(flat, faiss.IndexFlat):
            index = faiss.IndexIVFFlat(coarse, width, count, metric)
        elif isinstance(flat, faiss.IndexScalarQuantizer):
            index = faiss.IndexIVFScalarQuantizer(coarse, width, count, flat.sq.qtype, metric, False)
            index.sq.trained = flat.sq.trained
        elif isinstance(flat, faiss.IndexResidualQuantizer):
            sizes: Any = flat.rq.nbits
            index = faiss.IndexIVFResidualQuantizer(coarse, width, count, sizes, metric, flat.rq.search_type)
            index.by_residual = False
            index.rq.train_type = flat.rq.train_type
            index.rq.codebooks = flat.rq.codebooks
            index.rq.is_trained = True
        else:
            index = faiss.IndexIVFPQ(coarse, width, count, flat.pq.M, flat.pq.nbits, metric)
            index.by_residual = False
            index.pq.centroids = flat.pq.centroids
        coarse.this.disown()
        index.own_fields = True
        assert_metric(index, self.metric)
        if index.by_residual and not isinstance(flat, faiss.IndexFlat):
            raise AssertionError("FAISS would code residuals, not documents")
        for number, (begin, end) in enumerate(zip(self.bounds[:-1], self.bounds[1:], strict=True)):
            rows = self.rows[begin:end].astype(np.int64)
            if len(rows):
                held = np.ascontiguousarray(codes[rows])
                index.invlists.add_entries(number, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(held))
        index.ntotal, index.is_trained = len(codes), True
        index.nprobe = min(self.effort, count)
        return index

    def faiss_parameters(self, effort: int) -> Any:
        import faiss

        library: Any = faiss
        return library.SearchParametersIVF(nprobe=min(effort, len(self.ends)))

    @property
    def faiss_ram_bytes(self) -> int:
        return 8 * len(self.rows) + self.centroids.nbytes  # ids of 8 bytes

    @property
    def faiss_file_bytes(self) -> int:
        filled = int(np.count_nonzero(np.diff(self.bounds)))
        # ids of 8 bytes, and the sizes of all lists, or number and size of those that hold something
        return 8 * len(self.rows) + (8 * len(self.ends) if 2 * filled > len(self.ends) else 16 * filled)

    def without_rows(self, flat: Any) -> Any:
        empty = replace(self, rows=self.rows[:0], ends=np.zeros_like(self.ends))
        return empty.on_faiss(flat, np.empty((0, flat.sa_code_size()), np.uint8))


@index(
    r"ivf(\d+)(?:np(\d+))?",
    example="ivf256",
    summary="that many inverted lists; ivf256np8 sets how many are probed (default: the square root of their number)",
    fitted=Lists,
)
@dataclass(frozen=True)
class IVF(Index):
    """Inverted lists of whole documents (no residuals), so that a score is the one a flat search would give.

    Centroids come from k-means on the fit rows (spherical under inner product, 12 passes, at most 256 rows a list);
    documents and queries go to the nearest centroids under the store's similarity, queries as floats.
    Bytes: 4 a vector, and lists·(4·r + 8) for centroids and ends. Building holds the decoded documents as float32.
    Source: Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search", §IV.
    """

    lists: int
    explicit_effort: int | None = None
    label: ClassVar[str] = "np"

    @property
    def training_rows_needed(self) -> int:
        return POINTS_PER_LIST * self.lists

    @property
    def marginal_bytes(self) -> int:
        return 4

    @property
    def name(self) -> str:
        return f"ivf{self.lists}" + ("" if self.explicit_effort is None else f"np{self.explicit_effort}")

    @property
    def effort(self) -> int:
        return max(1, round(self.lists**0.5)) if self.explicit_effort is None else self.explicit_effort

    def structure_bytes(self, rows: int, width: int) -> int:
        return 4 * rows + self.lists * (4 * width + 8)

    def check(self, documents: int | None = None) -> None:
        if self.lists < 1:
            raise InputError(f"ivf needs at least 1 list; got {self.lists}")
        if not 1 <= self.effort <= self.lists:
            raise InputError(f"ivf must probe (np) between 1 and {self.lists} lists; got {self.effort}")
        if documents is not None and self.lists > documents:
            raise InputError(
                f"{self.name} needs at least one document per list; got {documents} documents for {self.lists} lists. "
                f"Use fewer lists, such as ivf{max(1, round(documents**0.5))}"
            )

    def efforts(self, documents: int) -> list[int]:
        steps = [1, 2, 4, 8, 16, 32, 64, 128, 256]
        return sorted({min(step, self.lists) for step in [*steps, self.effort]})

    def pool(self, k: int) -> int:
        return max(POOL, k)

    def build(self, X: np.ndarray, sample: np.ndarray, similarity: str, seed: int) -> Lists:
        metric = metric_of(similarity)
        rng = np.random.default_rng([seed, self.lists, 0x1F])
        self.check(len(sample))
        centroids = coarse_centroids(training_rows(sample, rng, SAMPLE_PER_LIST * self.lists), self.lists, metric, rng)
        labels = np.concatenate([nearest_list(X[at : at + ASSIGNED_ROWS], centroids, metric) for at in _starts(X)])
        ends = np.cumsum(np.bincount(labels, minlength=self.lists)).astype(np.uint64)
        return Lists(metric, self.effort, ends, centroids, np.argsort(labels, kind="stable").astype(np.int32))


def _starts(X: np.ndarray) -> range:
    return range(0, len(X), ASSIGNED_ROWS)


def list_scores(X: np.ndarray, centroids: np.ndarray, metric: str) -> np.ndarray:
    """(n, lists): how near each row is to each centroid, larger is nearer."""
    return score(X, centroids, "euclidean" if metric == "l2" else "dot")


def nearest_list(X: np.ndarray, centroids: np.ndarray, metric: str) -> np.ndarray:
    """(n,) int64 nearest list of each row, the first of equals."""
    return list_scores(X, centroids, metric).argmax(axis=1)


def coarse_centroids(Z: np.ndarray, lists: int, metric: str, rng: np.random.Generator) -> np.ndarray:
    """(lists, r) float32 by Lloyd's k-means from `lists` rows of Z; an empty list takes the row farthest from its own.

    Under inner product centroids are brought to unit length after each pass (spherical k-means): a long centroid would
    attract every query.
    """
    from scipy.sparse import csr_matrix

    Z = np.ascontiguousarray(Z, np.float32)
    rows = np.arange(len(Z))

    def assign(centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = list_scores(Z, centroids, metric)
        labels = scores.argmax(axis=1)
        return labels, scores[rows, labels]

    def move(centroids: np.ndarray, labels: np.ndarray, nearness: np.ndarray) -> np.ndarray:
        labels, counts = labels.copy(), np.bincount(labels, minlength=lists)
        fill_empty(labels, counts, np.argsort(nearness, kind="stable"))
        member = csr_matrix((np.ones(len(Z), np.float32), (labels, rows)), shape=(lists, len(Z)))
        return _normalised((member @ Z) / np.maximum(counts, 1)[:, None].astype(np.float32), metric)

    return kmeans(_normalised(Z[rng.choice(len(Z), lists, replace=False)], metric), assign, move, PASSES)[0]


def _normalised(centroids: np.ndarray, metric: str) -> np.ndarray:
    centroids = np.array(centroids, np.float32)
    if metric == "l2":
        return centroids
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    return centroids / np.where(lengths > 0, lengths, 1)


@dataclass(frozen=True)
class ListScanner:
    """A compiled scan of the probed lists for codes that are sums over levels; `cells` has the rows list after list."""

    tier: Tier
    lists: Lists
    cells: Cells
    effort: int
    name: str = "compiled scan of inverted lists, byte tables"

    @property
    def ram_bytes(self) -> int:
        lists = self.lists
        held = lists.rows.nbytes + lists.ends.nbytes + lists.centroids.nbytes
        return held + self.cells.nbytes + self.tier.state_bytes

    def with_effort(self, effort: int) -> ListScanner:
        return replace(self, effort=effort)

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        lists = self.lists
        probed = np.argsort(-list_scores(Z, lists.centroids, lists.metric), axis=1, kind="stable")[:, : self.effort]
        best = TopK.empty(len(Z), k)
        (self._look_up if self.looks_up(probed) else self._decode)(Z, probed, best)
        return best.scores + bias[:, None], best.rows

    def looks_up(self, probed: np.ndarray) -> bool:
        """Whether looking up every byte of every pair of query and row takes less than decoding each row once."""
        sizes, cells = np.diff(self.lists.bounds), self.cells
        pairs, rows = sizes[probed].sum(), sizes[np.unique(probed)].sum()
        looked_up = cells.count * (LOOKUP * pairs + TABLE * len(probed))
        return bool(looked_up <= len(cells.cell) * (DECODED * rows + PRODUCT * pairs))

    def _look_up(self, Z: np.ndarray, probed: np.ndarray, best: TopK) -> None:
        """Scan the lists of one query after another, by its byte tables."""
        cells, lists = self.cells, self.lists
        weights, along, constant = cells.code.ask(Z)
        tables = np.stack([cells.tables(one) for one in weights])
        places = (lists.bounds, lists.rows)
        _scan_kernel()(*cells.held, tables, along, constant, probed, *places, best.scores, best.rows)

    def _decode(self, Z: np.ndarray, probed: np.ndarray, best: TopK) -> None:
        """Decode each list that is probed once for all its queries, then keep the best of each query."""
        bounds, (columns, constant) = self.lists.bounds, self.cells.question(Z)
        read = np.diff(bounds)[probed]
        step = max(1, SCORES // max(1, int(read.sum(axis=1).max())))
        for at in range(0, len(Z), step):
            here = slice(at, at + step)
            lists, rows = probed[here].ravel(), read[here].ravel()
            by_list = np.argsort(lists, kind="stable")
            pairs = np.searchsorted(lists[by_list], np.arange(len(bounds)))
            spots = np.cumsum(rows) - rows  # where the scores of a query with a list begin
            scores = np.empty(int(rows.sum()), np.float32)
            asking = by_list // probed.shape[1]
            pairs_of = (columns[here], asking, pairs, bounds, spots[by_list])
            _product_kernel()(*self.cells.decodable, *pairs_of, scores)
            kept = (best.scores[here], best.rows[here])
            _best_kernel()(
                scores, spots[:: probed.shape[1]], constant[here], probed[here], bounds, self.lists.rows, *kept
            )


@cache
def _tile() -> Any:

    @compiled(fastmath={"reassoc", "contract", "nsz", "arcp"})
    def kernel(rows, columns, p, q, r, s, first, last, out):  # type: ignore[no-untyped-def]
        width = columns.shape[1]
        for i in range(first // 4 * 4, last, 4):
            p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = np.float32(0)
            r0 = r1 = r2 = r3 = s0 = s1 = s2 = s3 = np.float32(0)
            for c in range(width):
                x0, x1, x2, x3 = rows[i, c], rows[i + 1, c], rows[i + 2, c], rows[i + 3, c]
                a, b, d, e = columns[p, c], columns[q, c], columns[r, c], columns[s, c]
                p0, p1, p2, p3 = p0 + a * x0, p1 + a * x1, p2 + a * x2, p3 + a * x3
                q0, q1, q2, q3 = q0 + b * x0, q1 + b * x1, q2 + b * x2, q3 + b * x3
                r0, r1, r2, r3 = r0 + d * x0, r1 + d * x1, r2 + d * x2, r3 + d * x3
                s0, s1, s2, s3 = s0 + e * x0, s1 + e * x1, s2 + e * x2, s3 + e * x3
            out[0, i], out[0, i + 1], out[0, i + 2], out[0, i + 3] = p0, p1, p2, p3
            out[1, i], out[1, i + 1], out[1, i + 2], out[1, i + 3] = q0, q1, q2, q3
            out[2, i], out[2, i + 1], out[2, i + 2], out[2, i + 3] = r0, r1, r2, r3
            out[3, i], out[3, i + 1], out[3, i + 2], out[3, i + 3] = s0, s1, s2, s3

    return kernel


@cache
def _product_kernel() -> Any:
    import numba

    # closures would be compiled anew by every process
    globals().update(decode=block_rows(), tile=_tile())

    @compiled(parallel=True)
    def kernel(  # type: ignore[no-untyped-def]
        packed, starts, places, values, scales, step, numbers, columns, asking, pairs, bounds, spots, out
    ):
        lists = len(bounds) - 1
        parts = min(lists, 64)
        for part in numba.prange(parts):
            rows, sums = np.empty((LANES, columns.shape[1]), np.float32), np.empty((4, LANES), np.float32)
            decoded = -1
            for number in range(lists * part // parts, lists * (part + 1) // parts):
                begin, end, first, last = bounds[number], bounds[number + 1], pairs[number], pairs[number + 1]
                if begin == end or first == last:
                    continue
                for block in range(begin // LANES, (end + LANES - 1) // LANES):
                    if block != decoded:
                        decode(packed, starts, places, values, scales, step, numbers, block, rows)
                        decoded = block
                    low, high = max(begin - block * LANES, 0), min(end - block * LANES, LANES)
                    for at in range(first, last, 4):
                        q, r, s = min(at + 1, last - 1), min(at + 2, last - 1), min(at + 3, last - 1)
                        tile(rows, columns, asking[at], asking[q], asking[r], asking[s], low, high, sums)
                        for pair in range(at, min(at + 4, last)):
                            spot = spots[pair] + block * LANES - begin
                            for row in range(low, high):
                                out[spot + row] = sums[pair - at, row]

    return kernel


@cache
def _best_kernel() -> Any:
    import numba

    globals().update(take=keep())

    @compiled(parallel=True)
    def kernel(found, spots, constant, probed, bounds, places, scores, rows):  # type: ignore[no-untyped-def]
        for q in numba.prange(len(probed)):
            count, at, best, mine = 0, spots[q], scores[q], rows[q]
            for number in probed[q]:
                for row in range(bounds[number], bounds[number + 1]):
                    score = found[at] + constant[q]
                    at += 1
                    if score >= best[-1]:
                        _, count = take(best, mine, count, score, places[row])

    return kernel


@cache
def _scan_kernel() -> Any:
    import numba

    # closures would be compiled anew by every process
    globals().update(take=keep(), sums=block_sums())

    @compiled(parallel=True)
    def kernel(  # type: ignore[no-untyped-def]
        packed, numbers, scales, step, tables, along, constant, probed, bounds, places, scores, rows
    ):
        for q in numba.prange(len(tables)):
            total, scratch = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
            count, best, mine = 0, scores[q], rows[q]
            for number in probed[q]:
                begin, end = bounds[number], bounds[number + 1]
                for block in range(begin // LANES, (end + LANES - 1) // LANES):
                    sums(packed, scales, step, tables[q], block, scratch, total)
                    for at in range(max(begin, block * LANES), min(end, (block + 1) * LANES)):
                        score = total[at - block * LANES]
                        if len(numbers) > 0:
                            score = score * numbers[at, 0] + along[q] * numbers[at, 1]
                        score += constant[q]
                        if score >= best[-1]:
                            _, count = take(best, mine, count, score, places[at])

    return kernel


@dataclass(frozen=True)
class ListSearcher:
    """Each list that a batch probes is decoded once for all its queries; a few queries read all of theirs at once."""

    tier: Tier
    lists: Lists
    codes: np.ndarray
    effort: int
    name: str = "inverted lists, decoded list by list"

    @property
    def ram_bytes(self) -> int:
        lists = self.lists
        arrays = (self.codes, lists.rows, lists.ends, lists.centroids)
        return sum(array.nbytes for array in arrays) + self.tier.state_bytes

    def with_effort(self, effort: int) -> ListSearcher:
        return replace(self, effort=effort)

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
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
            mine = TopK(best.scores[query : query + 1], best.rows[query : query + 1])
            for start in range(0, len(rows), BLOCK_ROWS):
                part = rows[start : start + BLOCK_ROWS]
                block = self.tier.decode(self.codes[part])
                mine.merge(score(Z[query : query + 1], block, self.tier.similarity), part)

    def _read_by_list(self, Z: np.ndarray, probed: np.ndarray, best: TopK) -> None:
        held, bounds = self.lists, self.lists.bounds
        for number in np.unique(probed):
            rows = held.rows[bounds[number] : bounds[number + 1]]
            if not len(rows):
                continue
            asking = np.flatnonzero((probed == number).any(axis=1))
            block = self.tier.decode(self.codes[rows])
            mine = TopK(best.scores[asking], best.rows[asking])
            mine.merge(score(Z[asking], block, self.tier.similarity), rows)
            best.scores[asking], best.rows[asking] = mine.scores, mine.rows
