"""Where quality is lost: from a perfect reranker over the model, a wrong metric and a codec to an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import Embeddings
from embgeo.pipelines.retrieved import Retrieved
from embgeo.progress import Progress, silent
from embgeo.results.limits import Effort, Funnel, FunnelStep, SimilarityCheck, SimilarityChoice
from embgeo.results.shared import NDCG
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import QUERY_BLOCK, own_rows, without_own
from embgeo.retrieval.significance import QueryBootstrap, percentiles
from embgeo.retrieval.top_k import TopK, tie_order

RERANKED = (1000, 100, 50, 10)  # results that a perfect reranker is given
DEPTH = 32  # results kept of a wrong metric; ten are evaluated, the rest shows ties
DISTANCES = {"L1 distance": "cityblock", "L∞ distance": "chebyshev"}  # and what scipy calls them
METRIC_WORK = 2 * 10**10  # products of query, document and dimension that a metric outside BLAS may take
NEIGHBOURS = 100  # of a query, by whose distances its local dimension is estimated
CROWDED = 0.1  # share of the queries of highest local dimension
INDICES = ("hnsw16ef64,f32", "hnsw8ef16,f32")


def default_specs(dimension: int) -> list[Spec]:
    """Codecs from mild to harsh, and an index with few and with very few links."""
    return [parse(text) for text in ("int8", f"adaptive@{max(1, dimension // 8)}B", "binary", *INDICES)]


def funnel(
    embeddings: Embeddings,
    found: Retrieved,
    specs: Sequence[Spec],
    drop_own: bool,
    similarity: SimilarityCheck | None = None,
    progress: Progress = silent,
) -> tuple[Funnel | None, Effort | None]:
    """nDCG@10 of each step with its interval, and its paired difference from the model's own exact search.

    A perfect reranker orders the results of exact search by their grades: what it cannot reach, the model does not
    find. Other similarities are those that `similarity` measured. Codecs and indices are judged out of sample, as in
    `compress`. Also which queries an index misses
    (`local_effort`). Nothing without judgements.
    """
    if found.evaluator is None or found.scores is None or found.rows is None:
        return None, None
    evaluator = found.evaluator
    judge = _Judge(
        found.per_query[NDCG], QueryBootstrap.draw(len(evaluator.query_ids), found.seed, groups=evaluator.query_groups)
    )
    steps = [judge.step("reranker", f"perfect reranker of the top {k}", quality) for k, quality in _reranked(found)]
    steps.append(judge.step("model", "the model, exact search", judge.baseline))
    steps += [_of_similarity(one) for one in (() if similarity is None else similarity.others)]
    for name, quality in _distances(embeddings, evaluator, drop_own, progress):
        steps.append(judge.step("metric", name, quality))
    given = SweepInput(embeddings, evaluator, drop_own, found.seed)
    swept = sweep(given, specs, progress=progress)
    for one in swept.outcomes:
        steps.append(judge.step("codec" if one.spec.index is None else "index", str(one.spec), one.quality))
    indexed = [one for one in swept.outcomes if one.spec.index is not None]
    exact = swept.exact[0][evaluator.query_rows]
    known = (exact, embeddings.similarity, evaluator.query_groups, found.seed)
    efforts = (local_effort(str(one.spec), one.recall, *known) for one in indexed)
    return Funnel(steps=steps), next((effort for effort in efforts if effort is not None), None)


@dataclass(frozen=True)
class _Judge:
    """The nDCG@10 (j,) of the model by judged query, and the resamples that every step shares."""

    baseline: np.ndarray
    bootstrap: QueryBootstrap

    def step(self, kind: str, name: str, quality: np.ndarray) -> FunnelStep:
        return FunnelStep(
            kind=kind,
            name=name,
            value=float(quality.mean()),
            ci=self.bootstrap.mean_interval(quality),
            difference=float((quality - self.baseline).mean()),
            difference_ci=self.bootstrap.difference(quality, self.baseline),
        )


def _of_similarity(one: SimilarityChoice) -> FunnelStep:
    return FunnelStep(
        kind="metric",
        name=one.name,
        value=one.value,
        ci=one.ci,
        difference=one.difference,
        difference_ci=one.difference_ci,
    )


def _reranked(found: Retrieved) -> Iterator[tuple[int, np.ndarray]]:
    """The quality of the top k of every query, in the best order that its judgements allow."""
    evaluator, rows = found.evaluator, found.rows
    assert evaluator is not None
    assert rows is not None
    grades = np.zeros(rows.shape, np.float32)
    triples = evaluator.judged()
    triples = triples[np.argsort(triples[:, 0], kind="stable")]
    queries, firsts = np.unique(triples[:, 0], return_index=True)
    for query, mine in zip(queries.tolist(), np.split(triples, firsts[1:]), strict=True):
        known = dict(zip(mine[:, 1].tolist(), mine[:, 2].tolist(), strict=True))
        here = np.flatnonzero(np.isin(rows[query], mine[:, 1]))
        grades[query, here] = [known[row] for row in rows[query, here].tolist()]
    for k in RERANKED:
        if k <= rows.shape[1]:
            order = np.argsort(-grades[:, :k], axis=1, kind="stable")[:, :10]
            places = np.broadcast_to(-np.arange(order.shape[1], dtype=np.float32), order.shape)
            yield k, evaluator(places, np.take_along_axis(rows, order, 1))[NDCG]


def _distances(
    embeddings: Embeddings, evaluator: Evaluator, drop_own: bool, progress: Progress
) -> Iterator[tuple[str, np.ndarray]]:
    """The quality of exact search by distances that the model was not trained for, on its own vectors."""
    from scipy.spatial.distance import cdist

    Q, precedence = embeddings.query_matrix(), tie_order(embeddings.doc_ids)
    if len(Q) * len(embeddings) * embeddings.dimension > METRIC_WORK:
        return
    for done, (name, metric) in enumerate(DISTANCES.items(), start=1):
        best = TopK.empty(len(Q), min(DEPTH + drop_own, len(embeddings)), precedence)
        for start, block in embeddings.blocks():
            for first in range(0, len(Q), QUERY_BLOCK):
                part = slice(first, first + QUERY_BLOCK)
                mine = TopK(best.scores[part], best.rows[part], precedence)
                scores = -cdist(Q[part], block, metric)
                mine.merge(scores.astype(np.float32), np.arange(start, start + len(block)))
        scores, rows = best.scores, best.rows
        if drop_own:
            scores, rows = without_own(scores, rows, own_rows(embeddings), DEPTH)
        yield name, evaluator(scores, rows)[NDCG]
        progress("other distances", done, len(DISTANCES))


def local_effort(
    spec: str, recall: np.ndarray, scores: np.ndarray, similarity: str, groups: np.ndarray, seed: int
) -> Effort | None:
    """Whether an index misses the queries around which documents are hard to tell apart.

    The local intrinsic dimension at a query is estimated from the distances of its 100 exact neighbours. None where the
    index misses nothing, with under ten queries, and under inner products of vectors of any length.

    Parameters
    ----------
    recall : (j,) recall@10 of each query by the index.
    scores : (j, ≥ 20) exact scores of the nearest documents of each query, best first.
    groups : (j,) int; queries with the same number share relevant documents.
    """
    from embgeo.limits.query_performance import rank_correlation

    r = np.sqrt(np.maximum(-scores if similarity == "euclidean" else 2 - 2 * scores, 0).astype(np.float64))
    if similarity == "dot" or r.shape[1] < 20 or len(r) < 10 or not (recall < 1).any():
        return None
    r = np.maximum(r[:, :NEIGHBOURS], 1e-12)
    local = 1 / np.maximum(np.log(r[:, -1:] / r[:, :-1]).mean(axis=1), 1e-12)
    crowded = local >= np.quantile(local, 1 - CROWDED)
    drawn = QueryBootstrap.draw(len(local), seed, 1000, groups).counts.astype(np.int64)
    again = [rank_correlation(np.repeat(local, times), np.repeat(recall, times)) for times in drawn]
    return Effort(
        spec=spec,
        value=rank_correlation(local, recall),
        ci=percentiles(np.array(again)),
        share=CROWDED,
        recall=float(recall[crowded].mean()),
        recall_rest=float(recall[~crowded].mean()),
    )
