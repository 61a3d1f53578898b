"""Overlap ε = μ + 2σ of pairwise cosines, and the capacity it leaves: of the corpus, and of the encoder's tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from embgeo.embeddings import normalise
from embgeo.errors import Undefined
from embgeo.limits.capacity import (
    PairSimilarity,
    one_parameter_capacity,
    pair_similarity,
    random_capacity,
    representational_capacity,
)
from embgeo.metrics.registry import CurveFacts, Reading, measure
from embgeo.space.space import Space


def _gram(space: Space, U: np.ndarray) -> np.ndarray:
    return space.kernels.scatter(U, np.zeros(U.shape[1]))


def _reading(pairs: PairSimilarity, dimension: int, **more: Any) -> Reading:
    details = {
        "class": "near-orthogonal" if pairs.near_orthogonal else "not near-orthogonal",
        "mean": pairs.mean,
        "std": pairs.std,
        "pairs": pairs.pairs,
        "capacity": representational_capacity(dimension, pairs.epsilon),
        "capacity_one_parameter": one_parameter_capacity(dimension, pairs.epsilon),
        "capacity_random_packing": random_capacity(dimension, pairs.epsilon),
        **more,
    }
    return Reading(pairs.epsilon, details=details)


_FACTS: dict[str, Any] = {
    "family": "capacity",
    "range": (-1.0, math.sqrt(5)),  # half of the cosines 1, some −1: μ + 2σ is largest at √5
    "better": "lower",
    "invariances": {"rotation", "scale", "row_order"},
    "cost": "n d²",
    "source": "Guha 2026 (Representational Capacity): ε = μ + 2σ, class, capacity",
}


@measure(
    "epsilon_corpus",
    summary="How much documents overlap: below 0.1 they are nearly orthogonal and there is room for more directions.",
    quick=True,
    curve=CurveFacts(
        "pair_histogram",
        title="Similarity of pairs of documents",
        note="Cosine similarity of two documents; ε, the mean plus two standard deviations, is the overlap that "
        "determines capacity.",
        marks=(("avg_pair_sim_cosine", "mean"), ("epsilon_corpus", "ε")),
        place=4,
    ),
    **_FACTS,
)
def epsilon_corpus(space: Space) -> Reading:
    """μ + 2σ of the cosine over all pairs of documents; `details` hold the class and three capacity formulas.

    Not what the published table lists (token embeddings, see `epsilon_tokens`): document vectors share a mean
    direction, so that ε is usually far above 0.1 and the capacities are null, "indeterminate".
    Raises `Undefined` for one row and for zero rows.

    >>> round(epsilon_corpus(Space(np.array([[1, 0], [0, 1], [0, -1]], np.float32))).value, 3)  # −1/3 + 2 √(2/9)
    0.609
    """
    if space.n < 2:
        raise Undefined("pairs need at least 2 documents; got 1")
    U = space.unit
    gram = space.gram if abs(space.norms - 1).max() < 1e-6 else _gram(space, U)
    return _reading(pair_similarity(U, gram), space.d)


@measure(
    "epsilon_tokens",
    summary="How much the encoder's token vectors overlap: below 0.1 the capacity in the details is meaningful.",
    needs={"tokens"},
    interval=False,
    **_FACTS,
)
def epsilon_tokens(space: Space) -> Reading:
    """μ + 2σ of the cosine over all pairs of rows of the token-embedding matrix, as the published table has it.

    Zero rows (padding, unused tokens) are left out and counted. Does not depend on the documents, so it has no
    interval. Raises `Undefined` without a token matrix or with fewer than two rows that are not zero.

    >>> tokens = np.array([[1, 0], [0, 1], [0, -1], [0, 0]], np.float32)
    >>> round(epsilon_tokens(Space(np.eye(2, dtype=np.float32), tokens=tokens)).value, 3)
    0.609
    """
    if space.tokens is None:
        raise Undefined("needs the encoder's token-embedding matrix; this source has none")
    tokens = np.asarray(space.tokens, dtype=np.float32)
    used = tokens.any(axis=1)
    if used.sum() < 2:
        raise Undefined(f"pairs need at least 2 tokens with a direction; got {int(used.sum())}")
    U = normalise(tokens[used])
    facts = {"tokens": int(used.sum()), "zero_rows": int((~used).sum())}
    return _reading(pair_similarity(U, _gram(space, U)), tokens.shape[1], **facts)
