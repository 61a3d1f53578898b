"""Which queries will fail, told by the scores of their results alone, before anybody judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.results.limits import Confidence, Predictor, Uncertain
from embgeo.retrieval.significance import QueryBootstrap, percentiles

DEPTH = 10  # results whose scores the predictors see
FLAGGED = 0.2  # share of the queries that count as uncertain
FOLDS = 5
RESAMPLES = 1000
LISTED = 20
SPREAD = "standard deviation of the top 5"


@dataclass(frozen=True)
class JudgedQueries:
    """The nDCG@10 of the judged queries.

    Attributes
    ----------
    quality : (j,) float64.
    rows : (j,) int, the rows of these queries among all.
    groups : (j,) int; queries with the same number share relevant documents.
    """

    quality: np.ndarray
    rows: np.ndarray
    groups: np.ndarray


def top_spread(scores: np.ndarray) -> np.ndarray:
    """(m,) standard deviation of the five best scores of each query; `scores` (m, ≥ 1) in descending order.

    Stores use this predictor: of those that need nothing but a list of results it is the best, or within .03 of it, on
    SciFact and pydocs with MiniLM, and a forest of 27 predictors is no better.
    """
    spread: np.ndarray = np.std(_held(scores[:, :5]), axis=1)
    return spread


def top_gap(scores: np.ndarray) -> np.ndarray:
    """(m,) the best score minus the tenth."""
    held = _held(scores[:, :DEPTH])
    gap: np.ndarray = held[:, 0] - held[:, -1]
    return gap


def comparable(scores: np.ndarray, Q: np.ndarray, similarity: str) -> np.ndarray:
    """`scores` (m, c) of the queries Q (m, d) as predictors need them: of inner products, by a query's length, which
    changes no ranking."""
    if similarity != "dot":
        return scores
    lengths = np.linalg.norm(Q.astype(np.float64), axis=1, keepdims=True)
    return np.divide(scores, lengths, out=np.zeros(scores.shape), where=lengths > 0)


PREDICTORS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {SPREAD: top_spread, "gap from 1 to 10": top_gap}


def uncertain_queries(
    scores: np.ndarray, query_ids: Sequence[str], judged: JudgedQueries | None = None, seed: int = 0
) -> Confidence | None:
    """How well scores predict the quality of queries, the value below which one is uncertain, and the least certain.

    A query fails if no relevant document is in its top 10 (nDCG@10 is 0). The least certain fifth is flagged. Precision
    (the share of flagged queries that fail) and recall (the share of failing queries that are flagged) come from five
    folds of query groups: the queries of a fold are flagged by the threshold of the others.

    Parameters
    ----------
    scores : (m, ≥ 5) of the results of every query, `comparable`, best first, −inf where empty; for fewer results or
        less than ten queries None is returned.
    judged : None without judgements; then only the threshold and the least certain queries are known.
    """
    if len(scores) < 2 * FOLDS or scores.shape[1] < 5:
        return None
    values = {name: predictor(scores) for name, predictor in PREDICTORS.items()}
    main, known = values[SPREAD], dict[int, float]()
    threshold = float(np.quantile(main, FLAGGED))
    if judged is not None:
        known = dict(zip(judged.rows.tolist(), judged.quality.tolist(), strict=True))
    told = {} if judged is None or judged.groups.max(initial=0) + 1 < FOLDS else _told(values, judged, seed)
    return Confidence(
        queries=len(scores),
        predictor=SPREAD,
        threshold=threshold,
        flagged=float((main < threshold).mean()),
        least=[
            Uncertain(id=query_ids[row], value=float(main[row]), ndcg=known.get(row))
            for row in np.argsort(main, kind="stable")[:LISTED].tolist()
        ],
        **told,
    )


def _told(values: Mapping[str, np.ndarray], judged: JudgedQueries, seed: int) -> dict[str, Any]:
    """What judgements say of the predictors and of the threshold."""
    quality, groups = judged.quality, judged.groups
    fails, flagged = quality == 0, _flagged(values[SPREAD][judged.rows], groups, seed)
    both = int((fails & flagged).sum())
    return {
        "judged": len(quality),
        "predictors": _predictors({name: each[judged.rows] for name, each in values.items()}, quality, groups, seed),
        "failing": float(fails.mean()),
        "precision": both / int(flagged.sum()) if flagged.any() else None,
        "recall": both / int(fails.sum()) if fails.any() else None,
        "ndcg_flagged": float(quality[flagged].mean()) if flagged.any() else None,
        "ndcg_rest": float(quality[~flagged].mean()) if not flagged.all() else None,
    }


def _flagged(values: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """(j,) bool: whether a query is below the threshold of the other folds; a group is in one fold."""
    fold = (np.random.default_rng([seed, 0xF1A6]).permutation(int(groups.max()) + 1) % FOLDS)[groups]
    flagged = np.zeros(len(values), bool)
    for number in range(FOLDS):
        mine = fold == number
        if mine.any() and not mine.all():
            flagged[mine] = values[mine] < np.quantile(values[~mine], FLAGGED)
    return flagged


def _predictors(
    values: Mapping[str, np.ndarray], quality: np.ndarray, groups: np.ndarray, seed: int
) -> list[Predictor]:
    """The rank correlation of each predictor with nDCG@10, with its interval over resampled groups of queries."""
    drawn = QueryBootstrap.draw(len(quality), seed, RESAMPLES, groups).counts.astype(np.int64)
    found = []
    for name, value in values.items():
        again = [rank_correlation(np.repeat(value, times), np.repeat(quality, times)) for times in drawn]
        found.append(Predictor(name=name, value=rank_correlation(value, quality), ci=percentiles(np.array(again))))
    return found


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's ρ of two arrays (n,), ties sharing their mean rank; 0 if one is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    from scipy.stats import rankdata

    x, y = (ranks - ranks.mean() for ranks in (rankdata(a), rankdata(b)))
    lengths = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y / lengths) if lengths else 0.0


def _held(scores: np.ndarray) -> np.ndarray:
    """The scores in float64, where a query found fewer documents its last one repeated."""
    wide = scores.astype(np.float64)
    last = np.maximum(np.isfinite(wide).sum(axis=1, keepdims=True) - 1, 0)
    return np.where(np.isfinite(wide), wide, np.nan_to_num(np.take_along_axis(wide, last, 1), neginf=0.0))
