"""The map of the documents and the histogram of their similarities: against slow oracles, and edge cases."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import embgeo.space.space_map as module
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.errors import MissingExtraError
from embgeo.limits.capacity import pair_similarity
from embgeo.metrics.signature import SignatureRequest, compute_signature
from embgeo.space import pair_histogram as histogram_module
from embgeo.space.pair_histogram import pair_histogram
from embgeo.space.space_map import principal_plane, require_umap, space_map


def cloud(n: int = 200, d: int = 12, seed: int = 0) -> np.ndarray:
    """Normal rows whose variance falls along the axes."""
    return (np.random.default_rng(seed).standard_normal((n, d)) / np.arange(1, d + 1)).astype(np.float32)


def embedded(X: np.ndarray, similarity: str = "euclidean") -> Embeddings:
    return check_embeddings(X, None, similarity=similarity)  # type: ignore[arg-type]


def slow_plane(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and shares by a full singular value decomposition in float64."""
    C = X.astype(np.float64) - X.astype(np.float64).mean(axis=0)
    U, s, _ = np.linalg.svd(C, full_matrices=False)
    return U[:, :2] * s[:2], s[:2] ** 2 / (s**2).sum()


@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (40, 40), (3, 2)])
def test_the_plane_is_that_of_a_full_decomposition(shape: tuple[int, int]) -> None:
    X = cloud(*shape) + 5
    points, shares = principal_plane(X)
    expected, expected_shares = slow_plane(X)
    np.testing.assert_allclose(shares, expected_shares, rtol=1e-3)
    # axes may point either way; float32 rows shifted by 5 keep about 6 digits
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=2e-4 * np.abs(expected).max())


def test_the_iteration_for_large_shapes_agrees_with_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(300, 150)
    exact, shares = principal_plane(X)
    monkeypatch.setattr(module, "EXACT_SIZE", 10)
    fast, fast_shares = principal_plane(X)
    np.testing.assert_allclose(fast_shares, shares, rtol=1e-3)
    np.testing.assert_allclose(fast, exact, atol=0.01 * np.abs(exact).max())


def test_distances_on_the_plane_never_exceed_those_in_space() -> None:
    X = cloud(50, 8)
    points, _ = principal_plane(X)
    plane = np.linalg.norm(points[:, None] - points[None], axis=2)
    space = np.linalg.norm(X[:, None] - X[None], axis=2)
    assert (plane <= space + 1e-4).all()


def test_rotation_leaves_the_map_but_for_its_signs() -> None:
    X = cloud()
    R = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 12)))[0]
    np.testing.assert_allclose(
        np.abs(principal_plane(X)[0]), np.abs(principal_plane((X @ R).astype(np.float32))[0]), atol=1e-3
    )


@pytest.mark.parametrize(
    "X",
    [
        np.ones((1, 4)),
        np.ones((5, 4)),
        np.zeros((5, 4)),
        np.arange(6.0)[:, None],
        np.full((3, 2), 1e19),
        np.eye(3) * 1e30,
        np.eye(3) * 1e-30,
    ],
)
def test_degenerate_rows_have_a_finite_map(X: np.ndarray) -> None:
    points, shares = principal_plane(X.astype(np.float32))
    assert points.shape == (len(X), 2)
    assert np.isfinite(points).all()
    assert all(0 <= share <= 1 for share in shares)


def test_colours_are_what_was_measured() -> None:
    e = embedded(cloud())
    signature = compute_signature(
        e, SignatureRequest(names=["lid", "mag_dim", "hubness", "silhouette"], intervals=False)
    )
    retrieved = np.random.default_rng(1).permuted(np.tile(np.arange(200), (7, 1)), axis=1)[:, :100]
    drawn = space_map(e, signature.colours(), retrieved)
    assert list(drawn.colours) == ["cluster", "local_dimension", "hub_count", "outlier_weight", "retrievability"]
    np.testing.assert_allclose(drawn.colours["local_dimension"], signature.rows["lid"]["local_dimension"], rtol=1e-6)
    expected = [(retrieved == row).sum() for row in range(200)]
    assert drawn.colours["retrievability"].tolist() == expected
    assert drawn.to_json()["colours"]["hub_count"]["measured"] == 200
    assert set(drawn.arrays()) == {
        "map/rows", "map/layout/pca", *(f"map/colour/{name}" for name in drawn.colours)
    }  # fmt: skip


