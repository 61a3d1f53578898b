"""What is left of the model's space at smaller widths: recall, and the queries that could be ranked at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from embgeo.compression.codecs.training import principal_axes, second_moment
from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings, Similarity
from embgeo.limits.ideal_queries import ideal_half_gaps
from embgeo.limits.judgement_margin import relevant_rows
from embgeo.progress import Progress, silent
from embgeo.results.limits_margin import AtWidth
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.threads import one_blas_thread

CUTOFFS = (2, 10, 20)
NARROWEST = 8
DOCUMENTS = 100_000  # of a larger corpus only the whole width is shown
QUERIES = 1000
SET_SIZE = 500  # relevant documents of a set that an ideal query is sought for


@dataclass(frozen=True)
class Asked:
    """The judged queries that are searched at every width.

    Attributes
    ----------
    embeddings : with these queries only.
    sets : rows of the documents relevant to each, possibly none.
    relevant : (q,) int64, how many documents are, whether they are in the corpus or not.
    """

    embeddings: Embeddings
    sets: list[np.ndarray]
    relevant: np.ndarray

    @classmethod
    def of(cls, embeddings: Embeddings, evaluator: Evaluator, seed: int) -> Asked:
        """A seeded sample of at most 1,000."""
        chosen = np.sort(np.random.default_rng(seed).permutation(len(evaluator.query_rows))[:QUERIES])
        every = relevant_rows(evaluator)
        rows, sets = evaluator.query_rows[chosen], [every[at] for at in chosen.tolist()]
        grades = [evaluator.qrels[evaluator.query_ids[at]].values() for at in chosen.tolist()]
        relevant = np.array([sum(grade > 0 for grade in each) for each in grades])
        assert embeddings.queries is not None
        ids = [embeddings.query_ids[row] for row in rows.tolist()]
        return cls(replace(embeddings, queries=embeddings.queries[rows], query_ids=ids), sets, relevant)

    def rankable(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Rows of the documents without copies, and the different sets of them that an ideal query is sought for."""
        copies = find_copies(self.embeddings)
        sets = [np.unique(copies.group[rows]) for rows in self.sets]
        kept = {each.tobytes(): each for each in sets if 0 < len(each) <= min(SET_SIZE, len(copies.first) - 1)}
        return copies.first, list(kept.values())


def by_width(
    embeddings: Embeddings,
    evaluator: Evaluator | None,
    *,
    drop_own_document: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> list[AtWidth] | None:
    """Recall@2, 10 and 20 of the model whole, truncated and after uncentred PCA to 8, 16, 32, … dimensions, widest
    first, and the share of relevance sets that *some* query vector would rank above all other documents there.

    Truncated vectors are scored as the model's are (cosine: unit again), PCA as specs score it, by inner products. What
    no query vector ranks, no fine-tuning of the query side alone can find. Ideal queries are sought under
    cosine and dot; truncation is not asked for them. None without judgements. Cost: 2·m·n·d flops a width and kind.
    """
    if evaluator is None or embeddings.queries is None or not len(evaluator.query_rows):
        return None
    asked = Asked.of(embeddings, evaluator, seed)
    sought = embeddings.similarity != "euclidean" and len(embeddings) <= DOCUMENTS
    single, sets = asked.rankable() if sought else (np.empty(0, np.int64), [])
    forms = list(_forms(asked.embeddings))
    rows = []
    for at, (kind, held) in enumerate(forms):
        recalls = _recalls(replace(asked, embeddings=held), drop_own_document)
        gaps = np.empty(0)
        if sets and kind != "truncated":
            with one_blas_thread():  # products of a hundred documents: others would wait for each other
                gaps = ideal_half_gaps(held.rows(single), sets)
        rows.append(
            AtWidth(
                width=held.dimension,
                kind=kind,
                queries=len(asked.sets),
                recall_2=recalls[0],
                recall_10=recalls[1],
                recall_20=recalls[2],
                ideal=float((gaps > 0).mean()) if len(gaps) else None,
                ideal_least=float(gaps.min()) if len(gaps) else None,
            )
        )
        progress("recall by width", at + 1, len(forms))
    return rows


def _forms(embeddings: Embeddings) -> Iterator[tuple[str, Embeddings]]:
    """The space whole, and, of a corpus that fits in memory, with fewer coordinates."""
    yield "whole", embeddings
    if len(embeddings) > DOCUMENTS:
        return
    X, Q = embeddings.matrix(), embeddings.query_matrix()
    widths = [2**power for power in range(20, 2, -1) if NARROWEST <= 2**power < embeddings.dimension]
    for width in widths:
        yield "truncated", replace(embeddings, docs=X[:, :width], queries=Q[:, :width], exponent=0)
    axes = principal_axes(second_moment(X))[1].astype(np.float32)
    similarity: Similarity = "euclidean" if embeddings.similarity == "euclidean" else "dot"
    for width in widths:
        docs, queries = (np.ascontiguousarray(each @ axes[:, :width]) for each in (X, Q))
        yield "pca", replace(embeddings, docs=docs, queries=queries, similarity=similarity, exponent=0)


def _recalls(asked: Asked, drop_own_document: bool) -> list[float]:
    """Mean share of the relevant documents among the first k results, for each of `CUTOFFS`."""
    depth = min(max(CUTOFFS), len(asked.embeddings))
    _, rows = exact_search(asked.embeddings, depth, drop_own_document=drop_own_document)
    hits = np.stack([np.isin(found, own) for found, own in zip(rows, asked.sets, strict=True)])
    return [float((hits[:, :k].sum(axis=1) / asked.relevant).mean()) for k in CUTOFFS]
