"""Which columns of the published signatures say the same, and whether a signature predicts a model's rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from embgeo.reproductions.registry import at_most, near, reproduction
from embgeo.reproductions.uts_fingerprints import TABLE, read_table
from embgeo.results.reproduce import Compared

SOURCE = "embgeo, on the data of Rottach et al. 2025, Unified Topological Signatures"
ALIKE = 0.8  # |ρ|
TREES = 100


@reproduction(
    "uts-redundancy",
    title="Groups of signature columns that rank models and datasets alike",
    source=SOURCE,
    needs=(TABLE,),
    verdict="The 23 columns carry about ten quantities: the Euclidean and cosine forms of one measure, lifetimes and "
    "midlives, and magnitude and uniformity say the same.",
)
def uts_redundancy(data: Path) -> Iterator[Compared]:
    """Groups by the rank correlation of columns, |ρ| ≥ .8; three kinds of linkage agree."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import spearmanr

    rows = read_table(data / TABLE)
    columns = _columns(rows)
    yield near("columns", 23, len(columns), within=0)
    apart = 1 - np.abs(spearmanr(_values(rows, columns)).statistic)
    np.fill_diagonal(apart, 0)
    for kind in ("single", "average", "complete"):
        tree = linkage(squareform((apart + apart.T) / 2, checks=False), kind)
        groups = fcluster(tree, 1 - ALIKE + 1e-12, "distance")
        yield near(f"groups at |ρ| ≥ {ALIKE}, {kind} linkage", 10, int(groups.max()), within=0)


@reproduction(
    "uts-ranking",
    title="Rank correlation of predicted and true quality of 27 models on a dataset left out",
    source=SOURCE,
    needs=(TABLE,),
    slow=True,
    verdict="A model's mean rank on other datasets predicts its rank better than its signature does, and so do its "
    "dimension and size. Only for a model of an unknown family does the signature help.",
)
def uts_ranking(data: Path) -> Iterator[Compared]:
    """Mean Spearman correlation over the 11 datasets; predictions by a forest fitted on the other datasets, and, with
    families left out, on other families. Forests differ in the second digit by their settings.
    """
    study = _Study(read_table(data / TABLE))
    rank, signature, size = study.mean_rank(), study.left_out("signature"), study.left_out("size")
    yield near("mean rank on the other datasets", 0.736, rank, within=0.001)
    yield near("signature", 0.678, signature, within=0.03)
    yield near("dimension and size", 0.706, size, within=0.03)
    yield at_most("signature against mean rank", rank, signature)
    apart, known = study.left_out("signature", families=True), study.left_out("size", families=True)
    yield near("signature, family left out", 0.472, apart, within=0.06)
    yield near("dimension and size, family left out", 0.339, known, within=0.06)


class _Study:
    """Each model on each dataset, seeds averaged: what is known of it, and its rank there from 0 to 1."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        from scipy.stats import rankdata

        cells: dict[tuple[str, str], list[Mapping[str, str]]] = {}
        for row in rows:
            cells.setdefault((row["model"], row["dataset"]), []).append(row)
        first, columns = [group[0] for group in cells.values()], _columns(rows)
        self.known = {
            "signature": np.array([_values(group, columns).mean(axis=0) for group in cells.values()]),
            "size": _values(first, ("embedding_dimension", "model_size")),
        }
        self.models, self.datasets = (np.array(names) for names in zip(*cells, strict=True))
        self.families = np.array([row["model_family"] for row in first])
        score = _values(first, ("main_score",))[:, 0]
        self.here = [self.datasets == name for name in sorted(set(self.datasets))]
        self.rank = np.empty(len(first))
        for here in self.here:
            self.rank[here] = rankdata(score[here]) / here.sum()

    def left_out(self, known: str, families: bool = False) -> float:
        """Mean correlation of predictions of datasets (and families) that the forest has not seen."""
        from sklearn.ensemble import RandomForestRegressor

        X, predicted = self.known[known], np.empty(len(self.rank))
        groups = self.families if families else np.full(len(X), "")
        for here in self.here:
            for group in sorted(set(groups[here])):
                held, fit = here & (groups == group), ~here & ((groups != group) | (group == ""))
                forest = RandomForestRegressor(TREES, random_state=0).fit(X[fit], self.rank[fit])
                predicted[held] = forest.predict(X[held])
        return self._correlation(predicted)

    def mean_rank(self) -> float:
        """The same for the mean rank of a model on the other datasets."""
        alike = (self.models[:, None] == self.models) & (self.datasets[:, None] != self.datasets)
        return self._correlation(alike @ self.rank / alike.sum(axis=1))

    def _correlation(self, predicted: np.ndarray) -> float:
        from scipy.stats import spearmanr

        return float(np.mean([spearmanr(predicted[here], self.rank[here]).statistic for here in self.here]))


def _columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The measures of the table: the columns of which it also has the time taken."""
    return [name.removeprefix("elapsed_time_") for name in rows[0] if name.startswith("elapsed_time_")]


def _values(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> np.ndarray:
    return np.array([[float(row[column]) for column in columns] for row in rows])
