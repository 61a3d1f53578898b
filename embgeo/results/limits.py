"""The result of a limits run."""

from __future__ import annotations

from embgeo.results.limits_margin import AtWidth, JudgementMargin, OwnGap, RelevanceGraph
from embgeo.results.shared import Estimate, Result
from embgeo.results.stored import Interval, Stored, stored


class Unreachable(Stored):
    """Documents that are in the top `k` of no query, as shares of all, beside what random retrieval leaves out.

    `auc` is how well the k-occurrence of a document among the documents (`occurrence_k`) tells them from the rest:
    the probability that an unreachable one has the lower count. `documents` lists the first of them by id.
    """

    k: int | None = None
    queries: int | None = None
    share: float | None = None
    random_share: float | None = None
    occurrence_k: int | None = None
    auc: float | None = None
    probes: int | None = None
    documents: list[str] = stored()


class Predictor(Estimate):
    """How well a predictor orders the judged queries: Spearman's ρ with their nDCG@10."""

    name: str = ""


class Uncertain(Stored):
    """A query that the scores of its results make uncertain; `ndcg` if it is judged."""

    id: str = ""
    value: float | None = None
    ndcg: float | None = None


class Confidence(Stored):
    """Which queries will fail, by the scores of their results: below `threshold` the `predictor` calls one uncertain.

    `flagged` is the share of queries below it. With judgements: `failing` is the share that finds nothing relevant in
    the top 10, `precision` the share of flagged queries that fail, `recall` the share of failing ones that are flagged,
    `ndcg_flagged` and `ndcg_rest` the mean nDCG@10 of both kinds; all cross-validated over groups of queries.
    """

    queries: int | None = None
    judged: int | None = None
    predictor: str = ""
    threshold: float | None = None
    flagged: float | None = None
    failing: float | None = None
    precision: float | None = None
    recall: float | None = None
    ndcg_flagged: float | None = None
    ndcg_rest: float | None = None
    predictors: list[Predictor] = stored()
    least: list[Uncertain] = stored()

    @property
    def telling(self) -> bool:
        """Whether the threshold tells which queries fail: ρ is above 0 beyond chance, and of the flagged queries more
        fail than of all."""
        ci = self.predictors[0].ci if self.predictors else None
        if ci is None or self.precision is None or self.failing is None:
            return False
        return ci[0] > 0 and self.precision > self.failing


class FunnelStep(Estimate):
    """nDCG@10 of one step, and its paired `difference` from exact search by the model.

    `kind` is reranker, model, metric, codec or index.
    """

    kind: str = ""
    name: str = ""
    difference: float | None = None
    difference_ci: Interval | None = None


class Funnel(Stored):
    """Where quality is lost, from what a perfect reranker reaches to what an index misses."""

    steps: list[FunnelStep] = stored()


class Effort(Estimate):
    """Which queries an index misses: Spearman's ρ of the local dimension at a query with its recall@10 by `spec`.

    `recall` is that of the `share` of queries of highest local dimension, `recall_rest` that of the others.
    """

    spec: str = ""
    share: float | None = None
    recall: float | None = None
    recall_rest: float | None = None


class SimilarityChoice(Estimate):
    """nDCG@10 of the same vectors by the similarity `name`, and its difference from the run's, paired by query."""

    name: str = ""
    difference: float | None = None
    difference_ci: Interval | None = None


class SimilarityCheck(Estimate):
    """nDCG@10 by the run's similarity, `used`, and by `others`.

    `length_spread` is the standard deviation of the lengths of the documents over their mean; where it is next to
    nothing, cosine, dot product and Euclidean distance are one search, which is then not among `others`.
    """

    used: str = ""
    length_spread: float | None = None
    others: list[SimilarityChoice] = stored()


class TruncatedWidth(Stored):
    """nDCG@10 of the first `dimensions`, of a PCA to as many, and the difference truncated − PCA, paired by query."""

    dimensions: int | None = None
    truncated: float | None = None
    pca: float | None = None
    difference: float | None = None
    difference_ci: Interval | None = None


class TruncationCheck(Stored):
    """Whether the first dimensions keep what a PCA of the same width keeps; `value` is nDCG@10 of all `dimension`.

    The width that `deciding` names, chosen before anything is measured, says whether the model is trained for it.
    """

    dimension: int | None = None
    value: float | None = None
    deciding: int | None = None
    widths: list[TruncatedWidth] = stored()


class Limits(Stored):
    """What a space cannot hold; each finding is None where what it needs is missing."""

    unreachable: Unreachable | None = None
    confidence: Confidence | None = None
    funnel: Funnel | None = None
    effort: Effort | None = None
    margin: JudgementMargin | None = None
    own_gap: OwnGap | None = None
    graph: RelevanceGraph | None = None
    widths: list[AtWidth] | None = None
    similarity: SimilarityCheck | None = None
    truncation: TruncationCheck | None = None


class LimitsResult(Result):
    """What a space cannot hold, and how well exact search retrieves in it."""

    limits: Limits = stored()
    retrieval: dict[str, Estimate] | None = None
    warnings: list[str] = stored()
