"""Choosing one row among many, corrected for the selection.

The rule is a function of per-query quality, per-query recall and weights of the queries, so that cross-fitting and the
bootstrap can repeat it. In one sentence: of the allowed rows whose quality, capped at float32's, is within half a
standard error of the highest (paired by query), the one with the highest recall of exact neighbours is the best; within
a budget it is chosen, without a budget the smallest row tied with it is chosen.

Quality above float32's counts as float32's: a store only approximates float32, so exceeding it is chance. Tied means:
the 95 % interval of the paired difference contains zero, and the estimated loss is under 1 % (without that second
condition, few queries would make everything a tie). `benchmarks/decisions.py` compares the rule with others on new
queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embgeo.results.compress import CrossFitted, MetricChange
from embgeo.retrieval.paired_test import holm
from embgeo.retrieval.significance import MIN_CHANGED, MIN_GROUPS, QueryBootstrap, percentiles

Z95 = 1.959963984540054
RIVAL_ERRORS = 0.5  # from .25 to 1 recall rises, and nDCG on new queries falls where codecs change the metric
TIE_MARGIN = 0.01
KEEP_ALPHA = 0.05
QUERY_FOLDS = 5
SELECTION_RESAMPLES = 400
HALVINGS = 20


@dataclass(frozen=True)
class Competition:
    """The rows that compete.

    Attributes
    ----------
    quality : (rows, queries) float64 per-query quality, out of sample over documents.
    recall : (rows, queries) float64 share of the exact ten neighbours found, out of sample.
    sizes : (rows,) bytes to be minimised.
    allowed : (rows,) bool, within the budget.
    baseline : (queries,) quality of float32.
    groups : (queries,) int; queries of one group share relevant documents and are not independent evidence.
    keep : share of the baseline's quality that must be kept, or None.
    minimise : prefer bytes to quality among the rows that keep enough (`--keep` without a budget).
    limited : there is a budget, and the best within it is chosen; without one, ties go to the smallest.
    reference : the row that is float32 itself and so keeps everything by definition, or None.
    earlier : rows that were dropped before, with the same queries: they count in the correction for several tests.
    """

    quality: np.ndarray
    recall: np.ndarray
    sizes: np.ndarray
    allowed: np.ndarray
    baseline: np.ndarray
    groups: np.ndarray
    keep: float | None = None
    minimise: bool = False
    limited: bool = False
    reference: int | None = None
    earlier: int = 0


@dataclass(frozen=True)
class Choice:
    """The row chosen (−1 where nothing is allowed), the rows tied with it, and those confirmed to keep enough."""

    row: int
    tied: np.ndarray
    kept: np.ndarray


def kept(field: Competition, weights: np.ndarray) -> np.ndarray:
    """(rows,) bool: quality confirmed to be at least `keep` of float32's, family-wise error 5 % over all rows.

    Holm's step-down test: it needs no prior order of the rows, so that no row can block a smaller one.
    float32 keeps everything by definition and is not tested. Source: Holm 1979.
    """
    if field.keep is None:
        return np.ones(len(field.sizes), bool)
    p = keep_p_values(field, weights)
    tested = np.flatnonzero(np.arange(len(p)) != field.reference)
    passed = np.ones(len(p), bool)
    # a dropped row is a test that is not passed: a p of 1 can only make the correction of the others stricter
    corrected = holm([*p[tested].tolist(), *[1.0] * field.earlier])
    passed[tested] = np.array(corrected)[: len(tested)] <= KEEP_ALPHA
    return passed


def keep_p_values(field: Competition, weights: np.ndarray, unseen: float = 1.0) -> np.ndarray:
    """(rows,) one-sided p of the hypothesis that a row keeps less than `keep` of float32's mean quality.

    `unseen` extra queries of average difficulty are counted, on which the row finds nothing. Losses of a good codec
    fall on few queries; if none or one of them is in the sample, the standard error is near zero, and without the
    extra query a row that keeps too little would be confirmed in 10 to 15 % of runs, not 5 % (300 queries, one row).
    """
    from scipy.special import ndtr

    assert field.keep is not None
    lost = field.keep * (field.baseline @ weights) / weights.sum()
    gaps = np.pad(field.quality - field.keep * field.baseline, ((0, 0), (0, 1)), constant_values=-lost)
    groups = np.append(field.groups, field.groups.max(initial=-1) + 1)
    mean, error = moments(gaps, np.append(weights, unseen), groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = ndtr(-np.where(error > 0, mean / error, 0.0))
    if field.reference is not None:
        p[field.reference] = 0.0
    return np.asarray(p)


def queries_needed(field: Competition, passed: np.ndarray) -> np.ndarray:
    """(rows,) queries for 80 % power to confirm `keep`, if the measured quality holds (capped at float32's).

    `passed` (rows,) are already confirmed: Holm tests the next one at 5 % over the number left. The larger root n of
    (δ·n − c)² = z²·(s²·n + c²), with δ = mean(min(q_row, q_f32)) − keep · mean(q_f32) the margin, c = keep · mean q_f32
    the query that is counted as lost, s² the variance of a query of q_row − keep·q_f32 (queries that share documents
    together) and z = z₁₋ₐ + z₀.₈. Infinite if the share kept is not above `keep`: no number of queries would suffice.
    """
    from scipy.special import ndtri

    assert field.keep is not None
    z = ndtri(1 - KEEP_ALPHA / max(1, int((~passed).sum()) + field.earlier)) + ndtri(0.8)
    m = field.quality.shape[1]
    base = field.baseline.mean()
    lost = field.keep * base
    margin = np.minimum(field.quality.mean(axis=1), base) - lost
    error = moments(field.quality - field.keep * field.baseline, np.ones(m), field.groups)[1]
    spread = error**2 * max(m - 1, 1)
    half = margin * lost + z**2 * spread / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = (half + np.sqrt(np.maximum(half**2 + margin**2 * lost**2 * (z**2 - 1), 0))) / margin**2
    needed = np.where(margin > 1e-12, needed, np.inf)
    if field.reference is not None:
        needed[field.reference] = 0.0
    return np.asarray(needed)


def choose(field: Competition, weights: np.ndarray) -> Choice:
    """The choice under `weights` (queries,)."""
    passed = kept(field, weights)
    enough = field.allowed & passed
    # if nothing is confirmed to keep enough, fall back to the best within the budget
    candidates = enough if enough.any() else field.allowed
    if not candidates.any():
        return Choice(-1, np.zeros(len(field.sizes), bool), passed)
    means, recall = (values @ weights / weights.sum() for values in (field.quality, field.recall))
    capped = np.minimum(means, field.baseline @ weights / weights.sum()).round(12)
    best = _best(field, weights, capped, recall, candidates)
    if field.limited:
        row = best
    else:
        pool = enough if field.minimise and enough.any() else candidates & _tied(field, weights, capped, best)
        row = int(next(row for row in np.lexsort((-recall, -capped, field.sizes)) if pool[row]))
    return Choice(row, candidates & _tied(field, weights, capped, row), passed)


def _best(
    field: Competition, weights: np.ndarray, capped: np.ndarray, recall: np.ndarray, candidates: np.ndarray
) -> int:
    """Of the rows whose capped quality is within RIVAL_ERRORS standard errors of the top, the one of highest recall.

    After the one-standard-error rule of Breiman et al. 1984, with recall in place of simplicity.
    """
    order = np.lexsort((field.sizes, -recall.round(12), -capped))
    top = int(next(row for row in order if candidates[row]))
    _, error = moments(field.quality[top] - field.quality, weights, field.groups)
    rivals = candidates & (capped[top] - capped <= RIVAL_ERRORS * error)
    rivals[top] = True
    order = np.lexsort((field.sizes, -capped, -recall.round(12)))
    return int(next(row for row in order if rivals[row]))


def _tied(field: Competition, weights: np.ndarray, capped: np.ndarray, row: int) -> np.ndarray:
    """(rows,) bool: the difference to `row` is not significant, and the estimated loss against it is under 1 %."""
    gap, error = moments(field.quality[row] - field.quality, weights, field.groups)
    tied = (np.abs(gap) <= Z95 * error) & (capped[row] - capped <= TIE_MARGIN * capped[row])
    tied[row] = True
    return np.asarray(tied)


def moments(values: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of each row of `values` (rows, queries), and its standard error over groups of queries.

    `weights` count how often a group was drawn and are equal within a group. With under MIN_GROUPS groups the error is
    infinite, so that no difference is significant.
    """
    count = weights.sum()
    mean = values @ weights / count
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][0] - 1)) if len(order) else order
    sums = np.add.reduceat((values - mean[:, None])[:, order], starts, axis=1)
    times = weights[order][starts]
    drawn = times.sum()
    if drawn < MIN_GROUPS:
        return mean, np.full(len(values), np.inf)
    return mean, np.sqrt((sums**2 @ times) * drawn / (drawn - 1)) / count


