"""Copies: vectors equal up to rounding are found whatever their number and order, and near ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embgeo import copies as module
from embgeo.copies import Copies, find_copies, tolerance
from embgeo.embeddings import check_embeddings, normalise


def unit(n: int, d: int, seed: int = 0) -> np.ndarray:
    return normalise(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def noisy(X: np.ndarray, size: float, seed: int = 1) -> np.ndarray:
    return (X + size * np.random.default_rng(seed).standard_normal(X.shape)).astype(np.float32)


def groups(X: np.ndarray, similarity: str = "dot", queries: np.ndarray | None = None) -> Copies:
    return find_copies(check_embeddings(X, similarity=similarity), queries)


@pytest.mark.parametrize("d", [1, 2, 8, 384, 1536, 4096])
def test_rounding_and_noise_of_1e_7_still_make_a_copy(d: int) -> None:
    X = unit(80, d) * np.random.default_rng(2).uniform(1, 9, (80, 1)).astype(np.float32)
    noise = 1e-7 * np.linalg.norm(X, axis=1, keepdims=True) * np.random.default_rng(3).standard_normal(X.shape)
    both = np.r_[X, np.nextafter(X, np.float32(np.inf)), (X + noise).astype(np.float32)]
    assert groups(both).group.tolist() == [*range(80)] * 3


@pytest.mark.parametrize("d", [2, 8, 384, 1536])
def test_vectors_a_thousandth_apart_are_not_copies(d: int) -> None:
    X = unit(200, d)
    away = 1e-3 * normalise(noisy(np.zeros_like(X), 1.0))
    assert len(groups(np.r_[X, X + away]).first) == 400
    assert tolerance(d) < 1e-4


def test_a_factor_makes_a_copy_under_cosine_only() -> None:
    X = unit(50, 20)
    both = np.r_[X, np.float32(3.7) * X]
    assert groups(both, "cosine").group.tolist() == [*range(50)] * 2
    for similarity in ("dot", "euclidean"):
        assert len(groups(both, similarity).first) == 100


def test_no_grid_boundary_separates_copies() -> None:
    """Of 4,000 pairs, rounding to a grid as wide as the cells here separates hundreds."""
    X = unit(4000, 64)
    both = np.r_[X, noisy(X, 1e-7)]
    assert groups(both).group.tolist() == [*range(4000)] * 2
    cells = np.floor(module._traits(both) / (module.CELL * module.REACH))
    assert (cells[:4000] != cells[4000:]).any(axis=1).sum() > 100


def test_many_copies_of_one_vector_are_one_group() -> None:
    X = unit(3, 48)
    of = np.random.default_rng(3).integers(0, 3, 9000)
    found = groups(noisy(X[of], 1e-7))
    assert len(found.first) == 3
    assert (found.group == np.unique(of, return_index=True)[1].argsort().argsort()[of]).all()
    assert found.copies == 8997


def test_copies_are_found_in_a_crowd_of_vectors_that_are_nearly_copies() -> None:
    """300 vectors within 10 tolerances of one another, each twice: more in a cell than rounds look at one by one."""
    crowd = noisy(np.repeat(unit(1, 384), 300, axis=0), 3e-6)
    assert groups(np.r_[crowd, noisy(crowd, 1e-8)]).group.tolist() == [*range(300)] * 2


def test_groups_are_numbered_by_their_first_row_in_any_order() -> None:
    X = noisy(np.repeat(unit(60, 32), 3, axis=0), 1e-7)
    order = np.random.default_rng(5).permutation(180)
    found = groups(X[order])
    assert (np.diff(found.first) > 0).all()
    assert found.group[found.first].tolist() == [*range(60)]
    assert len({(a, b) for a, b in zip(found.group.tolist(), (order // 3).tolist(), strict=True)}) == 60


def test_zero_rows_are_copies_of_one_another_and_of_nothing_else() -> None:
    X = np.array([[0, 0], [-0.0, 0], [1, 0], [1, -0.0], [0, 1e-30], [0, 0]], np.float32)
    assert groups(X).group.tolist() == [0, 0, 1, 1, 2, 0]


def test_queries_are_grouped_with_the_documents() -> None:
    X = unit(40, 16)
    found = groups(X, "dot", np.r_[noisy(X[7:9], 1e-7), unit(1, 16, 9)])
    assert found.group.tolist() == [*range(40), 7, 8, 40]


def test_blocks_and_memory_maps_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X = noisy(unit(150, 24)[np.random.default_rng(6).integers(0, 150, 700)], 1e-7)
    np.save(tmp_path / "X.npy", X)
    whole = groups(X, "cosine").group
    monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    assert (groups(np.load(tmp_path / "X.npy", mmap_mode="r"), "cosine").group == whole).all()
