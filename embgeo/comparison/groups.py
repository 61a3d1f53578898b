"""Groups of documents side by side: which are harder to search, which crowd the results, which have more dimensions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.errors import InputError
from embgeo.metrics.signature import SignatureRequest, compute_signature
from embgeo.progress import Progress, silent
from embgeo.results import Estimate
from embgeo.results.analyze import DocumentGroup, DocumentGroups
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.space.sampled_rows import sampled_rows

MIN_DOCUMENTS = 50  # for a dimension
MAX_GROUPS = 20
SAMPLE = 1000  # documents of each group, at most
TOP = 10
MEASURES = {"dimension": "twonn_dim", "hubness": "hubness"}


@dataclass(frozen=True)
class Answers:
    """What the queries find: nDCG@10 (judged queries,) of the `evaluator`, and `rows` (m, ≥ 10) of all queries."""

    evaluator: Evaluator
    quality: np.ndarray
    rows: np.ndarray


def compare_groups(
    embeddings: Embeddings,
    key: str,
    values: Sequence[str | None],
    answers: Answers | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> DocumentGroups:
    """Dimension, hubs and quality of each group of documents, the 20 largest groups of at least 50 documents.

    The dimension (TwoNN) and the hubness of a group depend on how many documents are measured: all groups give samples
    of the size of the smallest, 1,000 at most. Quality is nDCG@10 of the queries with a relevant document in the group.

    Parameters
    ----------
    values : (n,) of the key `key`, None where a document has none.
    answers : None without judgements; then only the geometry is measured.

    Raises
    ------
    InputError
        Fewer than two groups have 50 documents.
    """
    sizes = Counter(value for value in values if value is not None)
    names = [name for name, size in sizes.most_common(MAX_GROUPS) if size >= MIN_DOCUMENTS]
    if len(names) < 2:
        largest = ", ".join(f"{name} ({size})" for name, size in sizes.most_common(5))
        raise InputError(
            f"grouping by {key!r} needs two groups of at least {MIN_DOCUMENTS} documents; the largest of {len(sizes)} "
            f"are {largest}. Use a coarser key"
        )
    place = {name: number for number, name in enumerate(names)}
    group = np.array([-1 if value is None else place.get(value, -1) for value in values])
    sample = min(SAMPLE, *(sizes[name] for name in names))
    searched = [{} for _ in names] if answers is None else _searched(group, len(names), answers, seed)
    found = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(group == number)
        found.append(
            DocumentGroup(
                name=name,
                documents=len(rows),
                share=len(rows) / len(embeddings),
                **_measured(embeddings, rows, sample, seed),
                **searched[number],
            )
        )
        progress(f"groups by {key}", len(found), len(names))
    ndcg = None if answers is None else float(answers.quality.mean())
    return DocumentGroups(key=key, sample=sample, rest=int((group < 0).sum()), ndcg=ndcg, groups=found)


def _measured(embeddings: Embeddings, rows: np.ndarray, sample: int, seed: int) -> dict[str, Any]:
    """The measures of a group, on the same number of documents in every group."""
    rows = rows[sampled_rows(len(rows), sample, seed)]
    own = replace(embeddings, docs=embeddings.docs[rows], doc_ids=[embeddings.doc_ids[row] for row in rows.tolist()])
    values = compute_signature(own, SignatureRequest(names=list(MEASURES.values()), seed=seed)).values
    return {
        field: None if (value := values[name]).value is None else Estimate(value=value.value, ci=value.ci)
        for field, name in MEASURES.items()
    }


def _searched(group: np.ndarray, groups: int, answers: Answers, seed: int) -> list[dict[str, Any]]:
    """Of every group: its shares of the results and of the relevant documents, and the quality of its queries."""
    evaluator = answers.evaluator
    top = answers.rows[evaluator.query_rows, :TOP]
    held = np.where(top >= 0, group[top], -1)
    judged = evaluator.judged()
    relevant = judged[judged[:, 2] > 0]
    of_query = np.searchsorted(evaluator.query_rows, relevant[:, 0])
    every = QueryBootstrap.draw(len(answers.quality), seed, groups=evaluator.query_groups)
    found: list[dict[str, Any]] = []
    for number in range(groups):
        shares = (held == number).sum(axis=1) / np.maximum(1, (top >= 0).sum(axis=1))
        inside = group[relevant[:, 1]] == number
        asked = np.unique(of_query[inside])
        quality = answers.quality[asked]
        drawn = QueryBootstrap.draw(len(asked), seed, groups=evaluator.query_groups[asked]) if len(asked) else None
        found.append(
            {
                "relevant_share": float(inside.mean()) if len(inside) else None,
                "found": Estimate(value=float(shares.mean()), ci=every.mean_interval(shares)),
                "queries": len(asked),
                "ndcg": drawn and Estimate(value=float(quality.mean()), ci=drawn.mean_interval(quality)),
            }
        )
    return found
