"""Does a signature identify the model behind it? Decides whether all its measures are worth their time.

A random forest (depth 5, seed 42) guesses the model from signatures of datasets that it has not seen: the published
table of 27 models × 11 datasets × 3 seeds, three folds of whole datasets (GroupKFold), balanced accuracy averaged over
the folds, within each embedding dimension and over all. For comparison: guessing at random (1 / models), and the spread
over ten seeds of the forest, without which two such numbers cannot be compared.

    python benchmarks/fingerprint.py uts_data.csv [--seeds 10]

Each of the seven measures with a distance is used once, with the distance in its published name, unless `--metric` sets
one for all. A forest of depth 5 depends on that choice and on the order of the columns, which was not published: the
last digits of single rows move by .01 to .05 with them.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold

NAMES = [
    "uniformity", "euler_characteristic", "effective_rank", "avg_pair_sim_cosine", "mag_area", "mag_dim",
    "ph_dim_euclidean", "ph_entr_cosine", "spread_euclidean", "iso_score", "pca_dim", "twonn_dim", "silhouette",
    "lifetime_mean_cosine", "midlife_mean_cosine", "vendi_score_euclidean",
]  # fmt: skip
PUBLISHED = {"384": 0.7569, "768": 0.7326, "1024": 0.6778, "4096": 0.8889, "all": 0.6619}


def accuracy(X: np.ndarray, models: np.ndarray, datasets: np.ndarray, seed: int) -> float:
    """Balanced accuracy on unseen datasets, averaged over three folds."""
    scores = []
    for fit, held in GroupKFold(3).split(X, models, datasets):
        forest = RandomForestClassifier(max_depth=5, random_state=seed, n_jobs=-1).fit(X[fit], models[fit])
        scores.append(balanced_accuracy_score(models[held], forest.predict(X[held])))
    return float(np.mean(scores))


def under(name: str, metric: str) -> str:
    """The column of the same measure under another distance; measures without one keep theirs."""
    stem, _, last = name.rpartition("_")
    return f"{stem}_{metric}" if last in ("cosine", "euclidean") else name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--metric", choices=["named", "cosine", "euclidean"], default="named")
    parser.add_argument("--seeds", type=int, default=10, help="forests a row; the first has seed 42")
    args = parser.parse_args()
    with open(args.table, newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = NAMES if args.metric == "named" else [under(name, args.metric) for name in NAMES]
    print(f"{len(rows)} signatures, {len(columns)} columns ({args.metric})\n")
    header = ("dimension", "models", "chance", "published", "seed 42", "mean", "low", "high")
    print("{:>9s}{:>8s}{:>8s}{:>11s}{:>9s}{:>8s}{:>8s}{:>8s}".format(*header))
    for dimension, published in PUBLISHED.items():
        chosen = [row for row in rows if dimension in ("all", row["embedding_dimension"])]
        X = np.array([[float(row[column]) for column in columns] for row in chosen])
        models = np.array([row["model"] for row in chosen])
        datasets = np.array([row["dataset"] for row in chosen])
        found = [accuracy(X, models, datasets, 42 + seed) for seed in range(args.seeds)]
        count = len(set(models))
        summary = f"{found[0]:9.4f}{np.mean(found):8.4f}{min(found):8.4f}{max(found):8.4f}"
        print(f"{dimension:>9s}{count:8d}{1 / count:8.4f}{published:11.4f}{summary}", flush=True)


if __name__ == "__main__":
    main()