def test_a_large_corpus_is_sampled_and_unmeasured_documents_have_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POINTS", 120)
    X = np.concatenate([cloud(150, 6, 1) + 9, cloud(150, 6, 2) - 9])
    e = embedded(X)
    signature = compute_signature(e, SignatureRequest(names=["lid", "silhouette"], intervals=False, cap=60, seed=4))
    drawn = space_map(e, signature.colours(), seed=4)
    assert len(drawn.rows) == 120
    assert (np.diff(drawn.rows) > 0).all()
    measured = np.isin(drawn.rows, signature.samples["lid"])
    assert measured.sum() == 60  # the map holds the whole sample of the signature
    assert (np.isfinite(drawn.colours["local_dimension"]) == measured).all()
    # documents outside the sample stand with the nearest centre: no cluster reaches over to the other cloud
    side = drawn.rows < 150
    clusters = drawn.colours["cluster"]
    assert np.isfinite(clusters).all()
    assert not set(clusters[side]) & set(clusters[~side])
    again = space_map(e, signature.colours(), seed=4)
    assert np.array_equal(again.rows, drawn.rows)
    assert np.array_equal(again.layouts["pca"], drawn.layouts["pca"])


def test_without_umap_the_error_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"embgeo\[umap\]"):
        require_umap()


def test_scifact_is_laid_out_quickly(shared_data: Path) -> None:
    X = np.load(shared_data / "scifact" / "minilm-docs.npy")
    e = embedded(X, "cosine")
    signature = compute_signature(e, SignatureRequest(names=["iso_score"], intervals=False))
    started = time.perf_counter()
    drawn = space_map(e, signature.colours())
    curve = pair_histogram(e)
    assert time.perf_counter() - started < 5  # 0.4 s on a quiet machine
    _, shares = slow_plane(X)
    np.testing.assert_allclose(drawn.explained, shares, rtol=1e-3)
    assert curve is not None


def test_pairs_are_counted_by_hand() -> None:
    # cosines of the three pairs: 0, 0, −1
    curve = pair_histogram(embedded(np.array([[1, 0], [0, 1], [0, -1]], np.float32)))
    assert curve is not None
    shares = {x: y for x, y in zip(curve["x"], curve["y"], strict=True) if y}
    assert shares == {-0.995: pytest.approx(1 / 3), 0.005: pytest.approx(2 / 3)}
    assert [mark["x"] for mark in curve["marks"]] == [pytest.approx(-1 / 3), pytest.approx(-1 / 3 + 2 * (2 / 9) ** 0.5)]


@pytest.mark.parametrize("block", [7, 64, 1024])
def test_moments_and_shares_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(histogram_module, "BLOCK", block)
    X = cloud(100, 5)
    curve = pair_histogram(embedded(X))
    assert curve is not None
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = (U @ U.T)[np.triu_indices(100, 1)]
    expected = np.histogram(cosines, bins=200, range=(-1, 1))[0] / len(cosines)
    shown = [round((x + 1) * 100 - 0.5) for x in curve["x"]]
    np.testing.assert_allclose(curve["y"], expected[shown], atol=2.5 / len(cosines))  # rounding at the bins' edges
    assert sum(curve["y"]) == pytest.approx(1)
    pairs = pair_similarity(U)
    assert curve["marks"][0]["x"] == pytest.approx(pairs.mean, abs=1e-6)
    assert curve["marks"][1]["x"] == pytest.approx(pairs.epsilon, abs=1e-5)


def test_a_measured_epsilon_is_the_one_that_is_marked() -> None:
    curve = pair_histogram(embedded(cloud()), mean=0.25, epsilon=0.5)
    assert curve is not None
    assert [mark["x"] for mark in curve["marks"]] == [0.25, 0.5]


def test_one_document_has_no_pairs() -> None:
    assert pair_histogram(embedded(np.ones((1, 3), np.float32))) is None
    assert pair_histogram(embedded(np.array([[1, 0], [0, 0]], np.float32))) is None
