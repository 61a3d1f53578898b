"""The capacities of 45 language models, from their dimension and overlap."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from embgeo.limits.capacity import NEAR_ORTHOGONAL, representational_capacity
from embgeo.reproductions.registry import at_least, at_most, near, reproduction
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
    with (data / TABLE).open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    computed = [representational_capacity(int(row["d_model"]), float(row["epsilon"])) for row in rows]
    published = [math.nan if row["capacity"] == "indeterminate" else float(row["capacity"]) for row in rows]
    pairs = list(zip(computed, published, strict=True))
    errors = [abs(ours / theirs - 1) for ours, theirs in pairs if math.isfinite(theirs)]
    yield near("models", len(rows), sum(math.isnan(ours) == math.isnan(theirs) for ours, theirs in pairs), within=0)
    yield near("finite rows", len(errors), sum(map(math.isfinite, computed)), within=0)
    yield at_most("largest relative error", 0.005, max(errors))
    unclear = [float(row["epsilon"]) for row, theirs in zip(rows, published, strict=True) if math.isnan(theirs)]
    yield at_least(f"smallest ε of the {len(unclear)} indeterminate rows", NEAR_ORTHOGONAL, min(unclear))
