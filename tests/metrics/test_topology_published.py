"""The published row of MiniLM × SciFact, with the reference script's samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from oracles.published_ph_dimension import published_ph_dimension

from embgeo.metrics.euler_characteristic import euler_characteristic
from embgeo.metrics.lifetimes import lifetime_mean, midlife_mean
from embgeo.metrics.magnitude_area import mag_area
from embgeo.metrics.magnitude_dimension import mag_dim
from embgeo.metrics.ph_dimension import ph_dim
from embgeo.metrics.ph_entropy import ph_entropy
from embgeo.space.space import Space


@pytest.fixture(scope="module")
def stored(shared_data: Path) -> dict:
    return json.loads((shared_data / "reference" / "uts_minilm_scifact.json").read_text())


@pytest.fixture(scope="module")
def everything(shared_data: Path) -> Space:
    """The 5,182 rows of the published run, which dropped the last one."""
    return Space(np.load(shared_data / "scifact" / "minilm-docs.npy")[:5182].astype(np.float32))


@pytest.fixture(scope="module")
def capped(everything: Space) -> Space:
    """The reference script's 5,000 rows."""
    rows = np.random.RandomState(1234).choice(5182, 5000, replace=False)
    return everything.subset(rows)


def measured(stored: dict, name: str) -> float:
    return stored["measured_with_reference_libraries"][name]["value"]


def test_entropy(everything: Space, stored: dict) -> None:
    assert ph_entropy(everything, "euclidean").value == pytest.approx(
        stored["published"]["ph_entr_euclidean"][0], rel=1e-6
    )
    assert ph_entropy(everything, "cosine").value == pytest.approx(measured(stored, "ph_entr_cosine"), rel=1e-6)


def test_lifetimes(capped: Space, stored: dict) -> None:
    published = np.mean(stored["published"]["lifetime_mean_euclidean"])  # other samples of 5,000: 1 % apart at most
    assert lifetime_mean(capped, "euclidean").value == pytest.approx(published, rel=0.01)
    mean = lifetime_mean(capped, "euclidean").value
    assert mean == pytest.approx(measured(stored, "lifetime_mean_euclidean"), rel=1e-5)
    assert midlife_mean(capped, "euclidean") == pytest.approx(measured(stored, "midlife_mean_euclidean"), rel=1e-5)
    assert lifetime_mean(capped, "cosine").value == pytest.approx(measured(stored, "lifetime_mean_cosine"), rel=1e-5)


def test_dimension_with_the_published_seed_and_over_ten_seeds(capped: Space, stored: dict) -> None:
    D = capped.distances()
    assert published_ph_dimension(D) == pytest.approx(14.35, abs=0.01)
    mean = np.mean([published_ph_dimension(D, seed=seed) for seed in range(10)])
    published = np.mean(stored["published"]["ph_dim_euclidean"])
    assert mean == pytest.approx(published, rel=0.05)
    assert ph_dim(capped, "euclidean").value == pytest.approx(published, rel=0.05)


def test_euler_characteristic(capped: Space, stored: dict) -> None:
    reading = euler_characteristic(capped)
    assert reading.value == measured(stored, "euler_characteristic") == -5055
    assert reading.details["ties"] == 0


def test_magnitude(capped: Space, stored: dict) -> None:
    dimension, area = mag_dim(capped), mag_area(capped)
    assert dimension.value == pytest.approx(measured(stored, "mag_dim"), rel=1e-5)
    assert area.value == pytest.approx(measured(stored, "mag_area"), rel=1e-5)
    assert dimension.value == pytest.approx(np.mean(stored["published"]["mag_dim"]), rel=1e-3)
    assert area.value == pytest.approx(np.mean(stored["published"]["mag_area"]), rel=1e-3)
    assert dimension.details["largest_residual"] <= 1e-4
    assert dimension.details["direct_solves"] == 0
