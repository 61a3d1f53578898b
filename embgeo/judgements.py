"""Judgements: which documents answer which query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Judgements:
    """Relevance judgements of a dataset.

    Attributes
    ----------
    qrels : {query id: {document id: grade}}; grades are integers, relevant when > 0.
    warnings : sentences about queries without judgements and judgements of unknown ids.
    drop_own_document : remove from a query's results the document whose id equals the query's (off, as in MTEB).
    """

    qrels: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...] = ()
    drop_own_document: bool = False

    def __len__(self) -> int:
        return sum(len(judged) for judged in self.qrels.values())

    @property
    def judged_queries(self) -> list[str]:
        """Query ids with at least one relevant document, in qrels order: the queries that quality is averaged over."""
        return [query for query, judged in self.qrels.items() if any(grade > 0 for grade in judged.values())]


def check_judgements(
    qrels: Mapping[str, Mapping[str, int]],
    doc_ids: Iterable[str],
    query_ids: Iterable[str],
    drop_own_document: bool = False,
) -> Judgements:
    """Match judgements with the ids that exist, and say in `warnings` what does not match.

    Judgements of unknown queries are dropped. Judgements of unknown documents are kept, as trec_eval does: such a
    document can never be retrieved, so it lowers nDCG and recall, and the warning says how many there are.
    """
    documents, queries = set(doc_ids), set(query_ids)
    kept = {query: dict(judged) for query, judged in qrels.items() if query in queries}
    unknown_queries = len(qrels) - len(kept)
    unknown_documents = sum(doc not in documents for judged in kept.values() for doc in judged)
    warnings = []
    if unknown_queries:
        warnings.append(f"{unknown_queries} judged queries are not among the queries and were left out")
    if unknown_documents:
        warnings.append(
            f"{unknown_documents} judgements name documents that are not in the corpus; they count as never retrieved"
        )
    unjudged = len(queries) - len(Judgements(kept).judged_queries)
    if unjudged:
        warnings.append(f"{unjudged} of {len(queries)} queries have no relevant document and are not averaged over")
    return Judgements(kept, tuple(warnings), drop_own_document)
