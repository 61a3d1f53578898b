"""Measures against the definition written as slow, obvious NumPy: float64, double loops, full decompositions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embgeo.metrics.registry import Reading, measures
from embgeo.space.space import Space


def cloud(seed: int, n: int = 150, d: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((4, d)) * 2
    return (centres[rng.integers(0, 4, n)] + rng.standard_normal((n, d)) * np.linspace(0.3, 1, d)).astype(np.float32)


def euclidean(X: np.ndarray) -> np.ndarray:
    return np.array([[np.linalg.norm(x - y) for y in X] for x in X.astype(np.float64)])


def cosine(X: np.ndarray) -> np.ndarray:
    wide = X.astype(np.float64)
    return np.array([[1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for y in wide] for x in wide])


def uniformity(X: np.ndarray) -> float:
    U = X.astype(np.float64) / np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    D = euclidean(U)
    return np.log(np.mean(np.exp(-2 * D[np.triu_indices(len(D), 1)] ** 2)))


def entropy_of(values: np.ndarray) -> float:
    p = values[values > 1e-12 * values.max()]
    p = p / p.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def effective_rank(X: np.ndarray) -> float:
    return entropy_of(np.linalg.svd(X.astype(np.float64), compute_uv=False))


def vendi(X: np.ndarray) -> float:
    return entropy_of(np.linalg.eigvalsh((1 - cosine(X)) / len(X)))


def vendi_of_distances(D: np.ndarray) -> float:
    p = np.linalg.eigvalsh(D / len(D))
    p = p[p > 1e-9]
    return float(np.exp(-(p * np.log(p)).sum()))


def spread(D: np.ndarray) -> float:
    return float(np.sum(1 / np.exp(-D).sum(axis=1)))


def variances(X: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(np.cov(X.astype(np.float64).T))[::-1]


def iso_score(X: np.ndarray) -> float:
    """Rudman et al. 2022: steps 3 to 7 of algorithm 1, one a line."""
    variance = variances(X)
    n = len(variance)
    normalised = np.sqrt(n) * variance / np.linalg.norm(variance)
    defect = np.linalg.norm(normalised - np.ones(n)) / np.sqrt(2 * (n - np.sqrt(n)))
    used = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return (n * used - 1) / (n - 1)


def twonn(X: np.ndarray) -> float:
    D = np.sort(euclidean(X), axis=1)
    mu = np.sort(D[:, 2] / D[:, 1])
    x, y = [], []
    for i in range(len(mu) // 2):
        x.append(np.log(mu[i]))
        y.append(-np.log(1 - i / len(mu)))
    return float(np.linalg.lstsq(np.array(x)[:, None], np.array(y), rcond=None)[0][0])


def hubness(X: np.ndarray) -> float:
    from scipy.stats import skew

    D = cosine(X)
    counts = np.zeros(len(X))
    for i in range(len(X)):
        for j in sorted((j for j in range(len(X)) if j != i), key=lambda j: D[i, j])[:10]:
            counts[j] += 1
    return float(skew(counts))


def silhouette(X: np.ndarray) -> float:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    return max(
        silhouette_score(X, KMeans(n_clusters=k, random_state=42).fit_predict(X)) for k in (3, 5, 10, 20, 50, 99)
    )


def lid(X: np.ndarray) -> float:
    inverse = []
    for row in np.sort(euclidean(X), axis=1)[:, 1:21]:
        inverse.append(sum(np.log(row[19] / row[j]) for j in range(19)) / 19)
    return 1 / np.mean(inverse)


def gride(X: np.ndarray) -> float:
    """Largest likelihood on a fine grid, m = 64."""
    D = np.sort(euclidean(X), axis=1)[:, 1:]
    log_mu = np.log(D[:, 127] / D[:, 63])
    grid = np.exp(np.linspace(np.log(0.5), np.log(100), 20_000))
    likelihood = [
        (np.log(d) + 63 * np.log(np.expm1(d * log_mu)) - (d * 127 + 1) * log_mu).sum() for d in grid
    ]  # fmt: skip
    return float(grid[np.argmax(likelihood)])


def correlation_dimension(X: np.ndarray) -> float:
    pairs = np.sort(euclidean(X)[np.triu_indices(len(X), 1)])
    closest = pairs[: int(np.ceil(0.01 * len(pairs)))]
    return 1 / np.mean(np.log(closest[-1] / closest))


@pytest.mark.parametrize("d", [2, 40, 3000])
@pytest.mark.parametrize("scale", [1e-3, 0.37, 1, 1.7, 1e3])
def test_the_correlation_dimension_knows_no_scale_in_few_or_many_dimensions(d: int, scale: float) -> None:
    X = np.random.default_rng(d).standard_normal((400, d)).astype(np.float32)
    result = measures()["correlation_dimension"].compute(Space(X * np.float32(scale)))
    assert isinstance(result, Reading)
    assert result.value == pytest.approx(correlation_dimension(X), rel=5e-3)


def redundancy(X: np.ndarray) -> float:
    R = np.corrcoef(X.astype(np.float64).T)
    return float(np.mean(R[~np.eye(len(R), dtype=bool)] ** 2))


def iso_score_star(X: np.ndarray) -> float:
    from sklearn.covariance import ledoit_wolf

    spectrum = np.linalg.eigvalsh(ledoit_wolf(X.astype(np.float64))[0])
    n = len(spectrum)
    normalised = np.sqrt(n) * spectrum / np.linalg.norm(spectrum)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    return (n * (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2 - 1) / (n - 1)


def diffusion_spectral_entropy(X: np.ndarray) -> float:
    D = euclidean(X)
    K = np.exp(-((D / (np.median(D[np.triu_indices(len(D), 1)]) / 2)) ** 2))
    q = K.sum(axis=1)
    K = K / np.outer(q, q)
    walk = K / K.sum(axis=1, keepdims=True)
    p = np.abs(np.linalg.eigvals(walk))
    p = p / p.sum()
    return float(-(p * np.log2(np.maximum(p, 1e-300))).sum())


ORACLES: dict[str, Callable[[np.ndarray], float]] = {
    "uniformity": uniformity,
    "avg_pair_sim_euclidean": lambda X: np.mean(1 / (1 + euclidean(X))),
    "avg_pair_sim_cosine": lambda X: np.mean(1 - cosine(X)),
    "effective_rank": effective_rank,
    "iso_score": iso_score,
    "iso_score_star": iso_score_star,
    "pca_dim": lambda X: sum(variances(X) > 0.05 * variances(X)[0]),
    "twonn_dim": twonn,
    "spread_euclidean": lambda X: spread(euclidean(X)),
    "spread_cosine": lambda X: spread(cosine(X)),
    "vendi_score": vendi,
    "vendi_score_distance_euclidean": lambda X: vendi_of_distances(euclidean(X)),
    "vendi_score_distance_cosine": lambda X: vendi_of_distances(cosine(X)),
    "hubness": hubness,
    "silhouette": silhouette,
    "lid": lid,
    "gride_dim": gride,
    "correlation_dimension": correlation_dimension,
    "participation_ratio": lambda X: variances(X).sum() ** 2 / (variances(X) ** 2).sum(),
    "pca_dim_90": lambda X: 1 + int(np.argmax(np.cumsum(variances(X)) / variances(X).sum() >= 0.9)),
    "stable_rank": lambda X: np.linalg.norm(X, "fro") ** 2 / np.linalg.norm(X, 2) ** 2,
    "trace_ratio": lambda X: np.trace(X @ X.T) ** 2 / np.linalg.norm(X @ X.T, "fro") ** 2,
    "spectral_entropy": lambda X: np.log(entropy_of(np.linalg.svd(X, compute_uv=False) ** 2)) / np.log(X.shape[1]),
    "condition_number": lambda X: np.linalg.cond(X),
    "nuclear_norm": lambda X: np.linalg.norm(X, "nuc") / np.linalg.norm(X, "fro"),
    "nuclear_norm_l12": lambda X: np.linalg.norm(X, axis=0).sum() / np.linalg.norm(X, "fro"),
    "mean_vector_norm": lambda X: np.linalg.norm(X.mean(axis=0)) / np.sqrt((X**2).sum() / len(X)),
    "redundancy": redundancy,
    "diffusion_spectral_entropy": diffusion_spectral_entropy,
}
# distances are known to half of 1/2048 only
TOLERANCE = {"correlation_dimension": 2e-3, "gride_dim": 1e-3}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ORACLES)
def test_measure_agrees_with_its_definition(name: str, seed: int) -> None:
    X = cloud(seed)
    result = measures()[name].compute(Space(X))
    value = result.value if isinstance(result, Reading) else result
    assert value == pytest.approx(ORACLES[name](X.astype(np.float64).astype(np.float32)), rel=TOLERANCE.get(name, 1e-4))


def test_an_oracle_notices_a_wrong_measure() -> None:
    """The participation ratio without centring is off: the comparison above can fail."""
    X = cloud(0) + np.float32(5)
    wrong = float(np.linalg.svd(X, compute_uv=False).__pow__(2).sum() ** 2 / np.linalg.norm(X.T @ X) ** 2)
    assert wrong != pytest.approx(ORACLES["participation_ratio"](X), rel=0.1)
