"""Intervals over queries: paired bootstrap of means, differences and ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class QueryBootstrap:
    """One set of resamples of the queries, shared by every statistic of a run so that comparisons are paired.

    Attributes
    ----------
    weights : (resamples, m) float64; how often each query was drawn, divided by m.
    """

    weights: np.ndarray

    @classmethod
    def draw(cls, queries: int, seed: int = 0, resamples: int = RESAMPLES) -> QueryBootstrap:
        rng = np.random.default_rng([seed, 0x0B007])
        counts = rng.multinomial(queries, np.full(queries, 1 / queries), size=resamples)
        return cls(counts / queries)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean of each resample in float64; `values` (m,) or (m, s). Never beyond the least and greatest value.

        In float32 the mean of shares that are all 1 came out as 1.0000006; in float64 what rounding leaves, some
        1e-16, is cut off.
        """
        values = np.asarray(values, dtype=np.float64)
        return np.clip(self.weights @ values, values.min(axis=0), values.max(axis=0))

    def mean_interval(self, values: np.ndarray) -> tuple[float, float]:
        """Percentile interval of the mean of `values` (m,)."""
        return _percentiles(self.means(values))

    def difference(self, values: np.ndarray, baseline: np.ndarray) -> tuple[float, float] | None:
        """Percentile interval of mean(values − baseline), paired by query; None where no query differs.

        With no difference seen in m queries, the share of queries that would change is below 3/m with 95 % confidence
        (`rule_of_three`): an interval of [0, 0] would claim certainty.
        """
        gaps = values - baseline
        return _percentiles(self.means(gaps)) if np.any(gaps != 0) else None

    def ratio(self, values: np.ndarray, baseline: np.ndarray) -> tuple[float, float] | None:
        """Percentile interval of mean(values) / mean(baseline), paired; None without change or with a zero baseline."""
        if not np.any(values != baseline) or not np.any(baseline):
            return None
        below = self.means(baseline)
        ok = below > 0
        return _percentiles(self.means(values)[ok] / below[ok])


def rule_of_three(queries: int) -> float:
    """Upper 95 % bound on the share of queries that change when none of m did: 3/m (Hanley & Lippman-Hand 1983).

    At most 1: three queries or fewer bound nothing.
    """
    return min(1.0, 3.0 / queries)


def _percentiles(samples: np.ndarray) -> tuple[float, float]:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
