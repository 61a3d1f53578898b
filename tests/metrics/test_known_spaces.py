"""Spaces whose answer is known before measuring: balls, spheres, Gaussians of a given spectrum, clusters, hubs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from embgeo.errors import Undefined
from embgeo.metrics.registry import Reading, measures
from embgeo.retrieval.retrievability import gini, gini_of_random_retrieval
from embgeo.space.space import Space


def reading(name: str, X: np.ndarray, **more) -> Reading:
    result = measures()[name].compute(Space(X.astype(np.float32), rng=np.random.default_rng(0), **more))
    return result if isinstance(result, Reading) else Reading(result)


def value(name: str, X: np.ndarray, **more) -> float:
    return reading(name, X, **more).value


def embed(X: np.ndarray, d: int = 30) -> np.ndarray:
    """Put low-dimensional points into d dimensions by a random rotation, off the origin."""
    rotation = np.linalg.qr(np.random.default_rng(9).standard_normal((d, d)))[0]
    return np.pad(X, ((0, 0), (0, d - X.shape[1]))) @ rotation + 0.7


def ball(n: int, dimension: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, dimension))
    return X / np.linalg.norm(X, axis=1, keepdims=True) * rng.random((n, 1)) ** (1 / dimension)


def sphere(n: int, dimension: int) -> np.ndarray:
    X = np.random.default_rng(2).standard_normal((n, dimension + 1))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def torus(n: int) -> np.ndarray:
    a, b = np.random.default_rng(3).random((2, n)) * 2 * np.pi
    return np.stack([np.cos(a), np.sin(a), np.cos(b), np.sin(b)], axis=1)


DIMENSIONS = {
    "ball of 2": (ball(2000, 2), 2),
    "ball of 5": (ball(2000, 5), 5),
    "sphere of 3": (sphere(2000, 3), 3),
    "torus": (torus(2000), 2),
}
# estimators that see boundaries and curvature fall short by up to a fifth at n = 2,000
SHORTFALL = {"twonn_dim": 0.12, "lid": 0.2, "gride_dim": 0.2, "correlation_dimension": 0.15}


@pytest.mark.parametrize("space", DIMENSIONS)
@pytest.mark.parametrize("name", SHORTFALL)
def test_dimension_of_a_known_manifold_is_found(name: str, space: str) -> None:
    X, dimension = DIMENSIONS[space]
    assert value(name, embed(X)) == pytest.approx(dimension, rel=SHORTFALL[name])


def gaussian(variances: list[float], n: int = 60_000) -> np.ndarray:
    """Exactly these variances: whitened, then scaled."""
    X = np.random.default_rng(4).standard_normal((n // 10, len(variances)))
    X -= X.mean(axis=0)
    X @= np.linalg.inv(np.linalg.cholesky(np.cov(X.T))).T
    return X * np.sqrt(variances)


def test_spectral_dimensions_of_a_given_spectrum() -> None:
    X = gaussian([10, 5, 4, 0.6, 0.4])  # sum 20
    assert value("participation_ratio", X) == pytest.approx(400 / (100 + 25 + 16 + 0.36 + 0.16), rel=1e-4)
    assert value("pca_dim", X) == 4  # above 0.5
    assert value("pca_dim_85", X) == 3  # 10 + 5 + 4 = 95 %
    assert value("pca_dim_90", X) == 3
    assert value("pca_dim_95", gaussian([10, 5, 3.9, 0.7, 0.5])) == 4
    assert value("stable_rank", X) == pytest.approx(2.0, rel=1e-3)  # centred: 20 / 10
    assert value("condition_number", X) == pytest.approx(5.0, rel=1e-3)  # √(10 / 0.4)
    assert value("nuclear_norm", gaussian([1] * 9)) == pytest.approx(3.0, rel=1e-4)


def test_one_direction_has_rank_one() -> None:
    X = np.outer(np.linspace(1, 2, 50), [3, 4, 0, 0])
    for name in ("effective_rank", "stable_rank", "trace_ratio", "participation_ratio", "pca_dim", "pca_dim_95",
                 "nuclear_norm", "vendi_score"):  # fmt: skip
        assert value(name, X) == pytest.approx(1.0, abs=1e-4), name
    assert value("spectral_entropy", X) == pytest.approx(0.0, abs=1e-6)
    assert value("iso_score", X) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(Undefined, match="1 of 4 dimensions"):
        value("condition_number", X)


def test_equal_directions_fill_the_dimension() -> None:
    X = np.r_[np.eye(16), -np.eye(16)]
    for name in ("effective_rank", "stable_rank", "trace_ratio", "participation_ratio", "pca_dim", "vendi_score"):
        assert value(name, X) == pytest.approx(16.0, rel=1e-6), name
    assert value("iso_score", X) == pytest.approx(1.0)
    assert value("spectral_entropy", X) == pytest.approx(1.0)
    assert value("redundancy", X) == pytest.approx(0.0, abs=1e-12)
    assert value("mean_vector_norm", X) == pytest.approx(0.0, abs=1e-7)
    assert value("avg_pair_sim_cosine", X) == pytest.approx(0.0, abs=1e-7)
    assert value("effective_rank_knee", X) == 16


def test_the_knee_is_where_the_strong_directions_end() -> None:
    X = np.diag(np.r_[np.full(5, 10.0), np.full(45, 0.5)])
    assert value("effective_rank_knee", X) == 5
    assert (
        value("effective_rank_85", X) < 5 < value("effective_rank_95", np.diag(np.r_[np.full(5, 10.0), np.full(45, 2)]))
    )


def test_uniform_sphere_is_uniform_and_a_bundle_is_not() -> None:
    d = 200
    wide = sphere(1500, d - 1)
    assert value("uniformity", wide) == pytest.approx(-4 + 8 / d, abs=0.02)  # E exp(4t) with t ~ N(0, 1/d)
    bundle = wide + 20 * np.eye(1, d)
    assert value("uniformity", bundle) > -0.05
    assert value("mean_vector_norm", bundle) > 0.99


def test_clusters_are_counted_and_a_blob_has_none() -> None:
    centres = np.random.default_rng(5).standard_normal((10, 20)) * 30
    X = np.repeat(centres, 40, axis=0) + np.random.default_rng(6).standard_normal((400, 20))
    found = reading("silhouette", X)
    assert found.value > 0.8
    assert found.details["clusters"] == 10
    assert value("silhouette", np.random.default_rng(7).standard_normal((400, 20))) < 0.1
    assert value("spread_euclidean", X * 100) == pytest.approx(400, rel=1e-3)  # all far apart
    assert value("spread_euclidean", centres[[0] * 400]) == pytest.approx(1.0)
    assert value("spread_euclidean", np.repeat(centres, 40, axis=0) * 100) == pytest.approx(10.0)
    assert value("vendi_score", np.repeat(np.eye(10), 40, axis=0)) == pytest.approx(10.0)


def test_a_planted_hub_is_found() -> None:
    rng = np.random.default_rng(8)
    X = rng.standard_normal((300, 60))
    even = reading("hubness", X[:, :2], similarity="euclidean")
    X -= X.mean(axis=0)
    hub = np.r_[X, 0.01 * rng.standard_normal((1, 60))]  # at the centre: near everyone in high dimension
    found = reading("hubness", hub, similarity="euclidean")
    assert found.rows["count"].argmax() == 300
    assert found.details["largest_count"] > 250
    assert found.value > 3 > even.value
    assert found.details["correlation_with_centrality"] > 0.5
    assert found.rows["count"].sum() == 301 * 10


def test_local_dimension_tells_a_thread_from_a_cloud() -> None:
    rng = np.random.default_rng(10)
    thread = np.c_[np.linspace(50, 90, 500), np.zeros((500, 9))]
    X = np.r_[thread + 1e-4 * rng.standard_normal(thread.shape), rng.standard_normal((500, 10))]
    local = reading("lid", X).rows["local_dimension"]
    assert np.median(local[:500]) == pytest.approx(1.0, abs=0.4)
    assert np.median(local[500:]) > 5


def test_gride_sees_noise_near_and_the_curve_far() -> None:
    """A circle with noise of 0.01 in ten dimensions: many dimensions among near neighbours, one among far ones."""
    rng = np.random.default_rng(11)
    t = rng.random(3000) * 2 * np.pi
    X = np.c_[np.cos(t), np.sin(t), np.zeros((3000, 8))] + 0.01 * rng.standard_normal((3000, 10))
    curve = reading("gride_dim", X).curves["scale"]
    assert curve["rank"] == [2, 4, 8, 16, 32, 64, 128]
    assert curve["y"][0] > 3 * curve["y"][-1]
    assert curve["y"][-1] == pytest.approx(1.0, abs=0.5)
    assert curve["x"] == sorted(curve["x"])


def test_outlier_dimensions_are_named_in_order_of_size() -> None:
    X = np.random.default_rng(12).standard_normal((200, 64))
    X[:, 5] *= 30
    X[:, 40] *= 20
    found = reading("outlier_dimensions", X)
    assert found.details["dimensions"] == [5, 40]
    assert found.details["shares"][0] == pytest.approx(900 / (900 + 400 + 62), rel=0.2)
    assert value("outlier_dimensions", np.sign(X)) == 0


def test_redundancy_of_copied_dimensions_is_one() -> None:
    x = np.random.default_rng(13).standard_normal((100, 1))
    assert value("redundancy", np.c_[x, -2 * x, 5 * x + 1]) == pytest.approx(1.0, abs=1e-6)


def test_a_power_law_spectrum_has_its_exponent_and_a_flat_one_a_steeper_tail() -> None:
    n, d = 3000, 300
    rng = np.random.default_rng(14)
    heavy = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    found = reading("power_law_exponent", heavy @ rotation)
    assert found.details["rank_slope"] == pytest.approx(-1.0, abs=0.15)
    assert found.value < value("power_law_exponent", rng.standard_normal((n, d)))


def test_diffusion_entropy_counts_separate_regions() -> None:
    """m regions far apart have m eigenvalues near 1 and hardly more: log₂ m bits."""
    rng = np.random.default_rng(15)
    for m in (2, 8, 32):
        X = np.repeat(1000 * np.eye(40)[:m], 480 // m, axis=0) + rng.random((480 // m * m, 40))
        assert value("diffusion_spectral_entropy", X) == pytest.approx(math.log2(m), abs=0.3), m


def test_alignment_by_hand() -> None:
    X = np.array([[1, 0], [0, 2], [-3, 0]])
    Q = np.array([[2, 0]], np.float32)
    for document, expected in ((0, 0.0), (1, 2.0), (2, 4.0)):
        assert value("alignment", X, queries=Q, relevant=np.array([[0, document]])) == pytest.approx(expected)
    with pytest.raises(Undefined, match="no relevant document"):
        value("alignment", X, queries=Q, relevant=np.empty((0, 2), np.int64))


def test_retrievability_uses_the_results_it_is_given() -> None:
    """Two queries that both find documents 0 … 99 of 200: half never found, the rest twice; Gini 1/2."""
    X = np.random.default_rng(16).standard_normal((200, 4))
    results = np.tile(np.arange(100), (2, 1))
    found = reading("retrievability_gini", X, queries=np.ones((2, 4), np.float32), retrieved=results)
    assert found.value == pytest.approx(0.5)
    assert found.details["gini_found"] == 0.0
    assert found.rows["retrievability"].tolist() == [2] * 100 + [0] * 100
    missing = reading("never_retrieved_share", X, queries=np.ones((2, 4), np.float32), retrieved=results)
    assert missing.value == 0.5
    assert missing.details["of_random_retrieval"] == 0.25


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_retrievability_searches_by_the_similarity_of_the_model(similarity: str) -> None:
    rng = np.random.default_rng(17)
    X = (rng.standard_normal((300, 6)) * rng.lognormal(0, 1, (300, 1))).astype(np.float32)
    Q = rng.standard_normal((7, 6)).astype(np.float32)
    if similarity == "cosine":
        scores = Q @ (X / np.linalg.norm(X, axis=1, keepdims=True)).T
    elif similarity == "dot":
        scores = Q @ X.T
    else:
        scores = -np.square(Q[:, None] - X[None]).sum(axis=2)
    expected = np.bincount(np.argsort(-scores, axis=1)[:, :100].ravel(), minlength=300)
    found = reading("retrievability_gini", X, queries=Q, similarity=similarity)
    assert np.array_equal(found.rows["retrievability"], expected)


def test_what_queries_find_by_distance_does_not_move_with_the_corpus() -> None:
    rng = np.random.default_rng(4)
    X, Q = (rng.standard_normal((n, 32)).astype(np.float32) + np.float32(3000) for n in (400, 60))
    far = reading("retrievability_gini", X, queries=Q, similarity="euclidean")
    near = reading("retrievability_gini", X - np.float32(3000), queries=Q - np.float32(3000), similarity="euclidean")
    assert far.value == pytest.approx(near.value, abs=1e-3)


def test_gini_of_random_retrieval_is_what_random_retrieval_gives() -> None:
    rng = np.random.default_rng(18)
    counts = np.zeros(2000, np.int64)
    for _ in range(300):
        counts[rng.choice(2000, 40, replace=False)] += 1
    assert gini_of_random_retrieval(300, 40 / 2000) == pytest.approx(gini(counts), abs=0.01)


def test_gini_by_hand() -> None:
    assert gini(np.array([1, 1, 1, 1])) == 0
    assert gini(np.array([0, 0, 3])) == pytest.approx(2 / 3)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)  # |1 − 3| / (2 · 4)
    assert gini(np.array([])) == 0


def test_shrinkage_vanishes_with_many_rows() -> None:
    X = np.random.default_rng(19).standard_normal((4000, 8)) * np.linspace(0.5, 2, 8)
    few, many = reading("iso_score_star", X[:12]), reading("iso_score_star", X)
    assert few.details["shrinkage"] > 5 * many.details["shrinkage"]
    assert many.value == pytest.approx(value("iso_score", X), rel=0.01)


def test_published_vendi_columns_are_near_one_where_the_score_is_in_the_tens() -> None:
    X = np.random.default_rng(20).standard_normal((500, 60))
    assert value("vendi_score", X) > 50
    assert value("vendi_score_distance_cosine", X) == pytest.approx(1.0, abs=0.02)
    assert 0 < value("vendi_score_distance_euclidean", X) < math.exp(1 / math.e)
