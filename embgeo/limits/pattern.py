"""Which documents are relevant to which query, without what repeats: what free vectors are optimised for."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embgeo.errors import InputError

QUERIES = 1000
CELLS = 100_000  # rows × columns at most, so that a step of the optimisation takes milliseconds


@dataclass(frozen=True)
class Pattern:
    """A relevance matrix whose rows are distinct sets of relevant documents and whose columns are distinct documents.

    Documents relevant to the same queries can share a vector, and queries with the same relevant documents too: leaving
    out repeats changes no margin.

    Attributes
    ----------
    rows, columns : (t,) int64, ordered by row: the relevant pairs. Every row has one, and a column that is not.
    shape : (queries, documents) without repeats; a last column without any relevant pair stands for all documents that
        are relevant to no query.
    queries, judged : queries that were used, and those there are; fewer where a sample had to do.
    """

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]
    queries: int
    judged: int

    @cached_property
    def starts(self) -> np.ndarray:
        """(rows,) int64: where each row begins among the pairs."""
        return np.searchsorted(self.rows, np.arange(self.shape[0]))

    @cached_property
    def flat(self) -> np.ndarray:
        """(t,) int64: the relevant pairs in a matrix that is read row by row."""
        return self.rows * self.shape[1] + self.columns

    @cached_property
    def subsets(self) -> tuple[int, int] | None:
        """(n, k) if the rows are all subsets of k of the n columns; else None."""
        queries, documents = self.shape
        sizes = np.bincount(self.rows)
        k = int(sizes[0])
        if (sizes == k).all() and k < documents and math.comb(documents, k) == queries:
            return documents, k
        return None


def all_subsets(n: int, k: int) -> Pattern:
    """The pattern in which every subset of `k` of `n` documents is relevant to a query."""
    from itertools import combinations

    if not 0 < k < n:
        raise InputError(f"subsets need 0 < k < n; got k = {k} and n = {n}")
    return distinct([list(each) for each in combinations(range(n), k)], n)


def pattern_of(relevant: Sequence[Collection[Hashable]], documents: int, seed: int = 0) -> Pattern | None:
    """The pattern of the documents `relevant` to each query, all of them in a corpus of `documents`.

    A seeded sample of the queries is used if there are more than 1,000 of them, or if they and their documents would
    make a matrix of more than 100,000 cells; a margin of a sample is at least that of all. None if no query has both a
    relevant document and another one.
    """
    number: dict[Hashable, int] = {}
    sets = [[number.setdefault(doc, len(number)) for doc in of] for of in relevant if 0 < len(of) < documents]
    if not sets:
        return None
    order = np.random.default_rng(seed).permutation(len(sets))
    size = min(len(sets), QUERIES)
    while True:
        chosen = [sets[at] for at in sorted(order[:size].tolist())]
        found = distinct(chosen, documents, len(sets))
        if found.shape[0] * found.shape[1] <= CELLS or size <= 2:
            return found
        size = max(2, int(0.8 * size))


def distinct(sets: Sequence[Sequence[int]], documents: int, judged: int | None = None) -> Pattern:
    """The pattern of the `sets` of relevant document numbers below `documents`, each set neither empty nor whole."""
    queries_of: dict[int, list[int]] = {}
    for row, relevant in enumerate(sets):
        for doc in relevant:
            queries_of.setdefault(doc, []).append(row)
    column: dict[tuple[int, ...], int] = {}
    at = {doc: column.setdefault(tuple(rows), len(column)) for doc, rows in queries_of.items()}
    kept = dict.fromkeys(tuple(sorted({at[doc] for doc in relevant})) for relevant in sets)
    rest = int(len(queries_of) < documents)
    rows = np.repeat(np.arange(len(kept)), [len(relevant) for relevant in kept])
    columns = np.array([each for relevant in kept for each in relevant], np.int64)
    return Pattern(rows, columns, (len(kept), len(column) + rest), len(sets), len(sets) if judged is None else judged)
