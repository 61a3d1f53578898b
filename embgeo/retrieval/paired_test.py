"""Whether two rankings differ on the same queries: a randomization test, and its correction for many pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embgeo.retrieval.significance import MIN_CHANGED, changed_bound

DRAWS = 10_000
BLOCK = 1_000


def sign_flip_p(gaps: np.ndarray, seed: int = 0, draws: int = DRAWS, groups: np.ndarray | None = None) -> float:
    """Two-sided p that the mean of per-query differences (m,) is 0, by flipping signs at random.

    (1 + flips at least as extreme) / (1 + draws), never below 1 / (draws + 1); 1 if no query differs. Under the
    null either system could have given either value of a query; queries of one group, `groups` (m,), flip together.
    Source: Smucker et al. 2007; Phipson & Smyth 2010.

    >>> sign_flip_p(np.zeros(50))
    1.0
    """
    gaps = np.asarray(gaps, np.float64)
    if groups is not None:
        gaps = np.bincount(np.unique(groups, return_inverse=True)[1].reshape(-1), weights=gaps)
    changed = gaps[gaps != 0]
    if not len(changed):
        return 1.0
    rng = np.random.default_rng([seed, 0xF11B])
    seen = abs(changed.sum())
    extreme = 0
    for start in range(0, draws, BLOCK):
        signs = rng.integers(0, 2, (min(BLOCK, draws - start), len(changed)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ changed) >= seen * (1 - 1e-12)).sum())
    return (1 + extreme) / (1 + draws)


def no_interval(changed: int, queries: int, groups: int) -> str:
    """Why a paired difference has no interval, when `changed` of `queries` changed, `groups` of them independently.

    >>> no_interval(3, 300, 3)
    'only 3 of 300 queries change, too few for an interval: at 95 % confidence, under 2.6 % of queries change'
    >>> no_interval(40, 300, 2)
    'the 40 queries that change share 2 relevant documents, too few for an interval'
    """
    if changed >= MIN_CHANGED:
        documents = f"{groups} relevant document{'' if groups == 1 else 's'}"
        return f"the {changed} queries that change share {documents}, too few for an interval"
    changes = f"{'query' if queries == 1 else 'queries'} change{'s' if changed == 1 else ''}"
    said = f"only {changed} of {queries} {changes}" if changed else "no query changes"
    bound = float(f"{100 * changed_bound(changed, queries):.2g}")
    rest = f": at 95 % confidence, under {bound:g} % of queries change" if changed < queries else ""
    return f"{said}, too few for an interval{rest}"


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given: rejecting those up to .05 has a family-wise error of 5 %.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(order))
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p[at]))
        adjusted[at] = highest
    return [float(value) for value in adjusted]
