"""Nested samples of a large corpus, each holding the documents that queries need."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embgeo.compression.judging.folds import DIRECT, FIT_ROWS
from embgeo.compression.judging.task import DEPTH, SweepInput
from embgeo.embeddings import Embeddings

FIRST = 32_768  # the exact top 10 of 1,000 queries and three times as many others; 80 specs take minutes
GROWTH = 4
SAMPLE_BYTES = 2**30  # of float32 vectors: a larger sample is not held in memory
EXACT = 10


@dataclass(frozen=True)
class Sizes:
    """The sizes of samples.

    Attributes
    ----------
    first : documents of the first sample, at least.
    growth : of the next, in times.
    fit_rows : documents that codecs are fitted on, at most.
    sample_bytes : of the largest sample.
    """

    first: int = FIRST
    growth: int = GROWTH
    fit_rows: int = FIT_ROWS
    sample_bytes: int = SAMPLE_BYTES

    def is_large(self, documents: int) -> bool:
        """Whether samples save much, and most of each is outside the fit sample."""
        return documents > max(self.growth * self.first, DIRECT * self.fit_rows)

    def stages(self, documents: int, needed: int, dimension: int) -> list[int]:
        """The documents of each sample: at least as many others as needed ones, and at most half of the corpus."""
        size, found = max(self.first, 2 * needed), []
        while 2 * size <= documents and 4 * dimension * size <= self.sample_bytes:
            found.append(size)
            size *= self.growth
        return found


def needed_rows(given: SweepInput, exact: tuple[np.ndarray, np.ndarray], most: int) -> np.ndarray:
    """Sorted rows that every sample must hold: the judged documents, and the exact neighbours of the queries.

    Those are the exact ten with all that tie with the tenth, and DEPTH of each query if at most `most` come together:
    without near documents that are not among the ten, a sample would be easier than the corpus.
    """
    scores, rows = exact
    judged = given.evaluator.judged()[:, 1] if given.evaluator is not None else np.empty(0, np.int64)
    nearest = rows[:, :DEPTH]
    if len(np.unique(nearest)) > most:
        tenth = scores[:, min(EXACT, scores.shape[1]) - 1 : EXACT]
        nearest = np.where(scores >= tenth, rows, -1)
    found = np.unique(np.concatenate([judged.astype(np.int64), nearest.ravel()]))
    return found[found >= 0]


def nested_samples(documents: int, needed: np.ndarray, sizes: list[int], seed: int) -> list[np.ndarray]:
    """Sorted rows of each sample: `needed`, and the first others of one seeded random order, so that samples nest."""
    if not sizes:
        return []
    keys = np.random.default_rng([seed, 0x57A6E]).random(documents)
    keys[needed] = -1
    last = min(max(sizes), documents) - 1
    order = np.flatnonzero(keys <= np.partition(keys, last)[last])
    order = order[np.argsort(keys[order], kind="stable")]
    return [np.sort(order[:size]) for size in sizes]


def on_sample(given: SweepInput, rows: np.ndarray) -> SweepInput:
    """The same input for the documents `rows` alone, whose vectors are copied."""
    whole = given.embeddings
    ids = [whole.doc_ids[row] for row in rows.tolist()]
    docs = whole.rows(rows)
    part = Embeddings(docs, whole.queries, ids, whole.query_ids, whole.similarity)
    evaluator = None if given.evaluator is None else given.evaluator.on(ids)
    return replace(given, embeddings=part, evaluator=evaluator)
