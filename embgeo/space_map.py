"""The space map: the documents laid out in two dimensions, with what each may be coloured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.errors import MissingExtraError
from embgeo.metrics.signature import Signature
from embgeo.progress import Progress, silent
from embgeo.threads import one_blas_thread

MOST_POINTS = 20_000
EXACT_SIZE = 1024  # up to this many rows or dimensions the axes come from a full eigendecomposition
SUBSPACE, PASSES = 16, 8  # beyond that from a subspace iteration: directions wanted and to spare, passes over the rows
REACH = 100  # retrievability counts the queries that bring a document into their first 100

# which per-document arrays of the signature colour the map, and what the reader is told they are
COLOURS = {
    "local_dimension": ("lid", "local_dimension", "local dimension"),
    "outlier_weight": ("mag_dim", "weight", "outlier weight (magnitude)"),
    "hub_count": ("hubness", "count", "hub count (neighbour of how many)"),
}


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
        """What a run's JSON says of the map; the numbers per document are in `arrays`."""
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
    signature: Signature,
    retrieved: np.ndarray | None = None,
    seed: int = 0,
    umap: bool = False,
    progress: Progress = silent,
) -> SpaceMap:
    """Lay out the documents by their two main directions, and by UMAP where asked for.

    Above 20,000 documents a seeded sample is drawn; it holds the documents that the signature measured. Colours are
    what was measured anyway: k-means clusters of the best silhouette (documents outside its sample go to the nearest
    centre), how many queries find a document in their top 100 (`retrieved`, (m, k) rows, −1 where empty), local
    dimension, magnitude weight, hub count. Cost: n d² for small d, about 20 passes over the rows otherwise (0.1 s for
    5,183 × 384). Raises `MissingExtraError` for `umap` without the package.
    """
    n = len(embeddings)
    rows = np.arange(n)
    if n > MOST_POINTS:  # the permutation that the signature's samples are the beginning of
        rows = np.sort(np.random.default_rng([seed, 0]).permutation(n)[:MOST_POINTS])
    X = np.asarray(embeddings.matrix() if n <= MOST_POINTS else embeddings.rows(rows), dtype=np.float32)
    progress("space map", 0, 1)
    points, explained = principal_plane(X, seed)
    layouts = {"pca": points}
    if umap:
        layouts["umap"] = _umap_plane(X, "euclidean" if embeddings.similarity == "euclidean" else "cosine", seed)
    colours, labels = _measured(signature, rows, n)
    clusters = _clusters(signature, X, rows)
    if clusters is not None:
        found = int(clusters.max()) + 1
        colours, labels = {"cluster": clusters, **colours}, {"cluster": f"cluster ({found}, k-means)", **labels}
    if retrieved is not None and n > REACH <= retrieved.shape[1]:
        found_rows = retrieved[:, :REACH]
        counts = np.bincount(found_rows[found_rows >= 0], minlength=n)
        colours["retrievability"] = counts[rows].astype(np.float32)
        labels["retrievability"] = f"retrievability (queries that find it in their top {REACH})"
    progress("space map", 1, 1)
    return SpaceMap(rows, layouts, explained, colours, labels, n)


def principal_plane(X: np.ndarray, seed: int = 0) -> tuple[np.ndarray, tuple[float, float]]:
    """(n, 2) float32 coordinates of the centred rows along their two main directions, and the shares of variance.

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
    """(d, ≤ 2) orthonormal main directions of centred rows, the strongest first."""
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
    """Raise `MissingExtraError` where the `umap` package is absent, before anything is encoded."""
    import importlib.util

    if importlib.util.find_spec("umap") is None:
        raise MissingExtraError("a UMAP layout needs umap-learn: pip install 'embgeo[umap]'")


def _umap_plane(X: np.ndarray, metric: str, seed: int) -> np.ndarray:
    require_umap()
    import warnings

    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces that a seed costs it its threads
        reducer = umap.UMAP(n_components=2, n_neighbors=min(15, max(2, len(X) - 1)), metric=metric, random_state=seed)
        return np.asarray(reducer.fit_transform(X), dtype=np.float32)


def _measured(signature: Signature, rows: np.ndarray, n: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Colours that are arrays of the signature, NaN for documents outside a measure's sample."""
    colours, labels = {}, {}
    for name, (measure, key, label) in COLOURS.items():
        values = signature.rows.get(measure, {}).get(key)
        if values is not None:
            whole = np.full(n, np.nan, np.float32)
            whole[signature.samples[measure]] = values
            colours[name], labels[name] = whole[rows], label
    return colours, labels


def _clusters(signature: Signature, X: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """(p,) float32 cluster of each row: that of the silhouette's sample, the nearest centre for the others."""
    labels = signature.rows.get("silhouette", {}).get("cluster")
    if labels is None:
        return None
    at = np.searchsorted(rows, signature.samples["silhouette"])  # the map holds every measured document
    clusters = np.empty(len(rows), np.float32)
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
