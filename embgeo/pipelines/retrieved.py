"""Exact search of a run's documents by its queries, evaluated if there are judgements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from embgeo.progress import Progress, silent
from embgeo.retrieval.evaluate import QUALITY_MEASURES, Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.scale.engine import Engine
from embgeo.scale.reader import reader_of
from embgeo.sources.subject import Subject

STORED = 100  # results of a query that a run keeps


@dataclass(frozen=True)
class Retrieved:
    """What exact search finds.

    Attributes
    ----------
    scores, rows : (m, c) best first, −inf and −1 where empty; None without queries.
    evaluator : None without judgements.
    seed : of the bootstrap over queries.
    """

    scores: np.ndarray | None = None
    rows: np.ndarray | None = None
    evaluator: Evaluator | None = None
    seed: int = 0

    @cached_property
    def per_query(self) -> dict[str, np.ndarray]:
        """The value of every judged query by measure."""
        if self.evaluator is None or self.scores is None or self.rows is None:
            return {}
        return self.evaluator(self.scores[:, :STORED], self.rows[:, :STORED], QUALITY_MEASURES)

    @property
    def quality(self) -> dict[str, Any] | None:
        """The measures with intervals, as JSON; None without judgements."""
        if self.evaluator is None:
            return None
        bootstrap = QueryBootstrap.draw(len(self.evaluator.query_ids), self.seed, groups=self.evaluator.query_groups)
        return {
            name: {"value": float(values.mean()), "ci": bootstrap.mean_interval(values)}
            for name, values in self.per_query.items()
        }

    @property
    def listed(self) -> np.ndarray:
        """The rows of the documents whose texts a report may show."""
        return np.empty(0, np.int64) if self.rows is None else self.rows[:, :STORED]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What the run stores of it."""
        if self.scores is None or self.rows is None:
            return {}
        arrays = {"retrieved/rows": self.rows[:, :STORED].astype(np.int32), "retrieved/scores": self.scores[:, :STORED]}
        if self.evaluator is not None:
            arrays["query_rows"], arrays["query_groups"] = self.evaluator.query_rows, self.evaluator.query_groups
            arrays |= {f"quality/{name}": values.astype(np.float32) for name, values in self.per_query.items()}
        return arrays


def retrieved(subject: Subject, depth: int, seed: int, engine: Engine, progress: Progress = silent) -> Retrieved:
    """The `depth` nearest documents of every query; nothing without queries."""
    embeddings, judgements = subject.embeddings, subject.judgements
    if not len(embeddings.query_ids):
        return Retrieved()
    drop = judgements is not None and judgements.drop_own_document
    scan = None if (reader := reader_of(embeddings, engine)) is None else reader.scan
    scores, rows = exact_search(
        embeddings, min(depth, len(embeddings)), drop_own_document=drop, progress=progress, scan=scan
    )
    evaluator = Evaluator(judgements, embeddings.doc_ids, embeddings.query_ids) if judgements is not None else None
    return Retrieved(scores, rows, evaluator, seed)
