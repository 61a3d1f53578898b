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
from pathlib import Path

import numpy as np

from embgeo.reproductions.uts_fingerprints import NAMES, PUBLISHED, accuracy, read_table, signatures


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
    rows = read_table(args.table)
    columns = NAMES if args.metric == "named" else [under(name, args.metric) for name in NAMES]
    print(f"{len(rows)} signatures, {len(columns)} columns ({args.metric})\n")
    header = ("dimension", "models", "chance", "published", "seed 42", "mean", "low", "high")
    print("{:>9s}{:>8s}{:>8s}{:>11s}{:>9s}{:>8s}{:>8s}{:>8s}".format(*header))
    for dimension, published in PUBLISHED.items():
        chosen = signatures(rows, dimension, columns)
        found = [accuracy(chosen, 42 + seed) for seed in range(args.seeds)]
        count = len(set(chosen[1].tolist()))
        summary = f"{found[0]:9.4f}{np.mean(found):8.4f}{min(found):8.4f}{max(found):8.4f}"
        print(f"{dimension:>9s}{count:8d}{1 / count:8.4f}{published:11.4f}{summary}", flush=True)


if __name__ == "__main__":
    main()
