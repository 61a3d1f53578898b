"""Capacity: the table of language models, and the packings that its formulas were fitted to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.limits.capacity import NEAR_ORTHOGONAL, ONE_PARAMETER_C, RANDOM_C, representational_capacity
from embgeo.reproductions.registry import at_least, at_most, near, reproduction
from embgeo.reproductions.uts_fingerprints import read_table
from embgeo.results.reproduce import Compared

TABLE = "reference/representational_capacity.csv"


@reproduction(
    "capacity-table",
    title="Capacity of 45 language models from dimension and overlap",
    source="Guha 2026, Representational Capacity, table of models",
    needs=(TABLE,),
)
def capacity_table(data: Path) -> Iterator[Compared]:
    """Every finite row follows from the printed ε (4 digits) to the 3 digits of the printed capacity."""
    rows = read_table(data / TABLE)
    computed = [representational_capacity(int(row["d_model"]), float(row["epsilon"])) for row in rows]
    published = [math.nan if row["capacity"] == "indeterminate" else float(row["capacity"]) for row in rows]
    pairs = list(zip(computed, published, strict=True))
    errors = [abs(ours / theirs - 1) for ours, theirs in pairs if math.isfinite(theirs)]
    yield near("models", len(rows), sum(math.isnan(ours) == math.isnan(theirs) for ours, theirs in pairs), within=0)
    yield near("finite rows", len(errors), sum(map(math.isfinite, computed)), within=0)
    yield at_most("largest relative error", 0.005, max(errors))
    unclear = [float(row["epsilon"]) for row, theirs in zip(rows, published, strict=True) if math.isnan(theirs)]
    yield at_least(f"smallest ε of the {len(unclear)} indeterminate rows", NEAR_ORTHOGONAL, min(unclear))


SOURCE = "Guha 2026, Representational Capacity, fits of packings"
OPTIMISED, RANDOM = "packing/optimized_packing.json", "packing/random_packing.json"


@reproduction(
    "packings-optimised",
    title="ε = √(C ln(k/d) / d) on optimised packings of k vectors in d dimensions",
    source=SOURCE,
    needs=(OPTIMISED,),
    verdict="The published error of 7.9 % is of all 166 rows: six of them have k ≤ d, where the form gives 0 and the "
    "error is 100 %. On the 160 rows that the form is for, it is 4.5 %.",
)
def packings_optimised(data: Path) -> Iterator[Compared]:
    k, d, overlap = _rows(data / OPTIMISED)
    basis = np.log(np.maximum(k / d, 1)) / d
    fitted, share, error = _fit(basis, overlap, ONE_PARAMETER_C)
    yield near("C, fitted", ONE_PARAMETER_C, fitted, within=0.001)
    yield near("R², all rows", 0.9984, share, within=0.0001)
    yield near("mean relative error, all rows", 0.079, error, within=0.001)
    packed = k > d
    yield near("rows with k ≤ d", 6, float((~packed).sum()), within=0)
    yield near("mean relative error, k > d", 0.045, _fit(basis[packed], overlap[packed], ONE_PARAMETER_C)[2], 0.001)


@reproduction(
    "packings-random",
    title="ε = √(C ln(k) / d) on random packings of k vectors in d dimensions",
    source=SOURCE,
    needs=(RANDOM,),
)
def packings_random(data: Path) -> Iterator[Compared]:
    k, d, overlap = _rows(data / RANDOM)
    basis = np.log(k) / d
    fitted, share, error = _fit(basis, overlap, RANDOM_C)
    yield near("C, fitted", RANDOM_C, fitted, within=0.001)
    yield near("R²", 0.9985, share, within=0.0001)
    yield near("mean relative error", 0.013, error, within=0.001)


def _rows(file: Path) -> np.ndarray:
    """(3, rows) float64: vectors, dimension, overlap."""
    return np.array(json.loads(file.read_text(encoding="utf-8")), np.float64).T


def _fit(basis: np.ndarray, overlap: np.ndarray, c: float) -> tuple[float, float, float]:
    """C of least squared error of ε = √(C · basis); R² and mean absolute relative error of √(c · basis)."""
    x = np.sqrt(basis)
    fitted = np.sqrt(c) * x
    share = 1 - np.square(overlap - fitted).sum() / np.square(overlap - overlap.mean()).sum()
    return float((x @ overlap / (x @ x)) ** 2), float(share), float(np.abs(fitted / overlap - 1).mean())
