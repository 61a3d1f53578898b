"""Space: the shared quantities against slow, obvious NumPy; the device seam against itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embgeo.embeddings import normalise
from embgeo.errors import InputError, Undefined
from embgeo.space import space as space_module
from embgeo.space.space import Space


def cloud(n: int = 200, d: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.linspace(0.1, 2, d) + 0.3).astype(np.float32)


def exact_distances(X: np.ndarray, metric: str) -> np.ndarray:
    wide = X.astype(np.float64)
    if metric == "cosine":
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    squared = np.square(wide[:, None] - wide[None, :]).sum(axis=2)
    return squared / 2 if metric == "cosine" else np.sqrt(squared)


DEVICES = ("cpu", "torch")
METRICS = ("euclidean", "cosine")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("unit", [False, True], ids=["raw", "unit"])
def test_distances_are_those_of_the_definition(device: str, metric: str, unit: bool) -> None:
    X = cloud()
    if unit:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    D = Space(X, device=device).distances(metric)
    np.testing.assert_allclose(D, exact_distances(X, metric), rtol=2e-4, atol=1e-7)
    assert D.dtype == np.float32
    assert np.array_equal(D, D.T)
    assert not D.diagonal().any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", METRICS)
def test_near_duplicates_keep_their_digits(device: str, metric: str) -> None:
    """|x|² + |y|² − 2xy alone gives 0 or noise here: pairs 1e-4 apart at norm 10."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 16)).astype(np.float32) * 3
    X[30:] = X[:30] + 1e-4 * rng.standard_normal((30, 16)).astype(np.float32)
    near = Space(X, device=device).distances(metric)[np.arange(30), np.arange(30, 60)]
    # unit rows are rounded to float32 before the difference is taken: 1e-7 of 1e-5, squared for cosine
    np.testing.assert_allclose(near, exact_distances(X, metric)[np.arange(30), np.arange(30, 60)], rtol=0.03)


@pytest.mark.parametrize("device", DEVICES)
def test_a_tight_far_cluster_keeps_its_distances(device: str) -> None:
    """Most pairs cancel: the float64 route for all of them."""
    X = cloud(200) * np.float32(1e-3)
    X[0] += 100
    D = Space(X, device=device).distances()
    np.testing.assert_allclose(D, exact_distances(X, "euclidean"), rtol=1e-3)
    assert np.array_equal(D, D.T)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", METRICS)
def test_exact_duplicates_have_distance_zero(device: str, metric: str) -> None:
    X = np.repeat(cloud(40), 3, axis=0)
    D = Space(X, device=device).distances(metric)
    groups = np.repeat(np.arange(40), 3)
    assert np.array_equal(D == 0, groups[:, None] == groups[None, :])


@pytest.mark.parametrize("device", DEVICES)
def test_copies_of_two_lengths_have_cosine_distance_zero(device: str) -> None:
    X = np.stack([cloud(40), np.float32(3.7) * cloud(40)], axis=1).reshape(80, -1)
    space, groups = Space(X, device=device), np.repeat(np.arange(40), 2)
    assert np.array_equal(space.distances("cosine") == 0, groups[:, None] == groups[None, :])
    assert (space.distances() > 0).sum() == 80 * 79


