"""Error bars for geometry: the delete-half jackknife."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MIN_REPLICATES = 5
CONFIDENCE = 0.95


def jackknife_interval(
    value: float, n: int, halves: Sequence[float], bounds: tuple[float, float]
) -> tuple[tuple[float, float] | None, str, float | None]:
    """A 95 % interval of `value` from the measure's values on random halves of the n rows, within `bounds`.

    The variance over subsamples of size h = ⌊n/2⌋, times h / (n − h), estimates the variance of the value (Shao & Wu
    1989); the interval is value ± t · its square root, t with one degree of freedom less than there are halves, clipped
    to the bounds. The bootstrap would draw rows twice, and duplicates distort every measure that looks at neighbours.

    Returns (interval or None, method or why there is none, mean of the halves − value or None). The last reveals a
    measure that depends on n: the interval does not cover that. If all halves give one value, as whole numbers may,
    there is no interval: one of zero width would claim certainty.
    """
    if len(halves) < MIN_REPLICATES:
        return None, f"none: defined on {len(halves)} half samples, {MIN_REPLICATES} needed", None
    from scipy.special import stdtrit

    draws = np.asarray(halves)
    h = n // 2
    error = float(draws.std(ddof=1) * np.sqrt(h / (n - h)))
    half_width = float(stdtrit(len(draws) - 1, 0.5 + CONFIDENCE / 2)) * error
    drift = float(draws.mean() - value)
    if np.ptp(draws) <= 1e-12 * abs(value):  # counts and dimensions: their spread is below a step, not zero
        return None, f"none: all {len(draws)} half samples give {draws[0]:.6g}", drift
    low, high = bounds
    ci = (max(value - half_width, min(low, value)), min(value + half_width, max(high, value)))
    method = f"delete-half jackknife, {len(draws)} subsamples without replacement"
    if abs(drift) > half_width:
        method += (
            f"; valid for this n only: on half of the rows the value is {drift:+.3g} off, more than the half-width"
        )
    return ci, method, drift
