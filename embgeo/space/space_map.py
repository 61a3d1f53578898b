"""The space map: the documents laid out in two dimensions, with values to colour them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.errors import MissingExtraError
from embgeo.progress import Progress, silent
from embgeo.space.sampled_rows import sampled_rows
from embgeo.threads import one_blas_thread

MAX_POINTS = 20_000
EXACT_SIZE = 1024  # up to this many rows or dimensions the axes come from a full eigendecomposition
SUBSPACE, PASSES = 16, 8  # beyond that from a subspace iteration: directions (two and spare ones), passes over the rows
DEPTH = 100  # retrievability counts the queries that bring a document into their first 100


@dataclass(frozen=True)
class Colour:
    """A number for each of some documents: `values[i]` is that of document `rows[i]`, rows ascending.

    `label` is its display name; if the values are cluster numbers (`clusters`), "{count}" in it becomes their number.
    """

    name: str
    label: str
    rows: np.ndarray
    values: np.ndarray
    clusters: bool = False


@dataclass(frozen=True)
class SpaceMap:
    """A layout of some documents in the plane.

    Attributes
    ----------
    rows : (p,) int64 ascending document rows on the map, p ≤ 20,000.
    layouts : {"pca", "umap"}: (p, 2) float32 coordinates.
    explained : share of the variance of the mapped rows along the two PCA axes, each in [0, 1].
    colours : {name: (p,) float32}, NaN where a document was not measured; "cluster" holds whole numbers.
    labels : {name: words} for `colours`.
    documents : size of the corpus that the rows were drawn from.
    """

    rows: np.ndarray
    layouts: Mapping[str, np.ndarray]
    explained: tuple[float, float]
    colours: Mapping[str, np.ndarray]
    labels: Mapping[str, str]
    documents: int

    def to_json(self) -> dict[str, Any]:
        """What a run's JSON says about the map; the numbers per document are in `arrays`."""
        return {
            "points": len(self.rows),
            "documents": self.documents,
            "layouts": list(self.layouts),
            "explained_variance": list(self.explained),
            "colours": {
                name: {"label": self.labels[name], "measured": int(np.isfinite(values).sum())}
                for name, values in self.colours.items()
            },
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The run's arrays, all under `map/`."""
        return {
            "map/rows": self.rows.astype(np.int32),
            **{f"map/layout/{name}": points for name, points in self.layouts.items()},
            **{f"map/colour/{name}": values for name, values in self.colours.items()},
        }


def space_map(
    embeddings: Embeddings,
    measured: Sequence[Colour] = (),
    retrieved: np.ndarray | None = None,
    seed: int = 0,
    umap: bool = False,
    progress: Progress = silent,
) -> SpaceMap:
    """Lay out the documents by their first two principal components, and by UMAP if requested.

    Above 20,000 documents a sample is drawn by `seed`; it holds the documents of a signature of that seed. Colours are
    what was `measured`, clusters first (documents outside their sample go to the nearest centre), and how many queries
    find a document in their top 100 (`retrieved`, (m, k) rows, −1 where empty). Cost: n d² for small d, about 20 passes
    over the rows otherwise (0.1 s for 5,183 × 384). Raises `MissingExtraError` for `umap` without the package.
    """
    n = len(embeddings)
    rows = sampled_rows(n, MAX_POINTS, seed)  # the order whose first rows are the signature's samples
    X = np.asarray(embeddings.matrix() if n <= MAX_POINTS else embeddings.rows(rows), dtype=np.float32)
    progress("space map", 0, 1)
    points, explained = principal_plane(X, seed)
    layouts = {"pca": points}
    if umap:
        layouts["umap"] = _umap_plane(X, "euclidean" if embeddings.similarity == "euclidean" else "cosine", seed)
    colours, labels = {}, {}
    for colour in sorted(measured, key=lambda one: not one.clusters):
        values = _extended_clusters(colour, X, rows) if colour.clusters else _on_map(colour, rows, n)
        colours[colour.name] = values
        labels[colour.name] = colour.label.format(count=int(values.max()) + 1) if colour.clusters else colour.label
    if retrieved is not None and n > DEPTH <= retrieved.shape[1]:
        found_rows = retrieved[:, :DEPTH]
        counts = np.bincount(found_rows[found_rows >= 0], minlength=n)
        colours["retrievability"] = counts[rows].astype(np.float32)
        labels["retrievability"] = f"retrievability (queries that find it in their top {DEPTH})"
    progress("space map", 1, 1)
    return SpaceMap(rows, layouts, explained, colours, labels, n)


def principal_plane(X: np.ndarray, seed: int = 0) -> tuple[np.ndarray, tuple[float, float]]:
    """(n, 2) float32 coordinates of the centred rows on their first two principal components, and shares of variance.

    Each axis points to where its largest coordinate is positive, so that signs repeat. Above 1,024 rows and dimensions
    the directions come from a subspace iteration (16 random directions, 8 passes over the rows).

    >>> principal_plane(np.array([[0, 0], [3, 0], [0, 0], [-3, 0]], np.float32))[1]
    (1.0, 0.0)
    """
    C = (X - X.mean(axis=0, dtype=np.float64)).astype(np.float32)
    largest = np.abs(C).max()
    if largest == 0:
        return np.zeros((len(X), 2), np.float32), (0.0, 0.0)
    C /= largest  # squares of huge norms would overflow
    total = float(np.einsum("ij,ij->", C, C, dtype=np.float64))
    axes = _directions(C, seed)
    points = np.zeros((len(X), 2))
    points[:, : axes.shape[1]] = C @ axes
    ends = points[np.abs(points).argmax(axis=0), [0, 1]]
    points *= np.where(ends < 0, -1.0, 1.0)
    first, second = (np.square(points).sum(axis=0) / total).tolist()
    return (points * largest).astype(np.float32), (min(first, 1.0), min(second, 1.0))


def _directions(C: np.ndarray, seed: int) -> np.ndarray:
    """(d, ≤ 2) orthonormal principal directions of centred rows, the strongest first."""
    n, d = C.shape
    if d <= EXACT_SIZE or n <= EXACT_SIZE:
        from scipy.linalg import eigh

        smaller = (C.T @ C if d <= n else C @ C.T).astype(np.float64)
        size = len(smaller)
        with one_blas_thread():
            vectors = eigh(smaller, subset_by_index=[max(0, size - 2), size - 1])[1][:, ::-1]
        if d > n:
            vectors = C.T @ vectors
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=0), np.finfo(np.float32).tiny)
        return np.asarray(vectors)
    V = np.random.default_rng(seed).standard_normal((d, SUBSPACE)).astype(np.float32)
    for _ in range(PASSES):
        V = np.linalg.qr(C.T @ (C @ V))[0]
    B = (C @ V).astype(np.float64)
    strongest = np.linalg.eigh(B.T @ B)[1][:, :-3:-1]
    return np.asarray(V @ strongest)


