"""The distribution of the similarities of all pairs of documents: the curve for ε = μ + 2σ."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings, normalise
from embgeo.space.sampled_rows import sampled_rows

MAX_ROWS = 5_000
BINS = 200  # over [−1, 1]
BLOCK = 1024


def pair_histogram(
    embeddings: Embeddings, seed: int = 0, mean: float | None = None, epsilon: float | None = None
) -> dict[str, Any] | None:
    """The curve "share of pairs against cosine similarity", in steps of 0.01, with the mean and ε marked.

    All pairs of at most 5,000 documents, the first of the order that the signature samples from. `mean` and
    `epsilon` are those of `epsilon_corpus` if it was measured, otherwise those of these pairs. Zero rows have no
    direction and are left out; None with fewer than two others. Cost: n² d / 2 (0.25 s for 5,000 × 384).
    """
    n = len(embeddings)
    X = embeddings.matrix() if n <= MAX_ROWS else embeddings.rows(sampled_rows(n, MAX_ROWS, seed))
    X = np.asarray(X, np.float32)
    U = normalise(X[X.any(axis=1)])
    if len(U) < 2:
        return None
    counts, total, squares = np.zeros(BINS, np.int64), 0.0, 0.0
    for start in range(0, len(U), BLOCK):
        S = U[start : start + BLOCK] @ U[start:].T
        size = len(S)
        for pairs in (S[:, :size][np.triu(np.ones((size, size), bool), 1)], S[:, size:].ravel()):
            total += float(pairs.sum(dtype=np.float64))
            squares += float(np.dot(pairs, pairs))
            counts += np.bincount(np.clip(((pairs + 1) * (BINS / 2)).astype(np.int16), 0, BINS - 1), minlength=BINS)
    number = len(U) * (len(U) - 1) // 2
    if mean is None or epsilon is None:
        mean = total / number
        epsilon = mean + 2 * max(squares / number - mean**2, 0.0) ** 0.5
    used = np.flatnonzero(counts)
    shown = slice(max(0, int(used[0]) - 1), min(BINS, int(used[-1]) + 2))
    centres = (np.arange(BINS) + 0.5) * (2 / BINS) - 1
    return {
        "title": f"Similarity of pairs of documents ({number:,} pairs)",
        "kind": "bars",
        "x": centres[shown].round(6).tolist(),
        "y": (counts[shown] / number).tolist(),
        "x_label": "cosine similarity",
        "y_label": "share of pairs",
        "marks": [{"x": mean, "label": "mean μ"}, {"x": float(epsilon), "label": "ε = μ + 2σ"}],
    }
