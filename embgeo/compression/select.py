"""Choosing one row among many without flattering it.

The rule is a function of per-query quality and weights of the queries, so that cross-fitting and the bootstrap can
repeat it: among the rows allowed, the highest mean wins, and rows that are statistically tied with it go to the smaller
store. Tied means: the 95 % interval of the paired difference holds zero, and the estimated loss is under 1 % (without
that second condition, few queries would make everything a tie).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embgeo.retrieval.significance import LEVEL, QueryBootstrap

Z95 = 1.959963984540054
TIE_MARGIN = 0.01
KEEP_ALPHA = 0.05
QUERY_FOLDS = 5
SELECTION_RESAMPLES = 400


@dataclass(frozen=True)
class Field:
    """The rows that compete.

    Attributes
    ----------
    quality : (rows, queries) float64 per-query quality, out of sample over documents.
    sizes : (rows,) what is paid.
    allowed : (rows,) bool, within the budget.
    baseline : (queries,) quality of float32.
    families : (rows,) number of the family of codecs, for `keep`.
    keep : share of the baseline's quality that must be kept, or None.
    minimise : prefer bytes to quality among the rows that keep enough (`--keep` without a budget).
    limited : a budget says what may be paid, and the best within it is chosen; without one, ties go to the smaller.
    reference : the row that is float32 itself and so keeps everything by definition, or None.
    """

    quality: np.ndarray
    sizes: np.ndarray
    allowed: np.ndarray
    baseline: np.ndarray
    families: np.ndarray
    keep: float | None = None
    minimise: bool = False
    limited: bool = False
    reference: int | None = None


def kept(field: Field, weights: np.ndarray) -> np.ndarray:
    """(rows,) bool: quality shown to be at least `keep` of float32's, family-wise error 5 %.

    Fixed-sequence testing: within a family of codecs the largest store is tested first and the first failure ends the
    family; the 5 % are shared evenly by the families, so that one hopeless family cannot block the others. The order is
    that of sizes, known before any quality is. Source: Maurer, Hothorn & Lehmacher 1995.
    """
    if field.keep is None:
        return np.ones(len(field.sizes), bool)
    p = keep_p_values(field, weights)
    families = np.unique(field.families)
    passed = np.zeros(len(p), bool)
    for family in families:
        members = np.flatnonzero(field.families == family)
        for row in members[np.argsort(-field.sizes[members], kind="stable")]:
            if p[row] > KEEP_ALPHA / len(families):
                break
            passed[row] = True
    return passed


def keep_p_values(field: Field, weights: np.ndarray, unseen: float = 1.0) -> np.ndarray:
    """(rows,) one-sided p of the hypothesis that a row keeps less than `keep` of float32's mean quality.

    `unseen` queries more are counted, of average difficulty, on which the row finds nothing. Losses of a good codec
    fall on few queries; where none or one of them is in the sample its standard error is near zero, and without that
    query a row that keeps too little would be called proven in 10 to 15 % of runs, not 5 % (300 queries, one family).
    """
    from scipy.special import ndtr

    assert field.keep is not None
    lost = field.keep * (field.baseline @ weights) / weights.sum()
    gaps = np.pad(field.quality - field.keep * field.baseline, ((0, 0), (0, 1)), constant_values=-lost)
    mean, error = _moments(gaps, np.append(weights, unseen))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = ndtr(-np.where(error > 0, mean / error, 0.0))
    if field.reference is not None:
        p[field.reference] = 0.0
    return np.asarray(p)


def queries_needed(field: Field) -> np.ndarray:
    """(rows,) queries for 80 % power to show `keep`, if the row in truth lost nothing and queries vary as these do.

    The larger root n of (δ·n − c)² = z²·(s²·n + c²), with δ = (1 − keep) · mean q_f32 the margin, c = keep · mean q_f32
    the query that is counted as lost, s² the variance of q_row − keep·q_f32 and z = z₁₋ₐ + z₀.₈; infinite for δ = 0.
    """
    from scipy.special import ndtri

    assert field.keep is not None
    z = ndtri(1 - KEEP_ALPHA / len(np.unique(field.families))) + ndtri(0.8)
    lost = field.keep * field.baseline.mean()
    margin = np.float64((1 - field.keep) * field.baseline.mean())
    spread = (field.quality - field.keep * field.baseline).var(axis=1)
    half = margin * lost + z**2 * spread / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (half + np.sqrt(half**2 + margin**2 * lost**2 * (z**2 - 1))) / margin**2
    needed = np.where(margin > 0, needed, np.inf)
    if field.reference is not None:
        needed[field.reference] = 0.0
    return np.asarray(needed)


def choose(field: Field, weights: np.ndarray) -> tuple[int, np.ndarray]:
    """The row chosen under `weights` (queries,) and which rows are tied with the best; −1 where nothing is allowed."""
    enough = field.allowed & kept(field, weights)
    # where nothing provably keeps enough, the best within the budget is still the best answer there is
    candidates = enough if enough.any() else field.allowed
    if not candidates.any():
        return -1, np.zeros(len(field.sizes), bool)
    means = field.quality @ weights / weights.sum()
    best = int(np.where(candidates, means, -np.inf).argmax())
    loss, error = _moments(field.quality[best] - field.quality, weights)
    tied = candidates & (loss <= Z95 * error) & (loss <= TIE_MARGIN * means[best])
    tied[best] = True
    pool = enough if field.minimise and enough.any() else tied
    if field.limited:  # of equally good rows the smallest
        return int(next(row for row in np.lexsort((field.sizes, -means.round(12))) if candidates[row])), tied
    order = np.lexsort((-means, field.sizes))
    return int(next(row for row in order if pool[row])), tied


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of each row of `values` (rows, queries), and its standard error."""
    count = weights.sum()
    mean = values @ weights / count
    variance = np.maximum((values**2) @ weights / count - mean**2, 0)
    return mean, np.sqrt(variance / max(count - 1, 1))


