"""A singularity score per document: how unlike flat space the neighbourhood of each document is.

After Euclidicity (von Rohrscheidt & Rieck 2023): the annulus around a point is compared with an annulus of Euclidean
space of the same dimension through its persistence diagram. Here the diagrams are those of H0, which are spanning
trees and cost next to nothing, so that every document gets a score; loops and higher voids are not compared.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from embgeo.errors import Undefined
from embgeo.metrics.registry import DocumentFacts, Reading, measure
from embgeo.space.blocks import in_threads
from embgeo.space.minimum_spanning_tree import tree_lengths
from embgeo.space.space import Space

NEIGHBOURS = 60  # the outer rim of the annulus
HOLE = 10  # nearest neighbours left out: the inner rim
MODELS = 20  # Euclidean annuli averaged into one reference
MIN_ROWS = 2 * NEIGHBOURS
MAX_DIMENSION = 50


def local_dimensions(nearest: np.ndarray) -> np.ndarray:
    """(n,) maximum-likelihood dimension of each point from (n, k) ascending neighbour distances (Levina & Bickel 2005).

    >>> local_dimensions(np.array([[np.exp(-1), np.exp(-1), 1.0]]))  # mean of ln(1 / e⁻¹) is 1
    array([1.])
    """
    logs = np.log(np.maximum(nearest[:, -1:] / nearest[:, :-1], 1 + 1e-7))
    return 1 / logs.mean(axis=1)


def annulus_deaths(D: np.ndarray, rows: np.ndarray, radius: float) -> np.ndarray:
    """Ascending H0 deaths of the points `rows`, in units of the outer radius."""
    return tree_lengths(D, rows).astype(np.float64) / radius


@cache
def flat_deaths(dimension: int, points: int, inner: float) -> np.ndarray:
    """(points − 1,) mean ascending H0 deaths of `points` uniform points between radius `inner` and 1 of flat space."""
    rng = np.random.default_rng([dimension, points, round(inner * 20)])
    curves = []
    for _ in range(MODELS):
        directions = rng.standard_normal((points, dimension))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        radii = (inner**dimension + rng.random(points) * (1 - inner**dimension)) ** (1 / dimension)
        X = (directions * radii[:, None]).astype(np.float32)
        difference = X[:, None] - X[None]
        D = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
        curves.append(tree_lengths(D))
    return np.asarray(np.mean(curves, axis=0, dtype=np.float64))


@measure(
    "euclidicity",
    family="topology",
    summary="How far a document's neighbourhood is from flat space, on average: high where topics meet or end.",
    range=(0.0, 2.0),
    invariances={"rotation", "translation", "scale", "row_order", "duplicates"},
    cost="n² + n k²",
    source="after von Rohrscheidt & Rieck 2023, with H0 diagrams",
    cap=5000,
    interval=False,
    documents=DocumentFacts(
        "score", value="score", largest="singular documents: neighbourhood least like a flat piece of space"
    ),
)
def euclidicity(space: Space) -> Reading:
    """Mean over documents of the distance between the H0 diagram of their annulus and that of flat space.

    The annulus of a document holds its 11th to 60th nearest distinct neighbours, in units of the 60th's distance. Flat
    space is the mean of 20 uniform annuli of the same number of points, inner radius and dimension (the document's own
    maximum-likelihood dimension from its 60 neighbours, at most 50). All H0 bars are born at 0, so that the diagrams
    are compared as sorted deaths: the largest difference, which is the bottleneck distance but for the diagonal.
    Depends on n, because a larger sample has smaller annuli, so it has no interval.

    `rows["score"]` is each document's own distance; duplicates share theirs. Raises `Undefined` below 120 rows.

    >>> u = np.random.default_rng(0).uniform(-1, 1, 301)
    >>> cross = np.r_[np.c_[u, 0 * u], np.c_[0 * u, u], [[0, 0]]].astype(np.float32)  # two lines that cut at 0
    >>> scores = euclidicity(Space(cross)).rows["score"]
    >>> bool(scores[-1] > 2 * np.median(scores))
    True
    """
    first = space.duplicates.first
    if len(first) < MIN_ROWS:
        raise Undefined(f"needs at least {MIN_ROWS} distinct documents; got {len(first)}")
    points = space if len(first) == space.n else space.subset(first)
    distances, nearest = points.neighbours(NEIGHBOURS)
    D = points.distances()
    dimensions = local_dimensions(distances.astype(np.float64))
    scores = np.empty(points.n)
    tree_lengths(D, np.arange(2))  # compiled before the threads start

    def score(block: slice) -> None:
        for i in range(block.start, block.stop):
            dimension = int(np.clip(np.rint(dimensions[i]), 1, MAX_DIMENSION))
            radius = distances[i, -1]
            inner = float(np.rint(20 * distances[i, HOLE - 1] / radius) / 20)
            flat = flat_deaths(dimension, NEIGHBOURS - HOLE, min(inner, 0.95))
            scores[i] = np.abs(annulus_deaths(D, nearest[i, HOLE:], radius) - flat).max()

    in_threads(score, [slice(start, min(start + 256, points.n)) for start in range(0, points.n, 256)])
    group = space.duplicates.group
    details = {"median_local_dimension": float(np.median(dimensions)), "neighbours": NEIGHBOURS}
    return Reading(float(scores.mean()), details=details, rows={"score": scores[group]})