def require_umap() -> None:
    """Raise `MissingExtraError` if the `umap` package is absent, before anything is encoded."""
    import importlib.util

    if importlib.util.find_spec("umap") is None:
        raise MissingExtraError("a UMAP layout needs umap-learn: pip install 'embgeo[umap]'")


def _umap_plane(X: np.ndarray, metric: str, seed: int) -> np.ndarray:
    require_umap()
    import warnings

    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP warns that a seed makes it single-threaded
        reducer = umap.UMAP(n_components=2, n_neighbors=min(15, max(2, len(X) - 1)), metric=metric, random_state=seed)
        return np.asarray(reducer.fit_transform(X), dtype=np.float32)


def _on_map(colour: Colour, rows: np.ndarray, n: int) -> np.ndarray:
    """(p,) float32 values of the mapped rows, NaN for documents that were not measured."""
    whole = np.full(n, np.nan, np.float32)
    whole[colour.rows] = colour.values
    return whole[rows]


def _extended_clusters(colour: Colour, X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(p,) float32 cluster of each mapped row: as measured, and the nearest centre for documents that were not."""
    at = np.searchsorted(rows, colour.rows)  # the map holds every measured document
    labels, clusters = colour.values, np.empty(len(rows), np.float32)
    clusters[at] = labels
    others = np.ones(len(rows), bool)
    others[at] = False
    if others.any():
        sizes = np.bincount(labels)
        sums = np.zeros((len(sizes), X.shape[1]), np.float32)
        np.add.at(sums, labels, X[at])
        centres = sums / np.maximum(sizes, 1)[:, None]
        half = 0.5 * np.square(centres).sum(axis=1) + np.where(sizes > 0, 0, np.inf)
        clusters[others] = np.argmax(X[others] @ centres.T - half, axis=1)
    return clusters
