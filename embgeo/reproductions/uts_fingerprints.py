"""Does a signature identify the model behind it? The published accuracies, and how far their order of folds matters."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from embgeo.reproductions.registry import at_least, at_most, near, reproduction
from embgeo.results.reproduce import Compared

TABLE = "uts/uts_data.csv"
# the order of the paper's text; each measure of a distance once, with the distance in its published name
NAMES = (
    "uniformity", "euler_characteristic", "effective_rank", "avg_pair_sim_cosine", "mag_area", "mag_dim",
    "ph_dim_euclidean", "ph_entr_cosine", "spread_euclidean", "iso_score", "pca_dim", "twonn_dim", "silhouette",
    "lifetime_mean_cosine", "midlife_mean_cosine", "vendi_score_euclidean",
)  # fmt: skip
PUBLISHED = {"384": 0.7569, "768": 0.7326, "1024": 0.6778, "4096": 0.8889, "all": 0.6619}
WITHIN = {"384": 0.01, "768": 0.01, "1024": 0.02, "4096": 0.08, "all": 0.07}
DEPTH, SEED, FOLDS, ORDERS = 5, 42, 3, 6


Signatures = tuple[np.ndarray, np.ndarray, np.ndarray]


@reproduction(
    "uts-fingerprints",
    title="Balanced accuracy of a random forest that names the model of a signature of an unseen dataset",
    source="Rottach et al. 2025, Unified Topological Signatures, table of fingerprints",
    needs=(TABLE,),
    verdict="A signature does identify the model, far above chance. The digits do not hold: which datasets share "
    "a fold was not published and moves an accuracy by .06 to .13; that of all models is .07 lower here.",
)
def uts_fingerprints(data: Path) -> Iterator[Compared]:
    """The folds of the file's order, then the lowest and highest accuracy of six ways to assign datasets to folds."""
    rows = read_table(data / TABLE)
    for dimension, published in PUBLISHED.items():
        found = signatures(rows, dimension, NAMES)
        label = f"dimension {dimension}" if dimension != "all" else "all models"
        yield near(label, published, accuracy(found, SEED), within=WITHIN[dimension])
        if dimension == "all":
            continue
        orders = [accuracy(found, SEED, order) for order in range(ORDERS)]
        yield at_most(f"{label}, lowest of {ORDERS} fold orders", published, min(orders))
        yield at_least(f"{label}, highest of {ORDERS} fold orders", published, max(orders))


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def signatures(rows: Sequence[Mapping[str, str]], dimension: str, columns: Sequence[str]) -> Signatures:
    """(n, c) signatures of models of that embedding dimension, or of "all"; the model and the dataset of each."""
    chosen = [row for row in rows if dimension in ("all", row["embedding_dimension"])]
    X = np.array([[float(row[column]) for column in columns] for row in chosen])
    return X, np.array([row["model"] for row in chosen]), np.array([row["dataset"] for row in chosen])


def accuracy(found: Signatures, seed: int, order: int | None = None) -> float:
    """Balanced accuracy on unseen datasets, averaged over three folds of whole datasets.

    `order` seeds which datasets share a fold; by default as GroupKFold assigns them.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold

    X, models, datasets = found
    number = np.unique(datasets, return_inverse=True)[1]
    if order is not None:
        number = np.random.default_rng(order).permutation(number.max() + 1)[number]
    scores = []
    for fit, held in GroupKFold(FOLDS).split(X, models, number):
        forest = RandomForestClassifier(max_depth=DEPTH, random_state=seed).fit(X[fit], models[fit])
        scores.append(balanced_accuracy_score(models[held], forest.predict(X[held])))
    return float(np.mean(scores))
