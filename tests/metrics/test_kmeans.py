"""k-means from a distance matrix: the clusterings of scikit-learn, and the cases that it must survive."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.numeric.kmeans import cluster_labels
from embgeo.space.space import Space


def run(X: np.ndarray, k: int, seed: int = 42) -> np.ndarray:
    space = Space(X.astype(np.float32))
    rows, factor = space.rows_for("euclidean")
    return cluster_labels(rows, space.distances() / np.float32(factor), k, seed)


@pytest.mark.parametrize("k", [2, 3, 7, 20])
@pytest.mark.parametrize("seed", [0, 42])
def test_labels_are_those_of_scikit_learn(k: int, seed: int) -> None:
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((400, 6)) + 3 * rng.standard_normal((5, 6))[rng.integers(0, 5, 400)]).astype(np.float32)
    assert np.array_equal(run(X, k, seed), KMeans(k, random_state=seed).fit_predict(X))


def test_every_row_alone_when_there_are_as_many_clusters_as_rows() -> None:
    X = np.random.default_rng(0).standard_normal((12, 3))
    assert sorted(run(X, 12)) == list(range(12))


def test_copies_share_a_cluster_and_no_cluster_stays_empty() -> None:
    X = np.repeat(np.random.default_rng(1).standard_normal((6, 3)), 9, axis=0)
    labels = run(X, 6).reshape(6, 9)
    assert (labels == labels[:, :1]).all()
    assert len(set(labels[:, 0].tolist())) == 6


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_norms_of_any_size_give_the_same_clusters(size: float) -> None:
    X = np.random.default_rng(2).standard_normal((60, 4))
    assert np.array_equal(run(X * size, 4), run(X, 4))


def test_inputs_are_not_written_to() -> None:
    X = np.random.default_rng(3).standard_normal((50, 4)).astype(np.float32)
    D = np.linalg.norm(X[:, None] - X[None], axis=2)
    before = X.copy(), D.copy()
    cluster_labels(X, D, 5, 0)
    assert np.array_equal(X, before[0])
    assert np.array_equal(D, before[1])
