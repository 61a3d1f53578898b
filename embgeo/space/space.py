"""Space: what many measures share, computed once, lazily, and timed separately from the measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from embgeo.copies import Copies, find_copies
from embgeo.embeddings import Embeddings, Similarity, normalise
from embgeo.errors import InputError, Undefined
from embgeo.space.blocks import in_threads, row_blocks
from embgeo.space.device import kernels
from embgeo.space.kernels import Kernels, NumpyKernels, Reduction
from embgeo.space.minimum_spanning_tree import tree_lengths
from embgeo.space.neighbours import nearest_by_blocks
from embgeo.threads import one_blas_thread

Metric = Literal["euclidean", "cosine"]
DENSE_ROWS = 20_000  # 1.6 GB a distance matrix; larger spaces stream blocks
_SUMMED_TOGETHER: dict[Metric, tuple[tuple[Reduction, float], ...]] = {
    "euclidean": (("exp_minus", 1.0), ("inverse_one_plus", 1.0)),
    "cosine": (("exp_minus", 1.0), ("exp_minus", 4.0)),
}
NEIGHBOUR_TIERS = (32, 128)  # neighbours are computed for the next of these, so that measures share one search


class Space:
    """A sample of document vectors with everything its measures share.

    Everything is computed once, on first use, and no input is written to. Arrays that it returns are shared: treat
    them as read-only (they are flagged so where that costs nothing).

    Parameters
    ----------
    X : (n, d) float32 rows; n ≥ 1, d ≥ 1, finite.
    similarity : how the model is searched.
    rng : seeded generator for the measures that draw; the loop gives each measure its own copy.
    queries : (m, d) float32 or None.
    relevant : (pairs, 2) integer array of (query row, document row) of X, or None.
    tokens : (vocabulary, d) float32 or None.
    retrieved : (m, k) document rows of X that each query finds, best first, −1 where the document is not in X.
    device : "cpu", "cuda", "cuda:N".

    Attributes
    ----------
    ledger : {quantity: seconds} spent on shared quantities, each without the quantities it needed in turn.
    """

    def __init__(
        self,
        X: np.ndarray,
        *,
        similarity: Similarity = "cosine",
        rng: np.random.Generator | None = None,
        queries: np.ndarray | None = None,
        relevant: np.ndarray | None = None,
        retrieved: np.ndarray | None = None,
        tokens: np.ndarray | None = None,
        device: str = "cpu",
    ) -> None:
        if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
            raise InputError(f"a space needs a 2-D array with rows and dimensions; got shape {X.shape}")
        self.X = _read_only(np.ascontiguousarray(X, dtype=np.float32))
        self.similarity = similarity
        self.rng = rng if rng is not None else np.random.default_rng(0)
        self.queries = None if queries is None else _read_only(np.ascontiguousarray(queries, dtype=np.float32))
        self.relevant = relevant
        self.retrieved = retrieved
        self.tokens = tokens
        self.kernels: Kernels = kernels(device)
        self.device = device
        self.ledger: dict[str, float] = {}
        self._timers: list[float] = []
        self._shared: dict[Any, Any] = {}
        self._parent: Space | None = None
        self._rows: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of documents in the sample."""
        return self.X.shape[0]

    @property
    def d(self) -> int:
        """Dimension."""
        return self.X.shape[1]

    # -- sharing -----------------------------------------------------------------------------------------------------

    def shared(self, key: Any, compute: Callable[[], Any]) -> Any:
        """`compute()` once per key; its seconds go into the ledger under the key (the strings in it, for a tuple)."""
        if key not in self._shared:
            name = key if isinstance(key, str) else "_".join(part for part in key if isinstance(part, str))
            start = time.perf_counter()
            self._timers.append(0.0)
            try:
                self._shared[key] = compute()
            finally:
                elapsed = time.perf_counter() - start
                self.ledger[name] = self.ledger.get(name, 0.0) + elapsed - self._timers.pop()
                if self._timers:
                    self._timers[-1] += elapsed
        return self._shared[key]

    def subset(self, rows: np.ndarray) -> Space:
        """The space of some rows; distances that this one has are sliced from it instead of computed again."""
        relevant, retrieved = renumbered(rows, self.relevant, self.retrieved)
        child = Space(
            self.X[rows],
            similarity=self.similarity,
            rng=self.rng,
            queries=self.queries,
            relevant=relevant,
            retrieved=retrieved,
            tokens=self.tokens,
            device=self.device,
        )
        child._parent, child._rows = self, np.asarray(rows)
        return child

    # -- rows --------------------------------------------------------------------------------------------------------

    @cached_property
    def norms(self) -> np.ndarray:
        """(n,) float64 Euclidean norms of the rows."""
        return _read_only(np.sqrt(np.einsum("ij,ij->i", self.X, self.X, dtype=np.float64)))

    @cached_property
    def mean(self) -> np.ndarray:
        """(d,) float64 mean vector."""
        return _read_only(self.X.mean(axis=0, dtype=np.float64))

    @cached_property
    def unit(self) -> np.ndarray:
        """(n, d) float32 rows divided by their norms; raises `Undefined` when a row is zero."""
        zero = int((self.norms == 0).sum())
        if zero:
            raise Undefined(f"cosine needs nonzero rows; {zero} of {self.n} are zero")
        return _read_only(normalise(self.X))

    @cached_property
    def has_unit_rows(self) -> bool:
        """Whether every row has norm 1 to float32 rounding: then cosine follows from Euclidean distances."""
        return bool(np.abs(self.norms - 1).max() < 1e-6)

    @cached_property
    def centred(self) -> np.ndarray:
        """(n, d) float32 rows minus the mean (subtracted in float64)."""
        return _read_only((self.X - self.mean).astype(np.float32))

    # -- spectra -----------------------------------------------------------------------------------------------------

    @property
    def gram(self) -> np.ndarray:
        """(d, d) float64 XᵀX."""
        scatter = self.scatter
        return self.shared("gram", lambda: _read_only(scatter + self.n * np.outer(self.mean, self.mean)))

    @property
    def scatter(self) -> np.ndarray:
        """(d, d) float64 (X − mean)ᵀ(X − mean)."""
        return self.shared("scatter", lambda: _read_only(self.kernels.scatter(self.X, self.mean)))

    @property
    def covariance(self) -> np.ndarray:
        """(d, d) float64 covariance, divided by n − 1; raises `Undefined` for one row."""
        if self.n < 2:
            raise Undefined("a covariance needs at least 2 rows; got 1")
        return _read_only(self.scatter / (self.n - 1))

    @property
    def gram_spectrum(self) -> np.ndarray:
        """(min(n, d),) float64 eigenvalues of XᵀX, descending: the squared singular values of X, 0 below rounding."""
        if self.d > self.n:
            return self.shared("gram_spectrum", lambda: _wide_spectrum(self.X))
        gram = self.gram
        return self.shared("gram_spectrum", lambda: _spectrum(gram))

    @property
    def unit_gram_spectrum(self) -> np.ndarray:
        """(min(n, d),) float64 eigenvalues of UᵀU with unit rows U, descending."""
        if self.has_unit_rows:
            return self.gram_spectrum
        if self.d > self.n:
            return self.shared("unit_gram_spectrum", lambda: _wide_spectrum(self.unit))
        return self.shared("unit_gram_spectrum", lambda: _spectrum(self.kernels.scatter(self.unit, np.zeros(self.d))))

    @property
    def covariance_spectrum(self) -> np.ndarray:
        """(min(n, d),) float64 eigenvalues of the covariance, descending; raises `Undefined` for one row."""
        if self.d > self.n > 1:
            return self.shared("covariance_spectrum", lambda: _wide_spectrum(self.X - self.mean, self.n - 1))
        covariance = self.covariance
        return self.shared("covariance_spectrum", lambda: _spectrum(covariance))

    # -- distances ---------------------------------------------------------------------------------------------------

    @property
    def duplicates(self) -> Copies:
        """Rows that are equal up to rounding, found once; see `embgeo.copies`."""
        return self.duplicates_under("euclidean")

    def duplicates_under(self, metric: Metric) -> Copies:
        """The same for rows that `metric` cannot distinguish: under cosine, those of one direction and any length."""
        if metric == "cosine" and self.has_unit_rows:
            return self.duplicates
        key = "duplicates" if metric == "euclidean" else ("duplicates", metric)

        def compute() -> Copies:
            if self._parent is not None and key in self._parent._shared:
                return Copies(self._parent.duplicates_under(metric).group[self._rows])
            return find_copies(Embeddings(self.unit if metric == "cosine" else self.X, None, (), (), "dot"))

        return self.shared(key, compute)

    @property
    def distinct(self) -> Space:
        """The space without repeated rows (the first of each group stays); this one when no row repeats."""
        return self.distinct_under("euclidean", at_least=1)

    def distinct_under(self, metric: Metric, at_least: int = 2) -> Space:
        """The same for rows that `metric` cannot distinguish. Raises `Undefined` for fewer than `at_least` of them."""
        copies = self.duplicates_under(metric)
        if len(copies.first) < at_least:
            raise Undefined(f"needs at least {at_least} distinct documents; got {len(copies.first)}")
        if copies.copies == 0:
            return self
        held: Metric = "euclidean" if self.has_unit_rows else metric
        return self.shared(("distinct_rows", held), lambda: self.subset(copies.first))

    @property
    def neighbour_metric(self) -> Metric:
        """The distance that gives the neighbours of a search under this similarity (cosine stands in for dot)."""
        return "euclidean" if self.similarity == "euclidean" else "cosine"

    def distances(self, metric: Metric = "euclidean") -> np.ndarray:
        """(n, n) float32 distances, symmetric, exact zeros on the diagonal and between duplicates.

        Raises `Undefined` above DENSE_ROWS rows (stream with `iter_distance_blocks`) and for zero rows under cosine.
        """
        handle = self.distance_handle(metric)
        if isinstance(handle, np.ndarray):
            return _read_only(handle)
        return self.shared(("distances", metric, "to_host"), lambda: _read_only(self.kernels.get(handle)))

    def distinct_distances(self, metric: Metric = "euclidean", at_least: int = 2) -> np.ndarray:
        """(m, m) float32 distances of `distinct_under`: a metric space has no duplicates, a corpus may."""
        distinct = self.distinct_under(metric, at_least)
        if distinct is not self:
            self.distance_handle("euclidean" if self.has_unit_rows else metric)  # first, so that it is cut from here
        return distinct.distances(metric)

    def distance_handle(self, metric: Metric) -> Any:
        """The distance matrix where the kernels keep it; pass it to `self.kernels`."""
        if self.n > DENSE_ROWS:
            raise Undefined(f"a dense distance matrix is kept for at most {DENSE_ROWS} rows; got {self.n}. Set a cap.")
        if self._parent is not None and ("distances", metric) in self._parent._shared and self.device == "cpu":
            whole, rows = self._parent._shared["distances", metric], self._rows
            return self.shared(("distances", metric), lambda: _cut(whole, rows))
        return self.shared(("distances", metric), lambda: self._compute_distances(metric))

    def _compute_distances(self, metric: Metric) -> Any:
        V, factor = self.rows_for(metric)
        D = self.kernels.squared_distances(V, self.duplicates_under(metric).group)
        if metric == "euclidean":
            return self.kernels.scaled_root(D, factor)
        D *= 0.5  # ‖u − v‖² = 2 (1 − cos)
        return D

    def rows_for(self, metric: Metric) -> tuple[np.ndarray, float]:
        """Rows whose squared distances do not overflow or cancel, and the factor that restores distances."""
        if metric == "cosine":
            return self.unit, 1.0
        if metric != "euclidean":
            raise InputError(f"metric must be euclidean or cosine; got {metric!r}")
        largest = float(np.abs(self.centred).max())
        if largest == 0:
            return self.centred, 1.0
        exponent = int(np.clip(np.floor(np.log2(largest)), -120, 120))
        return np.ldexp(self.centred, -exponent), float(np.ldexp(1.0, exponent))  # a power of two rounds nothing

    def iter_distance_blocks(self, metric: Metric = "euclidean", rows: int = 1024) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, (≤ rows, n) float32 distances) over all rows; memory stays at one block.

        Above DENSE_ROWS the blocks are plain float32 products: sums over them are right, near duplicates are noise.
        """
        if self.n <= DENSE_ROWS:
            D = self.distances(metric)
            for start in range(0, self.n, rows):
                yield start, D[start : start + rows]
            return
        V, factor = self.rows_for(metric)
        norms = np.einsum("ij,ij->i", V, V, dtype=np.float64).astype(np.float32)
        for start in range(0, self.n, rows):
            block = norms[start : start + rows, None] + norms - 2 * (V[start : start + rows] @ V.T)
            np.maximum(block, 0, out=block)
            block[np.arange(len(block)), np.arange(start, start + len(block))] = 0
            yield start, block / 2 if metric == "cosine" else np.sqrt(block) * np.float32(factor)

    def row_sums(self, metric: Metric, reduction: Reduction, scale: float = 1.0) -> np.ndarray:
        """(n,) float64 sums of f(scale · distance) over each row, itself included; streamed when n is large."""
        if self.n <= DENSE_ROWS:
            if metric == "cosine" and self.has_unit_rows:  # ‖u − v‖² = 2 (1 − cos)
                return self.kernels.row_sums(self.distance_handle("euclidean"), reduction, scale, half_square=True)
            return self.kernels.row_sums(self.distance_handle(metric), reduction, scale)
        if (reduction, scale) not in _SUMMED_TOGETHER[metric]:
            return self._streamed_sums({metric: ((reduction, scale),)})[metric, reduction, scale]
        # one pass over the blocks for all sums of the measures; cosine too where it follows from Euclidean distances
        metrics: tuple[Metric, ...] = ("euclidean", "cosine") if self.has_unit_rows else (metric,)
        wanted = {name: _SUMMED_TOGETHER[name] for name in metrics}
        sums = self.shared(("row_sums", *metrics), lambda: self._streamed_sums(wanted))
        return sums[metric, reduction, scale]

    def _streamed_sums(
        self, wanted: dict[Metric, tuple[tuple[Reduction, float], ...]]
    ) -> dict[tuple[Metric, Reduction, float], np.ndarray]:
        """{(metric, reduction, scale): (n,) sums} from one pass over the distance blocks of the first metric."""
        reduce = NumpyKernels().row_sums
        first = next(iter(wanted))
        parts: dict[tuple[Metric, Reduction, float], list[np.ndarray]] = {}
        for _, block in self.iter_distance_blocks(first):
            for metric, reductions in wanted.items():
                D = block if metric == first else np.square(block) * np.float32(0.5)
                for reduction, scale in reductions:
                    parts.setdefault((metric, reduction, scale), []).append(reduce(D, reduction, scale))
        return {key: np.concatenate(sums) for key, sums in parts.items()}

    def neighbours(self, k: int, metric: Metric = "euclidean") -> tuple[np.ndarray, np.ndarray]:
        """(n, k) distances ascending and (n, k) indices of the nearest other rows, exact; ties by index.

        A row is left out of its own list by index, so that duplicates stay in. Raises `Undefined` when k ≥ n.
        """
        if not 1 <= k < self.n:
            raise Undefined(f"{k} neighbours need more than {k} rows; got {self.n}")
        held = [key[2] for key in self._shared if key[:2] == ("neighbours", metric) and key[2] >= k]
        tier = min(held, default=min(next((t for t in NEIGHBOUR_TIERS if t >= k), k), self.n - 1))

        def compute() -> tuple[np.ndarray, np.ndarray]:
            if self.n <= DENSE_ROWS:
                return self.kernels.nearest(self.distance_handle(metric), tier)
            V, factor = self.rows_for(metric)
            return nearest_by_blocks(
                V, tier, lambda squared: squared / 2 if metric == "cosine" else np.sqrt(squared) * factor
            )

        if metric == "cosine" and self.has_unit_rows:  # the same neighbours
            D, indices = self.neighbours(k, "euclidean")
            return _half_square(D), indices
        if self.n <= DENSE_ROWS:
            self.distance_handle(metric)  # first, so that its seconds count under its own name
        D, indices = self.shared(("neighbours", metric, tier), compute)
        return D[:, :k], indices[:, :k]

    def tree_lengths(self, metric: Metric = "euclidean") -> np.ndarray:
        """(n − 1,) float32 ascending lengths of the minimum spanning tree of the distances."""
        rows = [np.arange(self.n)]
        return self.shared(("minimum_spanning_tree", metric), lambda: self.subsample_lengths(metric, rows)[0])

    def subsample_lengths(self, metric: Metric, members: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same for each of some sets of rows."""
        if metric == "cosine" and self.has_unit_rows:  # d²/2 leaves the order of distances, and so the trees
            return [_half_square(lengths) for lengths in self.subsample_lengths("euclidean", members)]
        D, lists = self.distances(metric), self.neighbour_lists(metric)
        tree_lengths(D, np.arange(min(2, self.n)), lists)  # compiled before the threads start
        blocks = [slice(i, i + 1) for i in range(len(members))][::-1]  # the largest trees first
        return in_threads(lambda one: tree_lengths(D, members[one.start], lists), blocks)[::-1]

    def neighbour_lists(self, metric: Metric = "euclidean") -> tuple[np.ndarray, np.ndarray] | None:
        """`neighbours` for algorithms that are faster with them; None for spaces too small to gain."""
        return self.neighbours(NEIGHBOUR_TIERS[0], metric) if self.n > 150 else None

    def positive_deaths(self, metric: Metric = "euclidean") -> np.ndarray:
        """Ascending float64 deaths of the finite H0 bars of positive length; bars between duplicates have none.

        Raises `Undefined` when all rows are equal.
        """
        deaths = self.tree_lengths(metric).astype(np.float64)
        deaths = deaths[deaths > 0]
        if not len(deaths):
            raise Undefined("H0 bars need two distinct documents; all are equal")
        return deaths