def cross_fit(
    field: Competition, names: Sequence[str], seed: int, resamples: int = SELECTION_RESAMPLES
) -> CrossFitted | None:
    """Choose on four fifths of the queries, evaluate on the rest, in turn; None with under ten groups or no row.

    The 95 % intervals repeat the choice in every resample. The interval of the difference to float32 on the same
    queries adds two queries, as `QueryBootstrap.difference` does, and is None where that is. `names` are of rows.
    """
    m = field.quality.shape[1]
    bootstrap = QueryBootstrap.draw(m, seed, resamples, field.groups)
    if bootstrap.independent < 2 * QUERY_FOLDS or not field.allowed.any():
        return None
    # queries that share documents stay in one fold: no choice made on one may be evaluated on another
    drawn = np.random.default_rng([seed, 0xC0F0]).permutation(bootstrap.independent) % QUERY_FOLDS
    fold, queries = drawn[bootstrap.group], np.arange(m)
    rows = _chosen_without(field, np.ones(m), fold)[fold]
    quality = field.quality[rows, queries]
    gaps = quality - field.baseline
    means, changes = np.empty((2, resamples))
    for number, weights in enumerate(bootstrap.counts):
        again = field.quality[_chosen_without(field, weights, fold)[fold], queries]
        means[number] = again @ weights / weights.sum()
        changes[number] = (again - field.baseline) @ weights
    changes = (changes + bootstrap.of_unseen(gaps)) / bootstrap.total()
    return CrossFitted(
        value=float(quality.mean()),
        ci=percentiles(means),
        difference=float(gaps.mean()),
        difference_ci=percentiles(changes) if bootstrap.changed(gaps) >= MIN_CHANGED else None,
        chosen={names[row]: float(np.mean(rows == row)) for row in np.unique(rows)},
        meaning="expected of a choice by this rule, on queries that had no part in the choice",
    )


