"""Reducers: scores kept, orthonormal if declared, state as small as declared, learned ones evaluated on new rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import hadamard as scipy_hadamard
from sklearn.decomposition import KernelPCA as SklearnKernelPCA

from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.quantizers.itq import haar_rotation
from embgeo.compression.codecs.reducers.kernel_pca import FittedKernelPCA, gaussian_kernel
from embgeo.compression.codecs.reducers.structured_projection import FittedStructured
from embgeo.compression.codecs.reducers.whitened_pca import FittedWhitening
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.errors import InputError


def fit(text: str, X: np.ndarray, similarity: str = "cosine", seed: int = 0) -> Tier:
    return fit_codec(parse(text), Training(X, similarity, seed)).tiers[0]


def cloud(n: int = 500, d: int = 24, seed: int = 0) -> np.ndarray:
    """Unit rows of uneven spread with a mean; the axes are rotated, so that no coordinate is special."""
    rng = np.random.default_rng([seed, n, d])
    turn = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0]
    return normalise(((rng.standard_normal((n, d)) * np.geomspace(2, 0.1, d) + 0.3) @ turn).astype(np.float32))


def scores(codec: Tier, Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    Z, bias = codec.queries(Q)
    return np.asarray(Z @ codec.decode(codec.encode(X)).T + bias[:, None])


def test_whitened_coordinates_have_mean_square_one() -> None:
    X = cloud()
    Z = fit("pcaw8,f32", X).reduce(X)
    np.testing.assert_allclose((Z.astype(np.float64).T @ Z) / len(Z), np.eye(8), atol=1e-4)


def test_the_query_undoes_the_whitening() -> None:
    X, Q = cloud(), cloud(30, seed=1)
    np.testing.assert_allclose(scores(fit("pcaw8,f32", X), Q, X), scores(fit("pca8,f32", X), Q, X), atol=2e-6)


def test_whitening_matters_for_one_scale_and_not_for_ranges_per_dimension() -> None:
    X, Q = cloud(), cloud(30, seed=1)
    exact = scores(fit("pca12,f32", X), Q, X)

    def error(text: str) -> float:
        return float(((scores(fit(text, X), Q, X) - exact) ** 2).mean())

    assert error("pcaw12,int4") == pytest.approx(error("pca12,int4"), rel=0.02)
    # one scale of few levels for axes that differ twentyfold clips the large ones; with more levels the gain is gone
    assert error("pcaw12,tq2") < 0.85 * error("pca12,tq2")


def test_whitening_refuses_distances() -> None:
    with pytest.raises(InputError, match="Use pca8"):
        fit("pcaw8,f32", cloud(), "euclidean")


def test_whitening_of_a_flat_cloud_divides_by_nothing() -> None:
    X = np.zeros((50, 6), np.float32)
    X[:, :2] = cloud(50, 2)
    codec = fit("pcaw4,f32", X)
    assert isinstance(codec.reducers[0], FittedWhitening)
    assert np.isfinite(codec.reduce(X)).all()
    np.testing.assert_allclose(scores(codec, X, X), X @ X.T, atol=1e-5)


@pytest.mark.parametrize("text", ["grp8", "srp8", "rot,srp8"])
def test_random_projections_are_orthonormal_and_independent_of_documents(text: str) -> None:
    X, other = cloud(), cloud(seed=5)
    eye = np.eye(24, dtype=np.float32)
    columns = fit(f"{text},f32", X).reduce(eye)
    np.testing.assert_allclose(columns.T @ columns, np.eye(8), atol=1e-5)
    np.testing.assert_array_equal(columns, fit(f"{text},f32", other).reduce(eye))
    assert not np.allclose(columns, fit(f"{text},f32", X, seed=1).reduce(eye))


@pytest.mark.parametrize("text", ["srp6", "rot,srp6"])
def test_random_projections_scale_inner_products_by_r_over_d_on_average(text: str) -> None:
    x, q = cloud(1), cloud(1, seed=3)
    kept = [float(scores(fit(f"{text},f32", x, seed=seed), q, x)[0, 0]) for seed in range(400)]
    exact = 6 / 24 * float(q[0] @ x[0])
    assert abs(np.mean(kept) - exact) <= 4 * np.std(kept) / 20


@pytest.mark.parametrize(
    ("text", "similarity"), [("pca16,srp8,rot", "cosine"), ("pca16,rot,pca8", "cosine"), ("pca16,rot,trunc8", "dot")]
)
def test_a_learned_matrix_absorbs_the_linear_maps_after_it(text: str, similarity: str) -> None:
    X = cloud()
    codec = fit(f"{text},f32", X, similarity)
    assert len(codec.reducers) == 1
    assert isinstance(codec.reducers[0], Linear)
    assert codec.state_bytes == 24 * 8 * 4


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("rot", 18),  # 24 coordinates: three bytes of signs for each of six rounds
        ("rot,rot", 36),
        ("grp16,rot", 18 + 12),
        ("srp8", 18),
        ("rot,pca8", 18 + 24 * 8 * 4),
        ("pcac8,rot", 24 * 9 * 4),
    ],
)
def test_rotations_store_their_signs_alone(text: str, state: int) -> None:
    assert fit(f"{text},f32", cloud()).state_bytes == state


@pytest.mark.parametrize("p", [1, 2, 8, 32])
def test_the_fast_transform_is_the_hadamard_matrix(p: int) -> None:
    X = np.random.default_rng(0).standard_normal((5, p)).astype(np.float32)
    once = FittedStructured(p, p, np.zeros((1, (p + 7) // 8), np.uint8))
    np.testing.assert_allclose(once.documents(X), X @ scipy_hadamard(p) / np.sqrt(p), atol=1e-5)


def slow_rotation(X: np.ndarray, signs: np.ndarray, dealt: bool) -> np.ndarray:
    """`FittedStructured` at full width by matrices, in float64."""
    d = X.shape[1]
    p = max(p for p in 2 ** np.arange(12) if p <= d)
    Z = X.astype(np.float64)
    for number, row in enumerate(signs):
        if dealt and number in (2, 4):
            Z = np.concatenate([Z[:, 0::2], Z[:, 1::2]], axis=1)
        Z = Z * np.where(np.unpackbits(row, count=d, bitorder="little") == 1, -1, 1)
        part = slice(0, p) if number % 2 == 0 else slice(d - p, d)
        Z[:, part] = Z[:, part] @ scipy_hadamard(p) / np.sqrt(p)
    return Z


@pytest.mark.parametrize("d", [1, 2, 13, 24, 63, 64, 100, 384])
def test_a_rotation_is_orthogonal_up_to_rounding_and_defined_by_its_signs(d: int) -> None:
    X = cloud(20, d)
    codec = fit("rot,f32", X)
    rotation = codec.reducers[0]
    assert isinstance(rotation, FittedStructured)
    assert codec.state_bytes == 6 * ((d + 7) // 8)
    R = codec.reduce(np.eye(d, dtype=np.float32)).astype(np.float64)
    np.testing.assert_allclose(R.T @ R, np.eye(d), atol=1e-6)
    np.testing.assert_allclose(codec.reduce(X), slow_rotation(X, rotation.signs, True), atol=1e-6)
    np.testing.assert_array_equal(codec.reduce(X), fit(f"srp{d},f32", X).reduce(X))
    # a row alone and among others is the same bit for bit
    np.testing.assert_array_equal(np.concatenate([codec.reduce(X[i : i + 1]) for i in range(20)]), codec.reduce(X))


def test_the_signs_of_a_seed_are_the_same_in_every_numpy() -> None:
    # PCG64's raw stream, which NEP 19 keeps; read off under NumPy 2
    rotation = fit("rot,f32", cloud(5, 13), seed=7).reducers[0]
    assert isinstance(rotation, FittedStructured)
    assert rotation.signs.tobytes().hex() == "fef2c4a58304a9e3217451f0"


@pytest.mark.parametrize("d", [33, 63, 96, 127])
def test_a_rotation_spreads_every_coordinate_over_all(d: int) -> None:
    def energies(dealt: bool) -> np.ndarray:
        """(seeds,) what the first half holds of the images of the first and of the last coordinate."""
        held = []
        for seed in range(40):
            rotation = fit("rot,f32", cloud(2, d), seed=seed).reducers[0]
            assert isinstance(rotation, FittedStructured)
            signs = rotation.signs if dealt else rotation.signs[:4]
            ends = FittedStructured(d, d, signs, dealt).documents(np.eye(d, dtype=np.float32)[[0, -1]])
            held.append((ends[:, : d // 2] ** 2).sum(axis=1) / (d // 2 / d))
        return np.array(held)

    # of a Haar rotation: mean 1, deviation √(2/d); a mean of 80 lies within 4/√80 of it
    spread = np.sqrt(2 / d)
    found = energies(True)
    assert abs(found.mean() - 1) <= 4 * spread / np.sqrt(80)
    assert found.std() <= 1.5 * spread
    if d in (63, 127):  # the two transforms share one coordinate: without dealing, halves never meet
        assert energies(False).std() > 3 * spread


@pytest.mark.parametrize("d", [96, 127])
@pytest.mark.parametrize("text", ["tq2", "binary", "eden2"])
def test_a_structured_rotation_is_as_good_as_a_dense_one_for_few_bits(text: str, d: int) -> None:
    # rows of one to three coordinates: what a rotation is for, and where one transform is too few
    rng = np.random.default_rng(0)
    X = np.zeros((400, d), np.float32)
    for count, row in enumerate(X):
        row[rng.choice(d, 1 + count % 3, replace=False)] = rng.exponential(size=1 + count % 3)
    X = normalise(X)

    def loss(Z: np.ndarray) -> float:
        codec = fit(text, Z)
        decoded = codec.decode(codec.encode(Z))
        decoded *= (Z * decoded).sum() / (decoded**2).sum()
        return float(((Z - decoded) ** 2).sum() / (Z**2).sum())

    structured, once, dense = [], [], []
    for seed in range(5):
        rotation = fit("rot,f32", X, seed=seed).reducers[0]
        assert isinstance(rotation, FittedStructured)
        structured.append(loss(rotation.documents(X)))
        once.append(loss(FittedStructured(d, d, rotation.signs[:1]).documents(X)))
        dense.append(loss(X @ haar_rotation(d, seed)))
    assert np.mean(structured) < 1.05 * np.mean(dense)
    assert np.mean(once) > 1.05 * np.mean(dense), "one round is too weak, and this law sees it"


def test_kernel_pca_of_full_rank_is_the_kernel() -> None:
    X = cloud(40, 6)
    codec = fit("kpca6,f32", X)
    mapped = codec.reducers[0]
    assert isinstance(mapped, FittedKernelPCA)
    kernel = gaussian_kernel(X, X, mapped.gamma[0]).astype(np.float64)
    values, vectors = np.linalg.eigh(kernel)
    best = (vectors[:, -6:] * values[-6:]) @ vectors[:, -6:].T
    np.testing.assert_allclose(scores(codec, X, X), best, atol=1e-4)


def test_kernel_pca_spans_what_scikit_learn_finds() -> None:
    # sklearn centres; with one direction more, for the mean, the uncentred span holds its leading directions
    X = cloud(120, 10)
    mapped = fit("kpca10,f32", X).reducers[0]
    assert isinstance(mapped, FittedKernelPCA)
    theirs = SklearnKernelPCA(3, kernel="rbf", gamma=float(mapped.gamma[0])).fit_transform(X)
    Z = mapped.documents(X).astype(np.float64)
    fitted = Z @ np.linalg.lstsq(Z, theirs, rcond=None)[0]
    assert ((fitted - theirs) ** 2).sum() <= 0.02 * (theirs**2).sum()


def test_kernel_pca_refuses_dot_products_and_too_few_documents() -> None:
    with pytest.raises(InputError, match="got dot"):
        fit("kpca4,f32", cloud(), "dot")
    with pytest.raises(InputError, match="at least 8 documents"):
        fit("kpca8,f32", cloud(5))


def test_kernel_pca_counts_its_landmarks() -> None:
    X = cloud(100, 12)
    # landmarks 100·12, weights 100·4, mean 4, gamma 1
    assert fit("kpca4,f32", X).state_bytes == 4 * (1200 + 400 + 4 + 1)


def test_an_autoencoder_is_the_same_for_the_same_seed() -> None:
    X = cloud()
    one, two, other = fit("ae6,f32", X), fit("ae6,f32", X.copy()), fit("ae6,f32", X, seed=1)
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, two.state[name])
    assert any((array != other.state[name]).any() for name, array in one.state.items())


def test_an_autoencoder_keeps_scores_of_new_rows_about_as_well_as_pca() -> None:
    X, new = cloud(2000), cloud(300, seed=7)

    def error(text: str) -> float:
        return float(((scores(fit(text, X), new, new) - new @ new.T) ** 2).mean())

    assert error("ae6,f32") < 1.1 * error("pca6,f32")
    assert error("ae6,f32") < 0.5 * error("grp6,f32")
    assert fit("ae6,f32", X).state["0.outer"].any(), "it has learned something besides PCA"