@pytest.mark.parametrize("exponent", [-30, 25])
def test_distances_of_extreme_norms_neither_vanish_nor_overflow(exponent: int) -> None:
    X = cloud()
    scaled = (X * 10.0**exponent).astype(np.float32)
    ratio = Space(scaled).distances().astype(np.float64) / 10.0**exponent
    np.testing.assert_allclose(ratio, exact_distances(X, "euclidean"), rtol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k", [1, 5, 40, 199])
def test_neighbours_are_the_nearest_others_ascending(device: str, k: int) -> None:
    X = cloud()
    D, indices = Space(X, device=device).neighbours(k)
    exact = exact_distances(X, "euclidean")
    np.fill_diagonal(exact, np.inf)
    assert np.array_equal(indices, np.argsort(exact, axis=1, kind="stable")[:, :k])
    assert (np.diff(D, axis=1) >= 0).all()


def test_a_copy_is_a_neighbour_but_a_row_never_is_its_own() -> None:
    X = np.repeat(cloud(10), 2, axis=0)
    D, indices = Space(X).neighbours(1)
    assert not D.any()
    assert np.array_equal(indices[:, 0], np.arange(20) ^ 1)


def test_as_many_neighbours_as_rows_are_undefined() -> None:
    with pytest.raises(Undefined, match="5 neighbours need more than 5 rows; got 5"):
        Space(cloud(5)).neighbours(5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("faiss", [True, False], ids=["faiss", "numpy"])
def test_a_large_space_streams_the_same_neighbours_and_sums(
    metric: str, faiss: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.r_[cloud(150), cloud(3, seed=4).repeat(4, axis=0)]
    dense = Space(X)
    D, indices = dense.neighbours(7, metric)
    sums = dense.row_sums(metric, "exp_minus")
    monkeypatch.setattr(space_module, "DENSE_ROWS", 50)
    if not faiss:
        monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    streamed = Space(X)
    D2, indices2 = streamed.neighbours(7, metric)
    np.testing.assert_allclose(D2, D, rtol=1e-4, atol=1e-6)
    assert np.array_equal(indices2[:150], indices[:150])
    np.testing.assert_allclose(streamed.row_sums(metric, "exp_minus"), sums, rtol=1e-4)
    with pytest.raises(Undefined, match="at most 50 rows"):
        streamed.distances(metric)


@pytest.mark.parametrize("unit", [True, False])
def test_streamed_sums_are_those_of_the_dense_matrix(unit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    X = normalise(cloud(150)) if unit else cloud(150)
    asked = [
        ("euclidean", "exp_minus", 1.0), ("euclidean", "inverse_one_plus", 1.0), ("cosine", "exp_minus", 1.0),
        ("cosine", "exp_minus", 4.0), ("cosine", "inverse_one_plus", 0.5),
    ]  # fmt: skip
    expected = [Space(X).row_sums(*which) for which in asked]
    monkeypatch.setattr(space_module, "DENSE_ROWS", 50)
    streamed = Space(X)
    passes = 0
    blocks = streamed.iter_distance_blocks

    def counted(metric: str) -> Any:
        nonlocal passes
        passes += 1
        return blocks(metric)

    monkeypatch.setattr(streamed, "iter_distance_blocks", counted)
    for which, sums in zip(asked, expected, strict=True):
        np.testing.assert_allclose(streamed.row_sums(*which), sums, rtol=1e-4)
    assert passes == (2 if unit else 3), "sums that measures share come from one pass"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("reduction", ["exp_minus", "inverse_one_plus"])
def test_row_sums_apply_the_function_to_the_scaled_distance(device: str, reduction: str) -> None:
    X = cloud()
    D = 1.5 * exact_distances(X, "euclidean")
    expected = {
        "exp_minus": np.exp(-D),
        "inverse_one_plus": 1 / (1 + D),
    }[reduction].sum(axis=1)
    np.testing.assert_allclose(Space(X, device=device).row_sums("euclidean", reduction, 1.5), expected, rtol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(200, 12), (12, 40)], ids=["tall", "wide"])
def test_spectra_are_squared_singular_values(device: str, shape: tuple[int, int]) -> None:
    X = cloud(*shape)
    space, wide = Space(X, device=device), X.astype(np.float64)
    squared = np.linalg.svd(wide, compute_uv=False) ** 2
    np.testing.assert_allclose(space.gram_spectrum, squared, rtol=1e-9)
    np.testing.assert_allclose(space.gram, wide.T @ wide, rtol=1e-9, atol=1e-9)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(space.unit_gram_spectrum, np.linalg.svd(unit, compute_uv=False) ** 2, rtol=1e-5)
    np.testing.assert_allclose(space.covariance, np.cov(wide.T), rtol=1e-9, atol=1e-9)
    centred = np.linalg.svd(wide - wide.mean(axis=0), compute_uv=False) ** 2 / (shape[0] - 1)
    np.testing.assert_allclose(space.covariance_spectrum[:11], centred[:11], rtol=1e-9)


def test_a_large_mean_does_not_drown_the_covariance() -> None:
    X = cloud() + np.float32(1e4)
    expected = np.cov(X.astype(np.float64).T)
    np.testing.assert_allclose(Space(X).covariance, expected, rtol=1e-9, atol=1e-12)


def test_duplicates_name_first_occurrences_and_counts() -> None:
    X = np.array([[1, 0], [2, 0], [1, -0.0], [3, 0], [2, 0], [1, 0]], np.float32)
    found = Space(X).duplicates
    assert found.first.tolist() == [0, 1, 3]
    assert found.counts.tolist() == [3, 2, 1]
    assert found.group.tolist() == [0, 1, 0, 2, 1, 0]
    assert found.copies == 3


def test_distinct_is_the_space_itself_without_duplicates() -> None:
    space = Space(cloud())
    assert space.distinct is space
    assert Space(np.repeat(cloud(10), 2, axis=0)).distinct.n == 10


def test_a_subset_has_the_distances_of_its_rows() -> None:
    X = np.repeat(cloud(60), 2, axis=0)
    whole = Space(X)
    rows = np.random.default_rng(0).permutation(120)[:50]
    whole.distances()
    assert whole.duplicates.copies == 60
    part, fresh = whole.subset(rows), Space(X[rows])
    assert np.array_equal(part.distances(), whole.distances()[np.ix_(rows, rows)])
    np.testing.assert_allclose(part.distances("cosine"), fresh.distances("cosine"), rtol=1e-4, atol=1e-6)
    assert part.duplicates.first.tolist() == fresh.duplicates.first.tolist()
    assert np.array_equal(part.duplicates.group, fresh.duplicates.group)


def test_a_subset_renumbers_judged_and_retrieved_documents() -> None:
    relevant, retrieved = np.array([[0, 4], [1, 2]]), np.array([[4, 2, 0], [1, -1, 4]])
    part = Space(cloud(5), relevant=relevant, retrieved=retrieved).subset(np.array([4, 0]))
    assert part.relevant is not None
    assert part.retrieved is not None
    assert part.relevant.tolist() == [[0, 0]]
    assert part.retrieved.tolist() == [[0, -1, 1], [-1, -1, 0]]


def test_the_ledger_records_each_quantity_once_and_separately() -> None:
    space = Space(cloud(400))
    for _ in range(2):
        space.neighbours(5)
        space.gram_spectrum  # noqa: B018
    assert set(space.ledger) == {"duplicates", "distances_euclidean", "neighbours_euclidean", "scatter", "gram",
                                 "gram_spectrum"}  # fmt: skip
    before = dict(space.ledger)
    space.neighbours(5)
    assert space.ledger == before


def test_a_quantity_does_not_count_the_one_inside_it() -> None:
    import time

    space = Space(cloud(5))

    def outer() -> int:
        space.shared("inner", lambda: time.sleep(0.05))
        return 1

    space.shared("outer", outer)
    assert space.ledger["inner"] >= 0.05
    assert space.ledger["outer"] < 0.02


def test_arrays_from_a_space_are_read_only() -> None:
    space = Space(cloud(30), queries=cloud(4))
    for array in (space.X, space.queries, space.unit, space.mean, space.gram, space.distances(), space.gram_spectrum):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_callers_array_stays_writable_and_untouched() -> None:
    X = cloud(30)
    before = X.copy()
    space = Space(X)
    space.neighbours(3, "cosine")
    space.covariance_spectrum  # noqa: B018
    assert np.array_equal(X, before)
    assert X.flags.writeable


def test_cosine_of_a_zero_row_is_undefined() -> None:
    X = cloud(10)
    X[3] = 0
    with pytest.raises(Undefined, match="1 of 10 are zero"):
        Space(X, similarity="dot").distances("cosine")
    assert Space(X, similarity="dot").distances().shape == (10, 10)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_a_space_needs_rows_and_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="needs a 2-D array"):
        Space(np.empty(shape, np.float32))


@pytest.mark.parametrize("device", ["gpu", "mps", ""])
def test_an_unknown_device_is_named(device: str) -> None:
    with pytest.raises(InputError, match="device must be"):
        Space(cloud(3), device=device)


def test_cuda_without_a_device_is_one_clear_error() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(InputError, match="needs a CUDA device"):
        Space(cloud(3), device="cuda")


@pytest.mark.parametrize("device", ["torch", "cuda"])
def test_devices_agree_on_every_measure(device: str) -> None:
    import torch

    from embgeo.metrics.registry import measures
    from embgeo.metrics.signature import evaluate

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    X, Q = cloud(260, 24), cloud(30, 24, seed=5)
    relevant = np.stack([np.arange(30), np.arange(30)], axis=1)
    here, there = (Space(X, queries=Q, relevant=relevant, tokens=X, device=d) for d in ("cpu", device))
    for name, m in measures().items():
        left, right = evaluate(m, here, 0), evaluate(m, there, 0)
        assert left.status == right.status, f"{name}: {left.reason} | {right.reason}"
        if left.reading and right.reading:
            assert right.reading.value == pytest.approx(left.reading.value, rel=1e-3, abs=1e-5), name
