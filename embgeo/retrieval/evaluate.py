"""Retrieval quality of a ranking, query by query, computed by trec_eval (through pytrec_eval)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np

from embgeo.errors import InputError
from embgeo.files.ids import as_ids
from embgeo.judgements import Judgements

# our name → (trec_eval measure, its key in the results, how many results it is given: its MRR has no cutoff)
_TREC = {
    "ndcg@10": ("ndcg_cut.10", "ndcg_cut_10", None),
    "recall@10": ("recall.10", "recall_10", None),
    "recall@100": ("recall.100", "recall_100", None),
    "map@100": ("map_cut.100", "map_cut_100", None),
    "mrr@10": ("recip_rank", "recip_rank", 10),
}
QUALITY_MEASURES = tuple(_TREC)
LISTED_IDS = 200_000  # some 15 MB


def looked_up(ids: Sequence[str]) -> Sequence[str]:
    """Ids that are looked up by the million: a list where one is small, since packed ids are unpacked at each look."""
    return list(ids) if len(ids) <= LISTED_IDS else ids


class Evaluator:
    """Scores rankings of one dataset; built once, used for every store.

    Ties are ordered as trec_eval orders them: equal scores by descending document id, whatever the row order.
    Queries without a relevant document are excluded; `query_rows` lists the judged ones.
    """

    def __init__(self, judgements: Judgements, doc_ids: Sequence[str], query_ids: Sequence[str]) -> None:
        judged = set(judgements.judged_queries)
        self.doc_ids = looked_up(doc_ids)
        self.query_rows = np.array([row for row, query in enumerate(query_ids) if query in judged], dtype=np.int64)
        self.query_ids = [query_ids[row] for row in self.query_rows]
        if not self.query_ids:
            raise InputError(
                "at least one query must have a relevant document; the judgements match none of "
                f"{len(query_ids)} queries. Do the ids agree?"
            )
        self._qrels = {query: dict(judgements.qrels[query]) for query in self.query_ids}

    def on(self, doc_ids: Sequence[str]) -> Evaluator:
        """The same judgements for a corpus of other documents, in this order."""
        other = copy(self)
        other.doc_ids = looked_up(doc_ids)
        return other

    @cached_property
    def query_groups(self) -> np.ndarray:
        """(judged queries,) int group of each; the queries of a group share a relevant document.

        They are not independent evidence: bootstraps and splits keep a group whole. The document relevant to most
        queries makes the first group, then the one relevant to most of the rest. Sharing is not transitive: if each
        query shared some document with another, all would form one group, which has no spread.
        """
        sharing: dict[str, list[int]] = {}
        for row, query in enumerate(self.query_ids):
            for doc, grade in self._qrels[query].items():
                if grade > 0:
                    sharing.setdefault(doc, []).append(row)
        group = np.full(len(self.query_ids), -1, np.int64)
        number = 0
        largest = [(-len(rows), doc, rows) for doc, rows in sharing.items()]
        heapify(largest)
        while largest:
            size, doc, rows = heappop(largest)
            left = [row for row in rows if group[row] < 0]
            if len(left) == -size:
                group[left] = number
                number += 1
            elif left:
                heappush(largest, (-len(left), doc, left))
        return group

    @property
    def independent_queries(self) -> int:
        """How many groups the judged queries form."""
        return int(self.query_groups.max()) + 1

    @property
    def qrels(self) -> Mapping[str, Mapping[str, int]]:
        """Grades by query and document, of the judged queries."""
        return self._qrels

    def __call__(
        self, scores: np.ndarray, rows: np.ndarray, measures: Sequence[str] = ("ndcg@10",)
    ) -> dict[str, np.ndarray]:
        """Per-query values, (judged queries,) float64 by measure name.

        `scores` and `rows` are (m, k) over all queries, as a search returns them; rows of −1 are skipped. Ties are
        ordered among all k before any cutoff: pass more than 10, so that no tie is cut earlier.
        """
        ranked = self.ordered(scores, rows)
        results: dict[str, np.ndarray] = {}
        for shown in {_TREC[name][2] for name in measures}:
            names = [name for name in measures if _TREC[name][2] == shown]
            found = self._evaluate(ranked[:, :shown], {_TREC[name][0] for name in names})
            for name in names:
                results[name] = np.array([found[query][_TREC[name][1]] for query in self.query_ids])
        return {name: results[name] for name in measures}

    def ordered(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(judged queries, k) int32 rows in the order that is evaluated: equal scores by descending document id."""
        found = rows[self.query_rows].astype(np.int32)
        values = scores[self.query_rows]
        tied = ((values[:, 1:] == values[:, :-1]) & (found[:, 1:] >= 0)).any(axis=1)
        for query in np.flatnonzero(tied):
            pairs = zip(values[query].tolist(), found[query].tolist(), strict=True)
            kept = [(value, self.doc_ids[row], row) for value, row in pairs if row >= 0]
            found[query, : len(kept)] = [row for *_, row in sorted(kept, reverse=True)]
        return found

    def judged(self) -> np.ndarray:
        """(t, 3) int32 rows (query, document, grade) of all judgements of the judged queries on known documents."""
        judged = [
            (at, doc, grade)
            for query, at in zip(self.query_ids, self.query_rows.tolist(), strict=True)
            for doc, grade in self._qrels[query].items()
        ]
        rows = as_ids(self.doc_ids).index_of(doc for _, doc, _ in judged)
        triples = [(at, row, grade) for (at, _, grade), row in zip(judged, rows.tolist(), strict=True) if row >= 0]
        return np.array(triples, np.int32).reshape(-1, 3)

    def _evaluate(self, ranked: np.ndarray, measures: set[str]) -> Mapping[str, Mapping[str, float]]:
        import pytrec_eval

        ranking = {
            query: {self.doc_ids[row]: float(-place) for place, row in enumerate(rows.tolist()) if row >= 0}
            for query, rows in zip(self.query_ids, ranked, strict=True)
        }
        found: Mapping[str, Mapping[str, float]] = pytrec_eval.RelevanceEvaluator(self._qrels, measures).evaluate(
            ranking
        )
        return found


