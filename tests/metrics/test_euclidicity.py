"""Singularity scores: high where flat pieces meet, low inside them."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.errors import Undefined
from embgeo.metrics.euclidicity import euclidicity, flat_deaths, local_dimensions
from embgeo.space.space import Space


def scores(X: np.ndarray) -> np.ndarray:
    return euclidicity(Space(X.astype(np.float32))).rows["score"]


def test_two_planes_score_highest_where_they_cut() -> None:
    P = np.random.default_rng(0).uniform(-1, 1, (2400, 2))
    zeros = np.zeros(1200)
    X = np.r_[np.c_[P[:1200], zeros], np.c_[P[1200:, 0], zeros, P[1200:, 1]]]
    found, inside = scores(X), (np.abs(X) < 0.7).all(axis=1)
    from_the_cut = np.abs(X[:, 1]) + np.abs(X[:, 2])
    assert found[inside & (from_the_cut < 0.05)].mean() > 2 * found[inside & (from_the_cut > 0.35)].mean()


def test_the_inside_of_a_flat_piece_scores_as_flat_space_does_whatever_the_dimension() -> None:
    for d in (1, 2, 4):
        X = np.random.default_rng(d).random((1500, d)) @ np.linalg.qr(np.random.default_rng(9).random((12, d)))[0].T
        centre = np.linalg.norm(X - X.mean(axis=0), axis=1)
        inside = np.argsort(centre)[:100]
        # a death is known to about the spread of one order statistic of 50 points
        assert scores(X)[inside].mean() < 0.13


def test_two_far_clusters_joined_by_nothing_do_not_matter_to_their_inside() -> None:
    X = np.random.default_rng(0).random((800, 2))
    alone, beside = scores(X), scores(np.r_[X, X + 100])[:800]
    # dimension and hole are rounded: a point on the edge of a rounding step may take the other reference
    assert (np.abs(beside - alone) > 1e-3).mean() < 0.01


def test_local_dimension_by_hand_and_of_a_cube() -> None:
    # ln(1 / e⁻¹) = 1 and ln(1 / e⁻³) = 3: mean 2, dimension 1/2
    assert local_dimensions(np.array([[np.exp(-3), np.exp(-1), 1.0]])) == pytest.approx([0.5])
    distances, _ = Space(np.random.default_rng(0).random((3000, 3)).astype(np.float32)).neighbours(60)
    assert np.median(local_dimensions(distances.astype(np.float64))) == pytest.approx(3, abs=0.3)


def test_flat_references_are_ascending_and_grow_with_dimension() -> None:
    low, high = flat_deaths(2, 50, 0.3), flat_deaths(20, 50, 0.3)
    assert (np.diff(low) >= 0).all()
    assert high.mean() > 2 * low.mean()


def test_duplicates_share_their_score() -> None:
    X = np.random.default_rng(0).random((150, 3))
    twice = scores(np.r_[X, X])
    assert np.array_equal(twice[:150], twice[150:])
    assert twice[:150] == pytest.approx(scores(X), abs=1e-6)


def test_too_few_documents_have_no_score() -> None:
    with pytest.raises(Undefined, match="120 distinct"):
        euclidicity(Space(np.random.default_rng(0).random((119, 3)).astype(np.float32)))
