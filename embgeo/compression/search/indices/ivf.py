"""Inverted lists over the codes (`ivf256`): documents by nearest centroid, a search reads the lists of a few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.codebooks import training_rows
from embgeo.compression.codecs.part import index
from embgeo.compression.search.index_metric import metric_of
from embgeo.errors import InputError
from embgeo.retrieval.exact import score

POINTS_PER_LIST = 39  # FAISS's own recommendation
SAMPLE_PER_LIST = 256
PASSES = 12
BLOCK_ROWS = 65_536
POOL = 200


@dataclass(frozen=True)
class Lists:
    """Row numbers by list. It holds no vectors: the store's codes are scored.

    Attributes
    ----------
    metric : `inner_product` or `l2`.
    effort : lists probed where no number is named.
    ends : (lists,) uint64, where each list ends in `rows`.
    centroids : (lists, r) float32, unit length under inner product; queries are compared with them as floats.
    rows : (n,) int32, the rows of list 0, then of list 1, …, each ascending.
    """

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
            raise ValueError("the lists name no known metric or effort")
        if self.rows.shape != (rows,) or self.ends.ndim != 1 or self.centroids.shape != (len(self.ends), width):
            raise ValueError("the lists are not those of these documents")
        if not len(self.ends) or (np.diff(self.bounds) < 0).any() or int(self.ends[-1]) != rows:
            raise ValueError("the ends of the lists are damaged")
        if not np.array_equal(np.sort(self.rows), np.arange(rows)):
            raise ValueError("the lists do not hold every document once")


@index(
    r"ivf(\d+)(?:np(\d+))?",
    example="ivf256",
    summary="that many inverted lists; ivf256np8 sets how many are probed (else the square root of their number)",
    fitted=Lists,
)
@dataclass(frozen=True)
class IVF:
    """Inverted lists of whole documents (no residuals), so that a score is the one a flat search would give.

    Centroids come from k-means on the fit rows (spherical under inner product, 12 passes, at most 256 rows a list);
    documents and queries go to the centroids that are nearest under the store's similarity, queries as floats.
    Bytes: 4 a vector, and lists·(4·r + 8) for centroids and ends. Building holds the decoded documents as float32.
    Source: Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search", §IV.
    """

    lists: int
    asked: int | None = None
    label: ClassVar[str] = "np"
    marginal_bytes: ClassVar[int] = 4

    @property
    def name(self) -> str:
        return f"ivf{self.lists}" + ("" if self.asked is None else f"np{self.asked}")

    @property
    def effort(self) -> int:
        return max(1, round(self.lists**0.5)) if self.asked is None else self.asked

    def structure_bytes(self, rows: int, width: int) -> int:
        return 4 * rows + self.lists * (4 * width + 8)

    def check(self, documents: int | None = None) -> None:
        if self.lists < 1:
            raise InputError(f"ivf needs at least 1 list; got {self.lists}")
        if not 1 <= self.effort <= self.lists:
            raise InputError(f"ivf probes (np) between 1 and its {self.lists} lists; got {self.effort}")
        if documents is not None and self.lists > documents:
            raise InputError(
                f"{self.name} needs at least a document a list; got {documents} documents for {self.lists} lists. "
                f"Take fewer lists, such as ivf{max(1, round(documents**0.5))}"
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
        labels = np.concatenate([nearest_list(X[at : at + BLOCK_ROWS], centroids, metric) for at in _starts(X)])
        ends = np.cumsum(np.bincount(labels, minlength=self.lists)).astype(np.uint64)
        return Lists(metric, self.effort, ends, centroids, np.argsort(labels, kind="stable").astype(np.int32))


def _starts(X: np.ndarray) -> range:
    return range(0, len(X), BLOCK_ROWS)


def list_scores(X: np.ndarray, centroids: np.ndarray, metric: str) -> np.ndarray:
    """(n, lists): how near each row is to each centroid, larger is nearer."""
    return score(X, centroids, "euclidean" if metric == "l2" else "dot")


def nearest_list(X: np.ndarray, centroids: np.ndarray, metric: str) -> np.ndarray:
    """(n,) int64, the first of equals."""
    return list_scores(X, centroids, metric).argmax(axis=1)


def coarse_centroids(Z: np.ndarray, lists: int, metric: str, rng: np.random.Generator) -> np.ndarray:
    """(lists, r) float32 by Lloyd's k-means from `lists` rows of Z; an empty list takes the row farthest from its own.

    Under inner product centroids are brought to unit length after each pass (spherical k-means): a long centroid would
    draw every query.
    """
    from scipy.sparse import csr_matrix

    Z = np.ascontiguousarray(Z, np.float32)
    centroids = _sized(Z[rng.choice(len(Z), lists, replace=False)], metric)
    before = np.full(len(Z), -1)
    for _ in range(PASSES):
        scores = list_scores(Z, centroids, metric)
        labels = scores.argmax(axis=1)
        if np.array_equal(labels, before):
            break
        before, nearness = labels.copy(), scores[np.arange(len(Z)), labels]
        counts = np.bincount(labels, minlength=lists)
        farthest = iter(np.argsort(nearness, kind="stable"))
        for empty in np.flatnonzero(counts == 0):
            row = next((row for row in farthest if counts[labels[row]] > 1), None)
            if row is None:
                break
            counts[labels[row]] -= 1
            labels[row], counts[empty] = empty, 1
        member = csr_matrix((np.ones(len(Z), np.float32), (labels, np.arange(len(Z)))), shape=(lists, len(Z)))
        centroids = _sized((member @ Z) / np.maximum(counts, 1)[:, None].astype(np.float32), metric)
    return centroids


def _sized(centroids: np.ndarray, metric: str) -> np.ndarray:
    centroids = np.array(centroids, np.float32)
    if metric == "l2":
        return centroids
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    return centroids / np.where(lengths > 0, lengths, 1)
