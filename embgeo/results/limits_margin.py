"""What a limits run holds on the judgements themselves: the margins that free vectors and the model's own leave."""

from __future__ import annotations

from embgeo.results.stored import Stored, stored


class MarginAt(Stored):
    """The row half-gap that free vectors of `dimension` reach: of each seed, and the median."""

    dimension: int | None = None
    half_gap: float | None = None
    seeds: list[float] = stored()


class JudgementMargin(Stored):
    """The best row half-gap of free unit vectors for the judgements: the least ½ (worst relevant − best other).

    `judged` queries have a relevant document in the corpus; the documents of the share `missing` of the relevant
    judgements are not there. `patterns` are the distinct sets of relevant documents of `queries` of them, a sample if
    these are fewer, `documents` the distinct ones among which they choose. No vectors exceed `certificate` in any
    dimension. If the sets are all of `subset_size` documents, `closed_form` is the exact best.
    """

    queries: int | None = None
    judged: int | None = None
    missing: float | None = None
    patterns: int | None = None
    documents: int | None = None
    reached: list[MarginAt] = stored()
    certificate: float | None = None
    subset_size: int | None = None
    closed_form: float | None = None

    @property
    def sampled(self) -> bool:
        """Whether only some of the queries were tried: all of them allow no more, but may allow less."""
        return self.queries is not None and self.judged is not None and self.queries < self.judged


class OwnGap(Stored):
    """The half-gaps of the model's own vectors, by query: the share above 0, the median and the least.

    The last two are None unless the similarity is cosine: others have no common scale.
    """

    queries: int | None = None
    positive: float | None = None
    median: float | None = None
    least: float | None = None


class RelevanceGraph(Stored):
    """The share of pairs of relevant documents that share a query, and the mean strength of a query."""

    density: float | None = None
    strength: float | None = None


class AtWidth(Stored):
    """The space at `width`: "whole", "truncated" or "pca"; recall of `queries` judged queries at 2, 10 and 20.

    `ideal` is the share of relevance sets that some query vector ranks above all other documents, `ideal_least` the
    least half-gap of these (0 where one cannot be ranked).
    """

    width: int | None = None
    kind: str = ""
    queries: int | None = None
    recall_2: float | None = None
    recall_10: float | None = None
    recall_20: float | None = None
    ideal: float | None = None
    ideal_least: float | None = None
