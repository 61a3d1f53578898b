"""Representational capacity: how many nearly orthogonal directions a dimension can hold at a given overlap.

The overlap of a set of vectors is ε = μ + 2σ of its pairwise cosine similarities. A packing of k unit vectors in d
dimensions cannot keep every overlap below some ε*; inverting measured ε*(k, d) gives the k that a space with overlap
ε has room for. The published study measures the *token* embeddings of language models. For the document vectors of a
corpus ε is another quantity, because their mean is far from zero: never compare the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from embgeo.errors import InputError

NEAR_ORTHOGONAL = 0.1  # the formulas were fitted to overlaps below this; above it the capacity is indeterminate

# ε*² dᶜ / C = ln(kᵃ / d)ᵇ, fitted to optimised packings (Guha 2026); recorded as data/packing of the study
FULL_C, FULL_A, FULL_B, FULL_D = 0.45809143, 1.0668005, 1.44738666, 0.97197234
ONE_PARAMETER_C = 1.293  # ε* = √(C ln(k/d) / d) on optimised packings
RANDOM_C = 3.029  # ε* = √(C ln(k) / d) on random packings, the form of Johnson and Lindenstrauss


@dataclass(frozen=True)
class PairSimilarity:
    """Cosine similarity over all pairs of different rows: `mean`, standard deviation `std`, number of `pairs`."""

    mean: float
    std: float
    pairs: int

    @property
    def epsilon(self) -> float:
        """The overlap μ + 2σ."""
        return self.mean + 2 * self.std

    @property
    def near_orthogonal(self) -> bool:
        """Whether ε is below 0.1, where the capacity formulas hold."""
        return self.epsilon < NEAR_ORTHOGONAL


def pair_similarity(U: np.ndarray, gram: np.ndarray | None = None) -> PairSimilarity:
    """Exact moments of the n (n − 1) / 2 pairwise cosines of (n, d) unit rows in O(n d²), without the n² cosines.

    Σ cos over ordered pairs is ‖Σ u‖² and Σ cos² is ‖UᵀU‖²; the n self pairs are subtracted. `gram` is UᵀU in float64
    if it is known.

    >>> pair_similarity(np.array([[1, 0], [0, 1], [0, -1]], np.float32)).mean  # (0 + 0 − 1) / 3
    -0.3333333333333333
    """
    n = len(U)
    if n < 2:
        raise InputError(f"pairs need at least 2 vectors; got {n}")
    if gram is None:
        wide = np.asarray(U, dtype=np.float64)
        gram = wide.T @ wide
    total = U.sum(axis=0, dtype=np.float64)
    diagonal = np.einsum("ij,ij->i", U, U, dtype=np.float64)  # 1 but for float32 rounding
    ordered = n * (n - 1)
    mean = float(total @ total - diagonal.sum()) / ordered
    square = float((gram * gram).sum() - (diagonal**2).sum()) / ordered
    return PairSimilarity(min(max(mean, -1.0), 1.0), math.sqrt(max(square - mean**2, 0.0)), ordered // 2)


def representational_capacity(dimension: int, epsilon: float) -> float:
    """Number of directions that `dimension` dimensions hold at overlap `epsilon`: (d · exp((ε² dᶜ / C)^(1/b)))^(1/a).

    NaN, the published table's "indeterminate", for ε ≥ 0.1, beyond the range of the fit; at ε ≤ 0 it is d^(1/a).
    Reproduces every finite row of that table within 0.5 %. An empirical fit, not a bound.

    >>> round(representational_capacity(4096, 0.0645) / 1e6)  # Llama 2 7B: 3.99e7
    40
    """
    room = (_square(dimension, epsilon) * dimension**FULL_D / FULL_C) ** (1 / FULL_B)
    return _exp((math.log(dimension) + room) / FULL_A)


def one_parameter_capacity(dimension: int, epsilon: float) -> float:
    """d · exp(ε² d / 1.293), the one-parameter form; NaN for ε ≥ 0.1.

    >>> round(one_parameter_capacity(100, 0.0))  # no overlap allowed: an orthogonal basis
    100
    """
    return dimension * _exp(_square(dimension, epsilon) * dimension / ONE_PARAMETER_C)


def random_capacity(dimension: int, epsilon: float) -> float:
    """exp(ε² d / 3.029): how many *random* directions stay within overlap ε (Johnson–Lindenstrauss); NaN for ε ≥ 0.1.

    >>> random_capacity(100, 0.0)
    1.0
    """
    return _exp(_square(dimension, epsilon) * dimension / RANDOM_C)


def _square(dimension: int, epsilon: float) -> float:
    """ε², 0 below 0 and NaN from 0.1 on, where no formula was fitted; raises `InputError` for invalid arguments."""
    if dimension < 1:
        raise InputError(f"the dimension must be at least 1; got {dimension}")
    if not math.isfinite(epsilon):
        raise InputError(f"epsilon must be finite; got {epsilon}")
    return max(epsilon, 0.0) ** 2 if epsilon < NEAR_ORTHOGONAL else math.nan


def _exp(x: float) -> float:
    return math.inf if x >= 709 else math.exp(x)
