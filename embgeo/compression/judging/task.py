"""What a sweep evaluates against: vectors with queries, judgements, and the exact neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.folds import FIT_ROWS
from embgeo.compression.search.searcher import Searcher
from embgeo.compression.search.tiers import first_search
from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.retrieval.evaluate import Evaluator, neighbour_recall, tie_band
from embgeo.retrieval.exact import without_own
from embgeo.retrieval.top_k import TopK

DEPTH = 32  # results kept per query: 10 are evaluated, the rest reveal ties at the cutoff
CONTENDERS = 100  # nearest documents of a query on which errors in and out of sample are compared


class Reader(Protocol):
    """What reads a corpus that is not read here, block by block; it changes no result."""

    def scan(self, embeddings: Embeddings, asked: np.ndarray, best: TopK, progress: Progress = silent) -> None:
        """As `retrieval.exact.scan_blocks`."""
        ...

    def rank(
        self, embeddings: Embeddings, Q: np.ndarray, tiers: Mapping[str, tuple[Tier, int]], progress: Progress = silent
    ) -> dict[str, TopK]:
        """As `held_out.rank_blocks`."""
        ...


@dataclass(frozen=True)
class SweepInput:
    """Everything besides the spec that determines a finding.

    Attributes
    ----------
    embeddings : with queries.
    evaluator : None without judgements.
    drop_own : a query does not find the document that has its id.
    fit_rows : documents that codecs are fitted on, at most.
    reader : what reads the corpus; None: it is read here, block by block.
    full_timing : speeds are measured however long it takes.
    """

    embeddings: Embeddings
    evaluator: Evaluator | None
    drop_own: bool = False
    seed: int = 0
    device: str = "cpu"
    fit_rows: int = FIT_ROWS
    reader: Reader | None = None
    full_timing: bool = False


@dataclass(frozen=True)
class JudgingTask:
    """What a ranking is evaluated against: the evaluator (or None), the exact neighbours, and self matches to remove.

    `exact_scores` and `exact_rows` are (m, ≤ CONTENDERS), best first, self matches removed.
    """

    embeddings: Embeddings
    evaluator: Evaluator | None
    exact_scores: np.ndarray
    exact_rows: np.ndarray
    own: np.ndarray | None
    reader: Reader | None = None

    @property
    def depth(self) -> int:
        return DEPTH + (self.own is not None)

    def candidates(self, spec: Spec) -> int:
        """How many documents the first search must return: those evaluated, or factor · 10 to be rescored."""
        return self.depth if spec.rescorer is None else 10 * spec.factor + (self.own is not None)

    def results(self, spec: Spec) -> int:
        """How many to ask the built store for: over ten would exceed the effort that the spec names."""
        return self.depth if spec.rescorer is None and spec.index is None else 10 + (self.own is not None)

    def missed(self, spec: Spec, searcher: Searcher, flat: Searcher) -> np.ndarray:
        """(m, c) rows that the flat search of the same codes finds and the built index does not, −1 elsewhere.

        Both are asked for as many results as the index visits at the effort that the spec names.
        """
        assert spec.index is not None
        wanted = self.results(spec) if spec.rescorer is None else self.candidates(spec)
        pool = min(spec.index.pool(wanted), len(self.embeddings))
        firsts = [first_search(searcher), first_search(flat)]
        found, all_rows = (first.search(self.embeddings.query_matrix(), pool)[1] for first in firsts)
        return np.stack([np.where(np.isin(rows, mine), -1, rows) for rows, mine in zip(all_rows, found, strict=True)])

    def without_own(self, best: TopK) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows with each query's own document removed."""
        if self.own is None:
            return best.scores, best.rows
        return without_own(best.scores, best.rows, self.own, DEPTH)

    def quality(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.evaluator is None:
            return neighbour_recall(rows, self.exact_rows, exact_scores=self.exact_scores)
        return self.evaluator(scores, rows)["ndcg@10"]

    def ranked(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(m, ≤ DEPTH) int32 rows of the judged queries, equal scores in the evaluator's order."""
        if self.evaluator is None:
            return rows[:, :DEPTH].astype(np.int32)
        return self.evaluator.ordered(scores[:, :DEPTH], rows[:, :DEPTH])

    def band(self, scores: np.ndarray, rows: np.ndarray) -> tuple[float, float] | None:
        return tie_band(self.evaluator, scores, rows) if self.evaluator is not None else None

    def recall(self, rows: np.ndarray) -> np.ndarray:
        recall = neighbour_recall(rows, self.exact_rows, exact_scores=self.exact_scores)
        return recall if self.evaluator is None else recall[self.evaluator.query_rows]