def neighbour_recall(
    rows: np.ndarray, exact_rows: np.ndarray, k: int = 10, exact_scores: np.ndarray | None = None
) -> np.ndarray:
    """Share of the exact top k that a search found, per query, (m,) float64 in [0, 1]; 1 if there is none to find.

    With `exact_scores` (m, ≥ k) of `exact_rows`, a document that ties with the k-th counts in its place: if not all
    copies of a document fit into the top k, it does not matter which are found. Only ties within the given results
    are seen: pass a few more than k.
    Not to be confused with recall on judgements: it asks whether the store returns what float32 returns.
    """
    places = np.minimum((exact_rows >= 0).sum(axis=1), k)
    sure = np.broadcast_to(np.arange(exact_rows.shape[1]) < places[:, None], exact_rows.shape)
    tied = np.zeros_like(sure)
    if exact_scores is not None and exact_rows.shape[1]:
        last = np.take_along_axis(exact_scores, np.maximum(places - 1, 0)[:, None], 1)
        tied = (exact_scores == last) & (exact_rows >= 0)
        sure = sure & ~tied
    found = (rows[:, None, :k] == exact_rows[:, :, None]).any(axis=2)
    hits = (found & sure).sum(axis=1) + np.minimum((found & tied).sum(axis=1), places - sure.sum(axis=1))
    return np.where(places > 0, hits / np.maximum(places, 1), 1.0)


def tie_band(evaluator: Evaluator, scores: np.ndarray, rows: np.ndarray) -> tuple[float, float] | None:
    """Mean nDCG@10 if every tie were ordered worst and best, or None if no tie touches the top 10.

    Only ties within the given results are seen: pass a few more than 10.
    """
    tied = (scores[:, 1:11] == scores[:, : scores.shape[1] - 1][:, :10]) & (rows[:, 1:11] >= 0)
    if not tied[evaluator.query_rows].any():
        return None
    grades = np.zeros(rows.shape)
    for query, at in zip(evaluator.query_ids, evaluator.query_rows, strict=True):
        judged = evaluator._qrels[query]
        grades[at] = [judged.get(evaluator.doc_ids[row], 0) if row >= 0 else 0 for row in rows[at]]
    band = []
    for worst_first in (grades, -grades):
        order = np.lexsort((worst_first, -scores), axis=1)[:, :10]
        top_rows = np.take_along_axis(rows, order, axis=1)
        places = np.broadcast_to(-np.arange(order.shape[1], dtype=np.float32), order.shape)
        band.append(float(evaluator(places, top_rows)["ndcg@10"].mean()))
    return band[0], band[1]
