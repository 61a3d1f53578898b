"""Capacity: the published table, the packings behind it, and overlaps computed by hand."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from oracles.packing_overlaps import packing_overlap, random_overlap

from embgeo.embeddings import normalise
from embgeo.errors import InputError, Undefined
from embgeo.limits.capacity import (
    one_parameter_capacity,
    pair_similarity,
    random_capacity,
    representational_capacity,
)
from embgeo.metrics.avg_pair_sim import avg_pair_sim_cosine
from embgeo.metrics.capacity import epsilon_corpus, epsilon_tokens
from embgeo.metrics.registry import Reading
from embgeo.space.space import Space


def test_every_finite_row_of_the_published_table_is_reproduced(shared_data: Path) -> None:
    with open(shared_data / "reference" / "representational_capacity.csv") as lines:
        rows = list(csv.DictReader(lines))
    finite = 0
    for row in rows:
        ours = representational_capacity(int(row["d_model"]), float(row["epsilon"]))
        if row["capacity"] == "indeterminate":
            assert math.isnan(ours), row["model"]
        else:
            # ε is printed to 4 digits and the capacity to 3
            assert ours == pytest.approx(float(row["capacity"]), rel=0.03), row["model"]
            finite += 1
    assert finite > 20


@pytest.mark.parametrize(
    ("name", "overlap", "r2", "mape"),
    [("optimized", packing_overlap, 0.9984, 0.079), ("random", random_overlap, 0.9985, 0.013)],
)
def test_packings_follow_the_one_parameter_forms(shared_data: Path, name, overlap, r2: float, mape: float) -> None:
    rows = json.loads((shared_data / "packing" / f"{name}_packing.json").read_text())
    rows = [(k, d, measured) for k, d, measured in rows if measured > 0]
    measured = np.array([row[2] for row in rows])
    ours = np.array([overlap(d, k) for k, d, _ in rows])
    found = 1 - ((measured - ours) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    assert found == pytest.approx(r2, abs=2e-3)
    assert np.abs(ours / measured - 1).mean() == pytest.approx(mape, abs=0.01)


def test_capacity_grows_with_dimension_and_overlap() -> None:
    for capacity in (representational_capacity, one_parameter_capacity, random_capacity):
        assert capacity(1024, 0.05) < capacity(2048, 0.05) < capacity(2048, 0.08) < math.inf


def test_capacity_is_indeterminate_from_a_tenth_on() -> None:
    assert math.isfinite(representational_capacity(768, 0.0999))
    assert math.isnan(representational_capacity(768, 0.1))


def test_a_set_without_overlap_has_room_for_a_basis() -> None:
    assert one_parameter_capacity(300, -0.2) == 300
    assert random_capacity(300, -0.2) == 1


@pytest.mark.parametrize(("dimension", "epsilon"), [(0, 0.05), (768, math.nan), (768, math.inf)])
def test_meaningless_arguments_are_refused(dimension: int, epsilon: float) -> None:
    with pytest.raises(InputError):
        representational_capacity(dimension, epsilon)


def test_pair_moments_by_hand() -> None:
    # cosines of the three pairs: 0, 0, −1; mean −1/3; mean square 1/3; variance 1/3 − 1/9 = 2/9
    pairs = pair_similarity(np.array([[1, 0], [0, 1], [0, -1]], np.float32))
    assert (pairs.mean, pairs.pairs) == (pytest.approx(-1 / 3), 3)
    assert pairs.std == pytest.approx(math.sqrt(2 / 9))
    assert pairs.epsilon == pytest.approx(-1 / 3 + 2 * math.sqrt(2 / 9))


def test_pair_moments_agree_with_all_cosines() -> None:
    U = normalise(np.random.default_rng(0).standard_normal((200, 30)).astype(np.float32) + 0.3)
    cosines = (U.astype(np.float64) @ U.T)[np.triu_indices(200, 1)]
    pairs = pair_similarity(U)
    assert pairs.mean == pytest.approx(cosines.mean(), abs=1e-9)
    assert pairs.std == pytest.approx(cosines.std(), abs=1e-9)


def test_isotropic_vectors_are_near_orthogonal_and_a_cone_is_not() -> None:
    X = np.random.default_rng(0).standard_normal((500, 1000)).astype(np.float32)
    isotropic, cone = epsilon_corpus(Space(X)), epsilon_corpus(Space(X + 1))
    # random cosines have mean 0 and standard deviation 1/√d
    assert isotropic.value == pytest.approx(2 / math.sqrt(1000), abs=1e-3)
    assert isotropic.details["class"] == "near-orthogonal"
    assert math.isfinite(isotropic.details["capacity"])
    assert cone.value > 0.5
    assert cone.details["class"] == "not near-orthogonal"
    assert math.isnan(cone.details["capacity"])


def test_tokens_and_corpus_are_measured_apart_and_zero_tokens_are_left_out() -> None:
    tokens = np.array([[1, 0], [0, 1], [0, -1], [0, 0]], np.float32)
    space = Space(np.eye(2, dtype=np.float32), tokens=tokens)
    assert epsilon_corpus(space).value == 0
    reading = epsilon_tokens(space)
    assert reading.value == pytest.approx(-1 / 3 + 2 * math.sqrt(2 / 9))
    assert (reading.details["tokens"], reading.details["zero_rows"]) == (3, 1)


def test_without_tokens_or_pairs_the_measures_say_why() -> None:
    with pytest.raises(Undefined, match="token-embedding"):
        epsilon_tokens(Space(np.eye(2, dtype=np.float32)))
    with pytest.raises(Undefined, match="at least 2"):
        epsilon_corpus(Space(np.ones((1, 3), np.float32)))


def test_the_two_mean_cosines_differ_by_the_self_pairs_alone() -> None:
    space = Space(np.random.default_rng(0).standard_normal((120, 12)).astype(np.float32) + 1)
    between, all_pairs = epsilon_corpus(space), avg_pair_sim_cosine(space)
    assert isinstance(between, Reading)
    assert isinstance(all_pairs, Reading)
    mean = between.details["mean"]
    assert all_pairs.details["different_documents"] == pytest.approx(mean, abs=1e-7)
    assert all_pairs.value == pytest.approx(mean + (1 - mean) / 120, abs=1e-7)
