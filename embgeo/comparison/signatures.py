"""Signatures side by side: values with intervals, normalised across the runs and ordered by similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from embgeo.comparison.runs import ComparedRun
from embgeo.metrics.registry import measures
from embgeo.results import AnalyzeResult, Interval, MeasuredValue
from embgeo.results.compare import ComparedMeasure, ComparedSignatures, ComparedValue

Z_SCORE = (
    "z-score across the runs given: (value − mean of the runs) / their standard deviation. It says which run is high "
    "or low among these runs, not how much that matters; 0 where all are equal"
)
TWO_RUNS = "none: with two runs a z-score is ±1 whatever the values; the difference and the intervals are given instead"
ORDER = "hierarchical clustering of the z-scores (Euclidean distance, average linkage, optimal leaf order; missing = 0)"


def compare_signatures(runs: Sequence[ComparedRun]) -> ComparedSignatures | None:
    """The runs' signatures side by side; None where fewer than two runs have one.

    `measures` holds each measure that at least two runs have a value of: `values` and `z` are in the order of `runs`.
    `intervals_overlap` is False if at least two runs' 95 % intervals are disjoint (which is stricter than a test:
    disjoint intervals show a difference, overlapping ones do not rule one out), None with fewer than two intervals.
    """
    signatures = {
        item.label: item.result.signature
        for item in runs
        if isinstance(item.result, AnalyzeResult) and item.result.signature
    }
    names = dict.fromkeys(name for signature in signatures.values() for name in signature)
    entries = {name: [held.get(name, MeasuredValue()) for held in signatures.values()] for name in names}
    rows = [row for name in names if (row := _measure(name, entries[name])) is not None]
    if len(signatures) < 2 or not rows:
        return None
    labels, many = list(signatures), len(signatures) > 2
    z = np.array([row.z for row in rows], np.float64)
    return ComparedSignatures(
        runs=labels,
        normalisation=Z_SCORE if many else TWO_RUNS,
        order=ORDER if many else "as computed",
        measure_order=[rows[at].name for at in (_leaves(z) if many else range(len(rows)))],
        run_order=[labels[at] for at in _leaves(z.T)],
        measures=rows if many else [replace(row, z=None) for row in rows],
    )


def _measure(name: str, entries: Sequence[MeasuredValue]) -> ComparedMeasure | None:
    values = np.array([np.nan if entry.value is None else entry.value for entry in entries], np.float64)
    known = np.isfinite(values)
    if known.sum() < 2:
        return None
    fact = measures().get(name)
    mean, spread = values[known].mean(), values[known].std()
    # equal values may differ by rounding
    flat = spread <= 1e-9 * max(1e-30, float(np.abs(values[known]).max()))
    z = np.where(known, 0.0 if flat else (values - mean) / (spread or 1.0), np.nan)
    two = len(entries) == 2
    return ComparedMeasure(
        name=name,
        family=fact.family if fact else "other",
        values=[
            ComparedValue(value=e.value, ci=e.ci, n=e.n, status=e.status or None, reason=e.reason) for e in entries
        ],
        z=z.tolist(),
        intervals_overlap=_overlap([entry.ci for entry in entries if entry.ci is not None]),
        same_n=len({entry.n for entry in entries if entry.value is not None}) == 1,
        difference=float(values[0] - values[1]) if two else None,
        relative_difference=float(values[0] / values[1] - 1) if two and values[1] != 0 else None,
    )


def _overlap(found: Sequence[Interval]) -> bool | None:
    if len(found) < 2:
        return None
    return all(max(a[0], b[0]) <= min(a[1], b[1]) for a, b in combinations(found, 2))


def _leaves(rows: np.ndarray) -> list[int]:
    """Order of the rows that places similar ones next to each other."""
    if len(rows) < 3:
        return list(range(len(rows)))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return [int(at) for at in leaves_list(linkage(np.nan_to_num(rows), "average", optimal_ordering=True))]
