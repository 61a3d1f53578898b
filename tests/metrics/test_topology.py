"""Kernels of topology: spanning tree, relative neighbours, bars, and the measures made of them."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import slow_topology as slow
from oracles.published_ph_dimension import published_ph_dimension

from embgeo.errors import InputError, Undefined
from embgeo.metrics.euler_characteristic import LUNES, RIPS, TIED_LUNES, count_bars, euler_characteristic
from embgeo.metrics.lifetimes import lifetime_mean, midlife_mean
from embgeo.metrics.persistence import h1_persistence, rips_bars
from embgeo.metrics.ph_dimension import ph_dim
from embgeo.metrics.ph_entropy import persistent_entropy, ph_entropy
from embgeo.space.minimum_spanning_tree import tree_lengths
from embgeo.space.relative_neighbourhood import count_relative_neighbours
from embgeo.space.space import Space


def gaussian(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def on_line(*points: float) -> Space:
    return Space(np.array(points, np.float32)[:, None])


def hamming_cube(n: int, d: int, seed: int = 0) -> np.ndarray:
    """(n, n) Hamming distances between n different corners of the d-cube."""
    corners = np.random.default_rng(seed).choice(2**d, n, replace=False)
    bits = (corners[:, None] >> np.arange(d)) & 1
    return (bits[:, None, :] != bits[None]).sum(-1).astype(np.float32)


# -- spanning tree ---


def test_tree_of_four_points_on_a_line() -> None:
    # 0, 1, 3, 7: gaps 1, 2, 4 are the three shortest edges that join all
    assert tree_lengths(on_line(0, 1, 3, 7).distances()).tolist() == [1, 2, 4]


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 1), (120, 4), (257, 40)])
def test_tree_lengths_agree_with_scipy(n: int, d: int) -> None:
    D = Space(gaussian(n, d)).distances()
    assert tree_lengths(D) == pytest.approx(slow.spanning_lengths(D), rel=1e-6)


def test_a_subsample_gets_the_tree_of_its_submatrix() -> None:
    D = Space(gaussian(200, 5)).distances()
    rows = np.random.default_rng(1).choice(200, 70, replace=False)
    assert np.array_equal(tree_lengths(D, rows), tree_lengths(D[np.ix_(rows, rows)].copy()))


@pytest.mark.parametrize("cloud", ["gaussian", "two far clusters", "copies", "grid"])
@pytest.mark.parametrize("k", [1, 4, 32])
def test_neighbour_lists_give_the_same_lengths(cloud: str, k: int) -> None:
    X = gaussian(200, 5)
    if cloud == "two far clusters":  # every list ends inside its cluster
        X[:80] += 50
    elif cloud == "copies":
        X = np.repeat(X[:40], 5, axis=0)
    elif cloud == "grid":
        X = np.round(X)
    D, lists = Space(X).distances(), Space(X).neighbours(k)
    for rows in (None, np.random.default_rng(1).choice(200, 70, replace=False), np.array([3, 150])):
        lengths = tree_lengths(D, rows, lists)
        assert np.array_equal(lengths, tree_lengths(D, rows))
        part = D if rows is None else D[np.ix_(rows, rows)]
        assert lengths + 1 == pytest.approx(slow.spanning_lengths(part + 1), abs=1e-5)  # SciPy skips zeros


def test_under_cosine_unit_rows_have_the_tree_of_the_cosine_matrix() -> None:
    X = gaussian(300, 6)
    space = Space((X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32))
    members = [np.arange(0, 300, 2), np.arange(100)]
    D = space.distances("cosine")
    for lengths, rows in zip(space.subsample_lengths("cosine", members), members, strict=True):
        assert lengths == pytest.approx(tree_lengths(D, rows), rel=1e-5)
    assert space.tree_lengths("cosine") == pytest.approx(tree_lengths(D), rel=1e-5)


def test_tree_of_fewer_than_two_points_is_empty_and_bad_matrices_are_refused() -> None:
    assert len(tree_lengths(np.zeros((1, 1), np.float32))) == 0
    with pytest.raises(InputError, match="square"):
        tree_lengths(np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="rows of the matrix"):
        tree_lengths(np.zeros((3, 3), np.float32), np.array([0, 3]))


# -- relative neighbours and the count of loops ---


@pytest.mark.parametrize(("n", "d"), [(2, 2), (3, 2), (40, 2), (60, 10), (90, 60)])
def test_lunes_agree_with_the_triple_loop(n: int, d: int) -> None:
    D = Space(gaussian(n, d)).distances()
    for near in (None, np.argsort(D, axis=1)[:, 1:5]):
        count = count_relative_neighbours(D, near)
        assert (count.edges, count.ties) == slow.lunes(D)


def test_lune_ties_agree_with_the_triple_loop_on_a_hamming_cube() -> None:
    D = hamming_cube(60, 8)
    for near in (None, np.argsort(D, axis=1)[:, 1:5]):
        count = count_relative_neighbours(D, near)
        assert (count.edges, count.ties) == slow.lunes(D)
    assert count.ties > 0


def test_a_square_has_four_pieces_and_one_loop() -> None:
    # sides 1, diagonals √2: the sides' lunes hold no corner (it is √2 from one end), the diagonals' lunes hold two
    square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    components, loops, details = count_bars(Space(square).distances())
    assert (components, loops, details["route"]) == (4, 1, LUNES)


def test_an_equilateral_triangle_is_a_tie_and_has_no_loop() -> None:
    # each corner lies on the boundary of the opposite lune; open lunes would count 3 − 2 = 1 loop
    D = 1 - np.eye(3, dtype=np.float32)
    components, loops, details = count_bars(D)
    assert (components, loops) == (3, 0)
    assert details == {"route": TIED_LUNES, "ties": 3}


@pytest.mark.parametrize("seed", range(5))
def test_bars_agree_with_a_whole_rips_complex_on_random_subsets(seed: int) -> None:
    D = Space(gaussian(90, 3 + 5 * seed, seed)).distances()
    components, loops, details = count_bars(D)
    assert (components, loops) == slow.rips_bar_counts(D)
    assert details["route"] == LUNES


@pytest.mark.parametrize("seed", range(3))
def test_bars_on_a_hamming_cube_need_the_ties_resolved(seed: int) -> None:
    D = hamming_cube(60, 8, seed)
    components, loops, details = count_bars(D)
    assert (components, loops) == slow.rips_bar_counts(D)
    assert details["route"] == TIED_LUNES
    # what the shortcut would have said, under either tie rule
    edges, ties = slow.lunes(D)
    assert edges - 59 != loops
    assert edges - ties - 59 != loops


@pytest.mark.parametrize("name", ["grid", "simplex", "integers", "few levels", "cross", "zero distances"])
def test_bars_of_tied_data_agree_with_a_whole_rips_complex(name: str) -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0)), -1).reshape(-1, 2)
    levels = np.triu(rng.integers(1, 6, (40, 40)), 1).astype(np.float32)  # no metric, only a filtration
    D = {
        "grid": Space(grid.astype(np.float32)).distances(),
        "simplex": 1 - np.eye(25, dtype=np.float32),
        "integers": Space(np.unique(rng.integers(0, 3, (60, 4)), axis=0).astype(np.float32)).distances(),
        "few levels": levels + levels.T,
        "cross": Space(np.r_[np.eye(12), -np.eye(12)].astype(np.float32)).distances(),
        "zero distances": np.abs(np.subtract.outer(*[np.arange(30) // 3 % 7] * 2)).astype(np.float32),
    }[name]
    components, loops, details = count_bars(np.array(D))
    assert (components, loops) == slow.rips_bar_counts(D)
    # equal distances alone are no lune ties: in a grid every edge has a point inside its lune or none near it
    assert (details["ties"] > 0) == (name != "grid")


def test_with_too_many_ties_gudhi_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    D = hamming_cube(60, 8)
    resolved = count_bars(D)
    monkeypatch.setattr("embgeo.space.tied_lunes.MAX_RELATIONS", 10)
    by_gudhi = count_bars(D)
    assert by_gudhi[2]["route"] == RIPS
    assert by_gudhi[:2] == resolved[:2] == slow.rips_bar_counts(D)


@pytest.mark.parametrize("seed", range(5))
def test_bars_of_real_documents_agree_with_gudhi_on_random_subsets(shared_data, seed: int) -> None:
    X = np.load(shared_data / "scifact" / "minilm-docs.npy", mmap_mode="r")
    rows = np.sort(np.random.default_rng(seed).choice(len(X), 250, replace=False))
    D = Space(np.array(X[rows], np.float32)).distances()
    components, loops, details = count_bars(D)
    assert details["route"] == LUNES
    assert [components, loops] == [len(bars) for bars in rips_bars(D, 1)]


def test_duplicates_make_no_bars() -> None:
    X = gaussian(50, 4)
    assert euler_characteristic(Space(np.repeat(X, 3, axis=0))).value == euler_characteristic(Space(X)).value


def test_one_document_is_one_piece() -> None:
    assert euler_characteristic(Space(np.ones((7, 2), np.float32))).value == 1


# -- persistence diagrams ---


def test_a_circle_has_one_wide_loop_and_a_ball_has_none() -> None:
    angles = 2 * np.pi * np.arange(60) / 60
    # jitter, or all 60 sides tie; a loop born near 2 sin(π/60) = 0.105 and filled near √3
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, 60)
    circle = np.c_[np.cos(angles + jitter), np.sin(angles + jitter)].astype(np.float32)
    reading = h1_persistence(Space(circle))
    assert reading.value == pytest.approx(1 - 0.125 / np.sqrt(3), abs=0.03)
    ball = gaussian(400, 2)
    ball /= np.maximum(1, np.linalg.norm(ball, axis=1, keepdims=True))
    assert h1_persistence(Space(ball)).value < 0.7


def test_a_torus_has_two_wide_loops() -> None:
    u, v = np.random.default_rng(3).uniform(0, 2 * np.pi, (2, 900))
    # a flat torus in four dimensions: both loops have the same width
    torus = np.c_[np.cos(u), np.sin(u), np.cos(v), np.sin(v)].astype(np.float32)
    bars = rips_bars(Space(torus[:400]).distances(), 1)[1]
    share = np.sort(1 - bars[:, 0] / bars[:, 1])[::-1]
    assert share[1] > 0.6 > share[2]


def test_diagrams_of_one_two_and_equal_points() -> None:
    assert [len(bars) for bars in rips_bars(np.zeros((1, 1), np.float32), 1)] == [1, 0]
    assert [len(bars) for bars in rips_bars(1 - np.eye(2, dtype=np.float32), 1)] == [2, 0]
    assert [len(bars) for bars in rips_bars(np.zeros((2, 2), np.float32), 1)] == [1, 0]
    with pytest.raises(Undefined, match="distinct"):
        h1_persistence(Space(np.ones((5, 3), np.float32)))


# -- entropy and lifetimes ---


def test_entropy_and_lifetimes_of_four_points_on_a_line() -> None:
    # 0, 1, 2, 4: deaths 1, 1, 2; p = 1/4, 1/4, 1/2 gives 1.5 bits; mean 4/3; midlife 2/3
    space = on_line(0, 1, 2, 4)
    assert ph_entropy(space, "euclidean").value == pytest.approx(1.5)
    assert lifetime_mean(space, "euclidean").value == pytest.approx(4 / 3)
    assert midlife_mean(space, "euclidean") == pytest.approx(2 / 3)


def test_entropy_is_largest_for_equal_gaps_and_falls_with_one_wide_gap() -> None:
    assert persistent_entropy(np.ones(16)) == pytest.approx(4)
    assert persistent_entropy(np.r_[np.ones(16), 1e6]) < 0.01


def test_equal_documents_have_no_lifetimes() -> None:
    with pytest.raises(Undefined):
        ph_entropy(Space(np.ones((5, 2), np.float32)), "euclidean")
    with pytest.raises(Undefined):
        lifetime_mean(Space(np.ones((5, 2), np.float32)), "cosine")


# -- dimension ---


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_dimension_of_a_cube_is_near_its_own(d: int) -> None:
    X = np.random.default_rng(d).random((2000, d)).astype(np.float32)
    # boundary effects of a finite sample bias it upwards with d
    assert ph_dim(Space(X), "euclidean").value == pytest.approx(d, abs=0.1 + 0.12 * d)


def test_dimension_does_not_see_the_ambient_space() -> None:
    flat = np.random.default_rng(0).random((1500, 2)).astype(np.float32)
    basis = np.linalg.qr(gaussian(30, 2))[0].astype(np.float32)
    assert ph_dim(Space(flat @ basis.T), "euclidean").value == pytest.approx(
        ph_dim(Space(flat), "euclidean").value, rel=0.01
    )


def test_dimension_is_steadier_than_the_published_draw() -> None:
    D = Space(gaussian(1500, 8)).distances()
    published = [published_ph_dimension(D, cap=1500, seed=seed) for seed in range(12)]
    ours = [ph_dim(Space(gaussian(1500, 8), rng=np.random.default_rng(seed)), "euclidean").value for seed in range(12)]
    assert np.std(ours) < np.std(published) / 2


def test_too_few_documents_have_no_dimension() -> None:
    with pytest.raises(Undefined, match="100 distinct"):
        ph_dim(Space(gaussian(99, 3)), "cosine")
