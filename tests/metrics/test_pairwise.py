"""Two representations compared: perfect, destroyed and hand-made cases, and slow definitions."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.errors import InputError, Undefined
from embgeo.metrics.pairwise.cka import linear_cka
from embgeo.metrics.pairwise.information_imbalance import information_imbalance
from embgeo.metrics.pairwise.neighbourhood_overlap import neighbourhood_overlap
from embgeo.metrics.pairwise.procrustes import procrustes_error
from embgeo.metrics.pairwise.registry import compare_spaces, comparisons
from embgeo.metrics.pairwise.svcca import svcca
from embgeo.space.space import Space

COMPARISONS = {name: one.compute for name, one in comparisons().items()}
PERFECT = {
    "linear_cka": 1.0,
    "svcca": 1.0,
    "neighbourhood_overlap@10": 1.0,
    "information_imbalance_a_to_b": 2 / 300,  # the nearest has rank 1
    "information_imbalance_b_to_a": 2 / 300,
    "procrustes_error": 0.0,
}


def cloud(seed: int = 0, n: int = 300, d: int = 8) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, d)) * np.linspace(0.5, 2, d)).astype(np.float32)


def space(X: np.ndarray) -> Space:
    return Space(X.astype(np.float32), similarity="euclidean")


def rotation(d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_space_compared_with_itself_turned_moved_and_scaled_is_perfect(name: str) -> None:
    X = cloud()
    same = X @ rotation(8) * 3 + 5
    assert COMPARISONS[name](space(X), space(same)) == pytest.approx(PERFECT[name], abs=1e-4)


@pytest.mark.parametrize("name", COMPARISONS)
def test_shuffled_rows_destroy_the_similarity(name: str) -> None:
    X = cloud()
    shuffled = X[np.random.default_rng(2).permutation(300)]
    chance = {
        "linear_cka": 0.03, "svcca": 0.11, "neighbourhood_overlap@10": 10 / 299, "information_imbalance_a_to_b": 1.0,
        "information_imbalance_b_to_a": 1.0, "procrustes_error": 0.97,
    }  # fmt: skip
    assert COMPARISONS[name](space(X), space(shuffled)) == pytest.approx(chance[name], abs=0.1)


@pytest.mark.parametrize("name", COMPARISONS)
def test_more_noise_means_less_similarity(name: str) -> None:
    X, noise = cloud(), cloud(3)
    values = [COMPARISONS[name](space(X), space(X + level * noise)) for level in (0.0, 0.1, 0.5, 3.0)]
    falling = PERFECT[name] == 1.0
    assert values == sorted(values, reverse=falling)
    assert abs(values[-1] - values[0]) > 0.2


@pytest.mark.parametrize("name", ["linear_cka", "svcca", "neighbourhood_overlap@10", "procrustes_error"])
def test_similarity_is_symmetric(name: str) -> None:
    a, b = space(cloud()), space(cloud() + cloud(3))
    assert COMPARISONS[name](a, b) == pytest.approx(COMPARISONS[name](b, a), rel=1e-9)


def test_cka_is_its_definition_on_kernels() -> None:
    X, Y = cloud().astype(float), (cloud() + cloud(3))[:, :5].astype(float)
    H = np.eye(300) - 1 / 300
    K, L = H @ X @ X.T @ H, H @ Y @ Y.T @ H
    expected = (K * L).sum() / np.sqrt((K * K).sum() * (L * L).sum())
    assert linear_cka(space(X), space(Y)) == pytest.approx(expected, rel=1e-5)


def test_svcca_sees_through_any_invertible_map_and_drops_weak_directions() -> None:
    X = cloud()
    mixed = X @ np.random.default_rng(4).standard_normal((8, 8))
    assert svcca(space(X), space(mixed), keep=1.0) == pytest.approx(1.0, abs=1e-5)
    faint = np.c_[X, 1e-3 * cloud(5)]  # below 1 % of the variance
    assert svcca(space(X), space(faint)) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(InputError, match="share of variance"):
        svcca(space(X), space(X), keep=0)


def test_overlap_by_hand() -> None:
    """Positions 0 1 3 7 and 0 1 3 2.2, k = 1: nearest 1 0 1 2 and 1 0 3 2; rows 0, 1 and 3 agree."""
    a, b = (space(np.array(x)[:, None]) for x in ([0, 1, 3, 7], [0, 1, 3, 2.2]))
    assert neighbourhood_overlap(a, b, k=1) == 0.75


def test_information_imbalance_by_hand() -> None:
    """Positions 0 1 3 7 and 0 4 3 1: nearest in the first 1 0 1 2, at ranks 3 3 1 2 in the second: 2 · 9 / 16."""
    a, b = (space(np.array(x)[:, None]) for x in ([0, 1, 3, 7], [0, 4, 3, 1]))
    assert information_imbalance(a, b) == pytest.approx(2 * 9 / 16)


def test_a_richer_space_predicts_the_poorer_one() -> None:
    X = cloud(d=2)
    both, one = space(X), space(X[:, 1:])
    assert information_imbalance(both, one) < 0.5 * information_imbalance(one, both)


def test_procrustes_is_the_residual_of_the_best_rotation() -> None:
    from scipy.spatial import procrustes

    X, Y = cloud().astype(float), (cloud() + cloud(3)).astype(float)
    assert procrustes_error(space(X), space(Y)) == pytest.approx(procrustes(X, Y)[2], rel=1e-5)


@pytest.mark.parametrize("name", COMPARISONS)
def test_dimensions_may_differ_and_rows_may_not(name: str) -> None:
    COMPARISONS[name](space(cloud()), space(cloud()[:, :3]))
    with pytest.raises(InputError, match="300 and 299 rows"):
        COMPARISONS[name](space(cloud()), space(cloud()[:299]))


@pytest.mark.parametrize("name", ["linear_cka", "svcca", "procrustes_error"])
def test_a_constant_representation_has_nothing_to_compare(name: str) -> None:
    with pytest.raises(Undefined, match="nothing to compare"):
        COMPARISONS[name](space(cloud()), space(np.ones((300, 4))))


def test_the_table_has_every_comparison_and_none_where_undefined() -> None:
    table = compare_spaces(space(cloud()), space(np.ones((300, 4))))
    assert set(table) == set(COMPARISONS)
    assert table["linear_cka"] is None


def test_real_vectors_survive_rounding_to_eight_bits_better_than_to_one(shared_data) -> None:
    X = np.load(shared_data / "scifact" / "minilm-docs.npy")[:1500]
    eight = np.round(X * 127 / np.abs(X).max()) / 127
    one = np.where(X > 0, 1.0, -1.0)
    fine, coarse = (compare_spaces(Space(X), Space(Y.astype(np.float32))) for Y in (eight, one))
    assert fine["linear_cka"] > 0.99 > coarse["linear_cka"] > 0.8
    assert fine["neighbourhood_overlap@10"] > 0.9 > coarse["neighbourhood_overlap@10"] > 0.4
    assert fine["procrustes_error"] < 0.01 < coarse["procrustes_error"]