def _chosen_without(field: Competition, weights: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(QUERY_FOLDS,) the row chosen without each fold of the queries."""
    rows = np.empty(QUERY_FOLDS, np.int64)
    for number in range(QUERY_FOLDS):
        rest = np.where(fold == number, 0.0, weights)
        rows[number] = choose(field, rest if rest.any() else weights).row
    return rows


@dataclass(frozen=True)
class Challengers:
    """Rows that compare by another metric, and so may exceed float32 by more than chance.

    Attributes
    ----------
    quality, reference : (rows, queries) of each, and of the same codec without the change of metric, judged alike.
    instead, baseline : (queries,) quality of the row that is chosen otherwise, and of float32.
    groups : (queries,) int, as in `Competition`.
    names : the specs of the rows, of their references, and the one that is chosen otherwise.
    """

    quality: np.ndarray
    reference: np.ndarray
    instead: np.ndarray
    baseline: np.ndarray
    groups: np.ndarray
    names: tuple[Sequence[str], Sequence[str], str]


def challenge(field: Challengers, seed: int, resamples: int = SELECTION_RESAMPLES) -> MetricChange | None:
    """Choose on half of the groups of queries the best row, if it gains there; evaluate on the other half; 20 halvings.

    Intervals repeat the choices in every resample, and add two queries as `QueryBootstrap.difference` does: None if too
    few queries change. No verdict with under ten groups. `benchmarks/whitening.py` has how often it takes what gains.
    """
    rows, m = field.quality.shape
    bootstrap = QueryBootstrap.draw(m, seed, resamples, field.groups)
    if bootstrap.independent < 2 * QUERY_FOLDS or not rows:
        return None
    rng = np.random.default_rng([seed, 0x4A1F])
    orders = np.array([rng.permutation(bootstrap.independent) for _ in range(HALVINGS)])
    first = (orders < bootstrap.independent // 2)[:, bootstrap.group]
    half = np.concatenate([first, ~first]).astype(np.float64)
    # a choice is one of the rows, or none: the last, which is what is chosen otherwise
    quality = np.vstack([field.quality, field.instead])
    gains = np.vstack([field.quality - field.reference, np.zeros(m)])
    measured = gains, quality - field.instead, quality - field.baseline, quality

    def elsewhere(weights: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The choice on each half, and each of `measured` on the other: (queries,), the mean of the halvings."""
        chosen = _best_gain(field, half * weights)
        return chosen, [(each[chosen] * (1 - half)).sum(axis=0) / HALVINGS for each in measured]

    chosen, values = elsewhere(np.ones(m))
    sums = np.array([[each @ weights for each in elsewhere(weights)[1]] for weights in bootstrap.counts]).T
    ends = [
        percentiles((total + bootstrap.of_unseen(each)) / bootstrap.total())
        if bootstrap.changed(each) >= MIN_CHANGED
        else None
        for each, total in zip(values[:3], sums, strict=False)
    ]
    gain, difference, change, level = (float(each.mean()) for each in values)
    best, shares = int(_best_gain(field, np.ones((1, m)))[0]), np.bincount(chosen, minlength=rows + 1) / len(chosen)
    shown = {name: float(share) for name, share in zip(field.names[0], shares, strict=False) if share}
    return MetricChange(
        accepted=best < rows and all(end is not None and end[0] > 0 for end in ends[:2]),
        spec=field.names[0][best] if best < rows else "",
        reference=field.names[1][best] if best < rows else "",
        instead=field.names[2],
        gain=gain,
        gain_ci=ends[0],
        difference=difference,
        difference_ci=ends[1],
        halvings=HALVINGS,
        expected=CrossFitted(
            value=level,
            ci=percentiles(sums[3] / bootstrap.counts.sum(axis=1)),
            difference=change,
            difference_ci=ends[2],
            chosen=shown,
            meaning="expected of a choice by half of the queries, on the other half",
        ),
    )


def _best_gain(field: Challengers, weights: np.ndarray) -> np.ndarray:
    """(choices,) the row of highest mean quality under each of `weights` (choices, queries), or the number of rows if
    it does not exceed its own reference there."""
    means, gains = field.quality @ weights.T, (field.quality - field.reference) @ weights.T
    best = means.argmax(axis=0)
    return np.asarray(np.where(gains[best, np.arange(len(best))] > 0, best, len(field.quality)))