@dataclass(frozen=True)
class CrossFitted:
    """What choosing by this rule delivers on queries that had no part in the choice.

    Attributes
    ----------
    value, interval : mean quality and its 95 % interval; the interval repeats the choice in every resample.
    difference, difference_interval : the same minus float32 on the same queries.
    chosen : {row: share of the queries judged by it}.
    """

    value: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    chosen: dict[int, float]


def cross_fit(field: Field, seed: int, resamples: int = SELECTION_RESAMPLES) -> CrossFitted | None:
    """Choose on four fifths of the queries, judge on the rest, in turn; None with under ten queries or no row."""
    m = field.quality.shape[1]
    if m < 2 * QUERY_FOLDS or not field.allowed.any():
        return None
    fold = np.random.default_rng([seed, 0xC0F0]).permutation(m) % QUERY_FOLDS
    value, difference, shares = _judge(field, np.ones(m), fold)
    samples = np.array(
        [_judge(field, weights, fold)[:2] for weights in QueryBootstrap.draw(m, seed, resamples).weights * m]
    )
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    return CrossFitted(
        value, (float(low[0]), float(high[0])), difference, (float(low[1]), float(high[1])), shares
    )  # fmt: skip


def _judge(field: Field, weights: np.ndarray, fold: np.ndarray) -> tuple[float, float, dict[int, float]]:
    total, base = 0.0, 0.0
    shares: dict[int, float] = {}
    for number in range(QUERY_FOLDS):
        held = np.where(fold == number, weights, 0.0)
        rest = weights - held
        if rest.sum() == 0:
            rest = weights
        row, _ = choose(field, rest)
        total += float(field.quality[row] @ held)
        base += float(field.baseline @ held)
        shares[row] = shares.get(row, 0.0) + float(held.sum() / weights.sum())
    count = float(weights.sum())
    return total / count, (total - base) / count, shares


def pareto_front(sizes: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """(rows,) bool: no other row is at most as large and better, or smaller and as good."""
    front = np.zeros(len(sizes), bool)
    best = -np.inf
    for row in np.lexsort((-quality, sizes)):
        if quality[row] > best:
            front[row], best = True, quality[row]
    return front
