"""Magnitude: closed forms, a dense solve, weights, hard systems, both devices."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import slow_topology as slow

from embgeo.errors import Undefined
from embgeo.metrics.magnitude_area import mag_area
from embgeo.metrics.magnitude_dimension import mag_dim
from embgeo.space.magnitude import (
    TOLERANCE,
    HostSimilarity,
    TorchSimilarity,
    _Solver,
    magnitude_function,
    magnitude_of,
)
from embgeo.space.space import Space


def gaussian(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_two_points_have_the_closed_form() -> None:
    # at distance 2: M(t) = 2 / (1 + e^(−2t)); 0.95 · 2 is reached at e^(−2t) = 1/19, t = ln 19 / 2
    magnitude = magnitude_of(Space(np.array([[0], [2]], np.float32)))
    assert magnitude.scales[-1] == pytest.approx(np.log(19) / 2, rel=1e-6)
    assert magnitude.values == pytest.approx(2 / (1 + np.exp(-2 * magnitude.scales)), rel=1e-6)


def test_points_on_a_line_have_the_closed_form() -> None:
    # Leinster 2013: for gaps g on a line, M(t) = 1 + Σ tanh(t g / 2)
    X = np.sort(np.random.default_rng(0).random((300, 1)), axis=0).astype(np.float32)
    gaps = np.diff(X[:, 0].astype(np.float64))
    magnitude = magnitude_of(Space(X))
    expected = 1 + np.tanh(magnitude.scales[:, None] * gaps / 2).sum(axis=1)
    assert magnitude.values == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("n", "d"), [(3, 2), (60, 3), (200, 40)])
def test_dimension_and_area_agree_with_dense_solves(n: int, d: int) -> None:
    space = Space(gaussian(n, d))
    dimension, area = slow.magnitude_summaries(space.distances())
    assert mag_dim(space).value == pytest.approx(dimension, rel=1e-4)
    assert mag_area(space).value == pytest.approx(area, rel=1e-4)


def test_magnitude_starts_at_one_grows_and_ends_at_95_percent() -> None:
    magnitude = magnitude_of(Space(gaussian(150, 6)))
    assert magnitude.values[0] == 1
    assert (np.diff(magnitude.values) > 0).all()
    assert magnitude.values[-1] == pytest.approx(0.95 * 150, rel=1e-6)


def test_weights_solve_the_system_at_every_scale() -> None:
    space = Space(gaussian(250, 5))
    magnitude = magnitude_of(space)
    for t, w, claimed in zip(magnitude.scales[1:], magnitude.weights[1:], magnitude.residuals[1:], strict=True):
        residual = np.exp(-t * space.distances().astype(np.float64)) @ w - 1
        assert np.linalg.norm(residual) / np.sqrt(250) <= TOLERANCE * 1.05
        # the claim is of float32 products: good to about 1e-6
        assert claimed == pytest.approx(np.linalg.norm(residual) / np.sqrt(250), abs=3e-6)


def test_outliers_carry_the_largest_weights() -> None:
    X = gaussian(200, 3)
    X[[7, 90]] *= 8
    weights = mag_dim(Space(X)).rows["weight"]
    assert set(np.argsort(weights)[-2:]) == {7, 90}


def test_duplicates_share_the_weight_of_their_point() -> None:
    X = gaussian(80, 3)
    once, twice = mag_dim(Space(X)), mag_dim(Space(np.r_[X, X]))
    assert twice.value == pytest.approx(once.value, rel=1e-6)
    assert twice.rows["weight"][:80] == pytest.approx(once.rows["weight"] / 2, abs=1e-4)
    assert np.array_equal(twice.rows["weight"][:80], twice.rows["weight"][80:])


def test_scaling_all_vectors_changes_neither_dimension_nor_area() -> None:
    X = gaussian(120, 4)
    for factor in (1e-3, 1e3):
        assert mag_dim(Space(X * np.float32(factor))).value == pytest.approx(mag_dim(Space(X)).value, rel=1e-4)
        assert mag_area(Space(X * np.float32(factor))).value == pytest.approx(mag_area(Space(X)).value, rel=1e-4)


def test_near_duplicates_are_solved_or_refused_but_never_wrong() -> None:
    X = gaussian(60, 3)
    near = np.r_[X, X + np.float32(1e-5) * gaussian(60, 3, 1)]
    try:
        value = mag_area(Space(near)).value
    except Undefined:
        return
    assert value == pytest.approx(slow.magnitude_summaries(Space(near).distinct.distances())[1], rel=1e-3)


def test_the_direct_route_gives_what_the_iteration_gives() -> None:
    solver = _Solver(HostSimilarity(np.array(Space(gaussian(90, 2)).distances())))
    iterated = solver.solve(1.5)
    direct = solver._solve_directly(1.5)
    assert direct[1] == pytest.approx(iterated[1], rel=1e-6)
    assert solver.direct == 1


def test_torch_gives_what_numpy_gives() -> None:
    torch = pytest.importorskip("torch")
    D = np.array(Space(gaussian(200, 6)).distances())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    host = magnitude_function(HostSimilarity(D), 1.0)
    there = magnitude_function(TorchSimilarity(torch.from_numpy(D).to(device)), 1.0)
    assert there.values == pytest.approx(host.values, rel=1e-5)
    assert there.scales == pytest.approx(host.scales, rel=1e-5)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_space_on_a_torch_device_has_the_same_magnitude(copies: int) -> None:
    X = np.repeat(gaussian(150, 5), copies, axis=0)
    here, there = Space(X), Space(X, device="torch")
    assert mag_area(there).value == pytest.approx(mag_area(here).value, rel=1e-5)
    assert mag_dim(there).value == pytest.approx(mag_dim(here).value, rel=1e-4)


def test_one_distinct_document_has_no_magnitude_function() -> None:
    with pytest.raises(Undefined, match="at least 2 distinct"):
        mag_dim(Space(np.ones((6, 2), np.float32)))
