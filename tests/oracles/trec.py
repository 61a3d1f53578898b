"""Retrieval measures written from their formulas, one query at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Descending score; equal scores by descending id, as trec_eval orders them."""
    return [doc for _, doc in sorted(((score, doc) for doc, score in scores.items()), reverse=True)]


def ndcg(ranking: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Σ grade / log2(place + 1) over the first k, divided by the best order's (Järvelin & Kekäläinen 2002, eq. 4)."""

    def gain(grades: Sequence[int]) -> float:
        return sum(max(grade, 0) / math.log2(place + 1) for place, grade in enumerate(grades[:k], start=1))

    ideal = gain(sorted(judged.values(), reverse=True))
    return gain([judged.get(doc, 0) for doc in ranking]) / ideal if ideal else 0.0


def recall(ranking: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    relevant = {doc for doc, grade in judged.items() if grade > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


def average_precision(ranking: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Mean over all relevant documents of the precision at their place, 0 for those below k."""
    relevant = {doc for doc, grade in judged.items() if grade > 0}
    hits, total = 0, 0.0
    for place, doc in enumerate(ranking[:k], start=1):
        if doc in relevant:
            hits += 1
            total += hits / place
    return total / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    for place, doc in enumerate(ranking[:k], start=1):
        if judged.get(doc, 0) > 0:
            return 1 / place
    return 0.0
