"""Document folds: codecs are evaluated on documents they were not fitted on."""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np

from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.codecs.training import Training
from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings

FOLDS = 5
FIT_ROWS = 100_000
DIRECT = 2  # fit samples in a corpus, beyond which most documents are outside it
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
    they are small, and otherwise copied from the sample again for each group. Folds are drawn when they are first used.

    Attributes
    ----------
    shipped : all sampled documents, `fit_rows` of them.
    direct : most documents are outside the fit sample, so the shipped codec itself is evaluated on unseen documents.
    """

    def __init__(self, embeddings: Embeddings, seed: int, fit_rows: int = FIT_ROWS) -> None:
        self._corpus = embeddings
        self._seed = seed
        self._sample = fit_sample(embeddings, seed, fit_rows)
        self._rows = embeddings.rows(self._sample)
        self._part: np.ndarray | None = None
        self._queries: np.ndarray | None = None
        self._drawn: list[tuple[np.ndarray, list[Training]]] = []  # shared with copies of this object
        self._known: list[tuple[np.ndarray, np.ndarray]] = []
        self.fit_rows = len(self._sample)
        self.direct = len(embeddings) > DIRECT * fit_rows
        self.shipped = Training(self._rows, embeddings.similarity, seed)

    @property
    def of(self) -> np.ndarray:
        """(n,) int8 fold of each document that is judged."""
        whole, _ = self._draw()
        return whole if self._part is None else whole[self._part]

    @property
    def count(self) -> int:
        return int(self._draw()[0].max()) + 1

    @cached_property
    def trainings(self) -> list[Training]:
        """For each fold, the sampled documents outside it."""
        drawn = self._draw()[1]
        return drawn if self._queries is None else [each.learning_from(self._queries) for each in drawn]

    @property
    def codecs(self) -> int:
        """How many codecs of a spec evaluate it, at most, unless it overfits."""
        return 1 if self.direct else self.count

    def on(self, part: np.ndarray) -> Folds:
        """The same training sets, for judging only the documents `part` (k,), which are then numbered from 0."""
        other = copy.copy(self)
        other._part, other._known = part, []
        return other

    def learning_from(self, queries: np.ndarray) -> Folds:
        """The same folds, whose fits may also learn from these queries."""
        other = copy.copy(self)
        other.__dict__.pop("trainings", None)
        other.shipped, other._queries = self.shipped.learning_from(queries), queries
        return other

    def seen(self, rows: np.ndarray) -> np.ndarray:
        """(k,) bool: which of the judged documents `rows` (k,) are in the fit sample, or copies of one that is."""
        asked, rows = rows, rows if self._part is None else self._part[rows]
        if self._known and np.array_equal(self._known[0][0], asked):
            return self._known[0][1]
        seen = np.isin(rows, self._sample)
        others = rows[~seen]
        if len(others):
            # as in the corpus: vectors that its accessors return, of which lengths matter unless it is cosine
            near = Embeddings(self._corpus.rows(others), None, (), (), self._corpus.similarity)
            group = find_copies(near, self._rows).group
            seen[~seen] = np.isin(group[: len(others)], group[len(others) :])
        self._known[:] = [(asked, seen)]
        return seen

    def fit(self, spec: Spec, fold: int) -> Tier:
        """A codec of one tier, fitted without this fold."""
        codec = fit_codec(spec, self.trainings[fold])
        if (self.count - 1) * self._rows.nbytes > KEEP_FOLDS_BYTES:
            self.trainings[fold].release()
        [tier] = codec.tiers
        return tier

    def _draw(self) -> tuple[np.ndarray, list[Training]]:
        """The fold of every document of the corpus, and the training sets."""
        if not self._drawn:
            of = document_folds(self._corpus, self._seed)
            count, of_row = int(of.max()) + 1, of[self._sample]
            # a corpus of one distinct document has nothing else to be fitted on
            keeps = [of_row != fold for fold in range(count)] if count > 1 else [None]
            similarity = self._corpus.similarity
            self._drawn.append((of, [Training(self._rows, similarity, self._seed, keep) for keep in keeps]))
        return self._drawn[0]
