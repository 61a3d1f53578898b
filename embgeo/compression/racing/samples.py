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
NEAR = 7 / 8  # of a sample, at most, is near queries beyond what it must hold


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


def near_rows(given: SweepInput, exact: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """Sorted rows near the queries: those that every sample must hold, then others that come nearest.

    The first are the judged documents and the exact ten of each query with all that tie with the tenth; the next are
    the nearest DEPTH, then all of `exact`: they are what a codec confuses with the ten, so that without them a sample
    would be much easier than the corpus.
    """
    scores, rows = exact
    judged = given.evaluator.judged()[:, 1] if given.evaluator is not None else np.empty(0, np.int64)
    tenth = scores[:, min(EXACT, scores.shape[1]) - 1 : EXACT]
    tiers = [np.concatenate([judged.astype(np.int64), rows[scores >= tenth]]), rows[:, :DEPTH], rows]
    return [np.unique(tier[tier >= 0]) for tier in tiers]


def nested_samples(documents: int, near: list[np.ndarray], sizes: list[int], seed: int) -> list[np.ndarray]:
    """Sorted rows of each sample: all of `near[0]`, then of the other `near` until they are NEAR of the sample, and
    others; both by one seeded random order, so that samples nest."""
    if not sizes:
        return []
    keys = np.random.default_rng([seed, 0x57A6E]).random(documents)
    tier = np.full(documents, len(near), np.int8)
    for number in reversed(range(len(near))):
        tier[near[number]] = number
    close = np.flatnonzero(tier < len(near))
    close = close[np.lexsort((keys[close], tier[close]))]
    keys[close] = np.inf
    count = min(max(sizes), documents - len(close))
    far = np.flatnonzero(keys <= np.partition(keys, count - 1)[count - 1]) if count else close[:0]
    far = far[np.argsort(keys[far], kind="stable")]
    found = []
    for size in sizes:
        held = min(len(close), max(len(near[0]), int(NEAR * size)))
        found.append(np.sort(np.concatenate([close[:held], far[: size - held]])))
    return found


def on_sample(given: SweepInput, rows: np.ndarray) -> SweepInput:
    """The same input for the documents `rows` alone, whose vectors are copied."""
    whole = given.embeddings
    ids = [whole.doc_ids[row] for row in rows.tolist()]
    docs = whole.rows(rows)
    part = Embeddings(docs, whole.queries, ids, whole.query_ids, whole.similarity)
    evaluator = None if given.evaluator is None else given.evaluator.on(ids)
    return replace(given, embeddings=part, evaluator=evaluator, reader=None)
