"""Document folds: codecs are judged on documents they were not fitted on."""

from __future__ import annotations

import numpy as np

from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings

FOLDS = 5
FIT_ROWS = 100_000


def document_folds(embeddings: Embeddings, seed: int, folds: int = FOLDS) -> np.ndarray:
    """(n,) int8 fold of each document; copies, equal up to rounding, stand together, so that none is seen in the fit.

    With fewer distinct documents than `folds` there are as many folds as distinct documents.
    """
    groups = find_copies(embeddings).group
    count = int(groups.max()) + 1
    order = np.random.default_rng([seed, 0xF01D]).permutation(count)
    of_group = np.empty(count, np.int8)
    of_group[order] = np.arange(count) % min(folds, count)
    return of_group[groups]


def fit_sample(embeddings: Embeddings, seed: int, rows: int = FIT_ROWS) -> np.ndarray:
    """Sorted row numbers that codecs are fitted on: all, or a seeded sample without replacement of `rows`."""
    n = len(embeddings)
    if n <= rows:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, 0x5A3F1E]).choice(n, rows, replace=False))
