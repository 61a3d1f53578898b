"""Document folds: codecs are evaluated on documents they were not fitted on."""

from __future__ import annotations

import copy

import numpy as np

from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.codecs.training import Training
from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings

FOLDS = 5
FIT_ROWS = 100_000
KEEP_FOLDS_BYTES = 256 * 2**20  # fit rows of the folds that are kept between groups


def document_folds(embeddings: Embeddings, seed: int, folds: int = FOLDS) -> np.ndarray:
    """(n,) int8 fold of each document; copies (equal up to rounding) share a fold, so that none leaks into the fit.

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


class Folds:
    """The training sets of one sweep: all sampled documents, and for each fold those of the other folds.

    What fits share (moments, axes) is computed once per training set and kept; the rows of a fold are kept only if
    they are small, and otherwise copied from the sample again for each group.
    """

    def __init__(self, embeddings: Embeddings, seed: int) -> None:
        sample = fit_sample(embeddings, seed)
        rows = embeddings.rows(sample)
        self.of = document_folds(embeddings, seed)
        self.count = int(self.of.max()) + 1
        self.fit_rows = len(sample)
        self.shipped = Training(rows, embeddings.similarity, seed)
        of_row = self.of[sample]
        # a corpus of one distinct document has nothing else to be fitted on
        keeps = [of_row != fold for fold in range(self.count)] if self.count > 1 else [None]
        self.trainings = [Training(rows, embeddings.similarity, seed, keep) for keep in keeps]
        self._small = (self.count - 1) * rows.nbytes <= KEEP_FOLDS_BYTES

    def learning_from(self, queries: np.ndarray) -> Folds:
        """The same folds, whose fits may also learn from these queries."""
        other = copy.copy(self)
        other.shipped = self.shipped.learning_from(queries)
        other.trainings = [training.learning_from(queries) for training in self.trainings]
        return other

    def fit(self, spec: Spec, fold: int) -> Tier:
        """A codec of one tier, fitted without this fold."""
        codec = fit_codec(spec, self.trainings[fold])
        if not self._small:
            self.trainings[fold].release()
        [tier] = codec.tiers
        return tier
