"""Intervals over queries: paired bootstrap of means, differences and ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
LEVEL = 0.95
MIN_CHANGED = 5  # with fewer changed queries no interval covers 93 % (benchmarks/decisions.py, coverage)
MIN_GROUPS = 5  # independent groups of queries: the spread of fewer is unknown


@dataclass(frozen=True)
class QueryBootstrap:
    """One set of resamples of the queries, shared by every statistic of a run so that comparisons are paired.

    Attributes
    ----------
    counts : (resamples, m) float64, how often each query was drawn; queries of one group are drawn together.
    unseen : (resamples, 2) float64, how often the two queries that paired statistics add were drawn: one that gains
        and one that loses as much as the largest observed change.
    group : (m,) int, the number of the group of each query.
    """

    counts: np.ndarray
    unseen: np.ndarray
    group: np.ndarray

    @classmethod
    def draw(
        cls, queries: int, seed: int = 0, resamples: int = RESAMPLES, groups: np.ndarray | None = None
    ) -> QueryBootstrap:
        """`groups` (queries,) int: queries with the same number share relevant documents and are drawn together.

        Source: Davison & Hinkley 1997, §3.8 (clusters drawn whole).
        """
        number = np.arange(queries) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
        drawn = int(number.max(initial=-1)) + 1
        rng = np.random.default_rng([seed, 0x0B007])
        counts = rng.multinomial(drawn, np.full(drawn, 1 / drawn), size=resamples)[:, number].astype(np.float64)
        return cls(counts, rng.poisson(1.0, (resamples, 2)).astype(np.float64), number)

    @property
    def independent(self) -> int:
        """How many groups of queries there are."""
        return int(self.group.max(initial=-1)) + 1

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean of each resample in float64; `values` (m,) or (m, s). Always within the range of the values.

        In float32 the mean of shares that are all 1 came out as 1.0000006; in float64 the rounding error, some 1e-16,
        is clipped.
        """
        values = np.asarray(values, dtype=np.float64)
        totals = self.counts.sum(axis=1).reshape(-1, *[1] * (values.ndim - 1))
        return np.clip(self.counts @ values / totals, values.min(axis=0), values.max(axis=0))

    def mean_interval(self, values: np.ndarray) -> tuple[float, float] | None:
        """Percentile interval of the mean of `values` (m,); None with under five groups of several queries."""
        if self.independent < min(MIN_GROUPS, len(self.group)):
            return None
        return percentiles(self.means(values))

    def difference(self, values: np.ndarray, baseline: np.ndarray) -> tuple[float, float] | None:
        """Percentile interval of mean(values − baseline), paired by query; None if fewer than five groups differ.

        Each resample includes, once on average, an extra query that gains and one that loses as much as the largest
        observed change. If few queries change, large changes are rarer than the sample can show, and the plain
        bootstrap covers 59 to 92 % instead of 95. With fewer than five no interval works: see `changed_bound`.
        """
        gaps = np.asarray(values, np.float64) - baseline
        if self.changed(gaps) < MIN_CHANGED:
            return None
        return percentiles((self.counts @ gaps + self.of_unseen(gaps)) / self.total())

    def changed(self, gaps: np.ndarray) -> int:
        """How many groups of queries a change (m,) touches."""
        return len(np.unique(self.group[gaps != 0]))

    def ratio(self, values: np.ndarray, baseline: np.ndarray) -> tuple[float, float] | None:
        """Percentile interval of mean(values) / mean(baseline), paired, with the same two queries added.

        None if fewer than five groups differ or the baseline is zero.
        """
        gaps = np.asarray(values, np.float64) - baseline
        if self.changed(gaps) < MIN_CHANGED or not np.any(baseline):
            return None
        # the two queries are of average difficulty, so that they leave the baseline's mean unchanged
        below = self.means(baseline)
        ok = below > 0
        differences = (self.counts @ gaps + self.of_unseen(gaps)) / self.total()
        return percentiles(1 + differences[ok] / below[ok])

    def of_unseen(self, gaps: np.ndarray) -> np.ndarray:
        """(resamples,) what the two extra queries add to the sum of `gaps` (m,)."""
        return np.abs(gaps).max() * (self.unseen[:, 0] - self.unseen[:, 1])

    def total(self) -> np.ndarray:
        """(resamples,) how many queries were drawn, including those two."""
        return self.counts.sum(axis=1) + self.unseen.sum(axis=1)


def changed_bound(changed: int, queries: int) -> float:
    """Upper 95 % bound on the share of queries that change when `changed` of `queries` did (Clopper & Pearson 1934).

    Without any it is about 3 / queries, the rule of three.

    >>> round(changed_bound(0, 300), 4)
    0.0099
    """
    from scipy.special import betaincinv

    return 1.0 if changed >= queries else float(betaincinv(changed + 1, queries - changed, LEVEL))


def percentiles(samples: np.ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval of `samples`."""
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
