"""Signatures side by side: values with intervals, normalised across the runs and ordered by likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from embgeo.comparison.runs import ComparedRun, entry
from embgeo.metrics.registry import measures

Z_SCORE = (
    "z-score across the runs given: (value − mean of the runs) / their standard deviation. It says which run is high "
    "or low among these runs, not how much that matters; 0 where all are equal"
)
TWO_RUNS = "none: with two runs a z-score is ±1 whatever the values; the difference and the intervals are given instead"
ORDER = "hierarchical clustering of the z-scores (Euclidean distance, average linkage, optimal leaf order; missing = 0)"


def compare_signatures(runs: Sequence[ComparedRun]) -> dict[str, Any] | None:
    """The JSON of the runs' signatures side by side; None where fewer than two runs have one.

    `measures` holds each measure that at least two runs have a value of: `values` and `z` stand in the order of `runs`.
    `intervals_overlap` is False where at least two runs' 95 % intervals lie apart (which is stricter than a test: lying
    apart shows a difference, overlapping does not refute one), None where fewer than two intervals exist.
    """
    stored = [(item, entry(item.result.get("signature"))) for item in runs if item.run.command == "analyze"]
    stored = [(item, signature) for item, signature in stored if signature]
    if len(stored) < 2:
        return None
    names = list(dict.fromkeys(str(name) for _, signature in stored for name in signature))
    rows = [row for name in names if (row := _measure(name, [entry(s.get(name)) for _, s in stored])) is not None]
    if not rows:
        return None
    labels = [item.label for item, _ in stored]
    z = np.array([row["z"] for row in rows], np.float64)
    many = len(stored) > 2
    return {
        "runs": labels,
        "normalisation": Z_SCORE if many else TWO_RUNS,
        "order": ORDER if many else "as computed",
        "measure_order": [rows[at]["name"] for at in (_leaves(z) if many else range(len(rows)))],
        "run_order": [labels[at] for at in (_leaves(z.T) if many else range(len(labels)))],
        "measures": [{**row, "z": row["z"] if many else None} for row in rows],
    }


def _measure(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    values = np.array([_number(e.get("value")) for e in entries])
    known = np.isfinite(values)
    if known.sum() < 2:
        return None
    fact = measures().get(name)
    counted = {e.get("n") for e, ok in zip(entries, known, strict=True) if ok}
    mean, spread = values[known].mean(), values[known].std()
    # runs of equal values differ by rounding alone
    flat = spread <= 1e-9 * max(1e-30, float(np.abs(values[known]).max()))
    z = np.where(known, 0.0 if flat else (values - mean) / (spread or 1.0), np.nan)
    two = len(entries) == 2
    return {
        "name": name,
        "family": fact.family if fact else "other",
        "values": [{key: e.get(key) for key in ("value", "ci", "n", "status", "reason")} for e in entries],
        "z": z.tolist(),
        "intervals_overlap": _overlap(entries),
        "same_n": len(counted) == 1,
        "difference": float(values[0] - values[1]) if two else None,
        "relative_difference": float(values[0] / values[1] - 1) if two and values[1] != 0 else None,
    }


def _overlap(entries: Sequence[Mapping[str, Any]]) -> bool | None:
    found = [(_number(e["ci"][0]), _number(e["ci"][1])) for e in entries if isinstance(e.get("ci"), list | tuple)]
    if len(found) < 2:
        return None
    return all(max(a[0], b[0]) <= min(a[1], b[1]) for a, b in combinations(found, 2))


def _leaves(rows: np.ndarray) -> list[int]:
    """Order of the rows in which like ones are neighbours."""
    if len(rows) < 3:
        return list(range(len(rows)))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return [int(at) for at in leaves_list(linkage(np.nan_to_num(rows), "average", optimal_ordering=True))]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