def _spectrum(symmetric: np.ndarray) -> np.ndarray:
    with one_blas_thread(len(symmetric)):
        eigenvalues = np.linalg.eigvalsh(symmetric)[::-1]
    noise = max(eigenvalues[0], 0.0) * len(symmetric) * np.finfo(np.float64).eps
    return _read_only(np.where(eigenvalues > noise, eigenvalues, 0.0))


def _wide_spectrum(X: np.ndarray, divisor: int = 1) -> np.ndarray:
    """The spectrum of XᵀX / divisor by way of the smaller XXᵀ."""
    wide = X.astype(np.float64)
    return _spectrum(wide @ wide.T / divisor)


def _half_square(lengths: np.ndarray) -> np.ndarray:
    return np.square(lengths) * np.float32(0.5)


def _cut(D: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    assert rows is not None
    out = np.empty((len(rows), len(rows)), np.float32)

    def copy(block: slice) -> None:
        np.take(D[rows[block]], rows, axis=1, out=out[block])

    in_threads(copy, row_blocks(len(rows), D.shape[1]))
    return out


def renumbered(
    rows: np.ndarray, relevant: np.ndarray | None, retrieved: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Relevant pairs (pairs, 2) and retrieved documents (m, k), renumbered by position in `rows`.

    Pairs of other rows are left out; other retrieved documents become −1.
    """

    order = np.argsort(rows)

    def places(asked: np.ndarray) -> np.ndarray:
        at = order[np.minimum(np.searchsorted(rows, asked, sorter=order), len(rows) - 1)]
        return np.where(rows[at] == asked, at, -1)

    if relevant is not None:
        relevant = np.stack([relevant[:, 0], places(relevant[:, 1])], axis=1)
        relevant = relevant[relevant[:, 1] >= 0]
    return relevant, None if retrieved is None else places(retrieved)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
