"""How much larger a codec's errors are on documents that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NO_GROWTH = 1.01  # smaller ratios are noise
USUAL = 20.0  # mean deviations of neighbours' errors: beyond, a document is no neighbour but one that the codec clips
NO_ERROR = 1e-5  # of the spread of the exact scores: what is left is float32 rounding


@dataclass(frozen=True)
class ErrorGrowth:
    """The ratio of score errors on unseen documents to those on training documents.

    Attributes
    ----------
    ratio : of the two, at least 1; infinite if there is too little to compare.
    applied : the factor that errors are multiplied by; 1 leaves scores as they are.
    slope : of approximate on exact scores, in sample; shrinkage by the codec is not an error.
    shift, limit : the mean error of neighbours, and how far from it an error is still multiplied.
    """

    ratio: float
    applied: float = 1.0
    slope: float = 1.0
    shift: float = 0.0
    limit: float = np.inf

    @classmethod
    def between(cls, inside: np.ndarray, outside: np.ndarray, exact: np.ndarray, group: np.ndarray) -> ErrorGrowth:
        """From scores (m, c) of the same pairs in sample, out of sample and exact; `group` (m, c) int, −1 is left out.

        Errors are the residuals of regressing approximate on exact scores, with an intercept for each query and group
        (a shift common to all neighbours changes no ranking), divided by the slope.
        """
        error_in, slope_in, spread = _error(inside, exact, group)
        error_out, slope_out, _ = _error(outside, exact, group)
        if spread == 0:
            return cls(np.inf)
        if slope_in <= 0 or slope_out <= 0:
            return cls(1.0 if np.array_equal(inside[group >= 0], outside[group >= 0]) else np.inf)
        relative_in, relative_out = error_in / slope_in, error_out / slope_out
        if relative_out <= NO_ERROR * spread:
            return cls(1.0)
        ratio = max(relative_out / max(relative_in, NO_ERROR * spread), 1.0)
        errors = inside[group >= 0].astype(np.float64) - slope_in * exact[group >= 0]
        shift = float(errors.mean())
        limit = USUAL * float(np.abs(errors - shift).mean())
        return cls(float(ratio), float(ratio) if ratio > NO_GROWTH else 1.0, float(slope_in), shift, limit)

    @classmethod
    def outside_fit(cls, scores: np.ndarray, exact: np.ndarray, seen: np.ndarray, kept: np.ndarray) -> ErrorGrowth:
        """From scores (m, c) of one codec and exact ones: errors on documents that it has not seen over those on the
        documents that it has (`seen`); pairs outside `kept` are left out.

        Errors are the residuals of regressing approximate on exact scores, with one intercept for each query: unlike
        an intercept for each kind, it shrinks no error of the rarer kind.
        """
        x, y = (_centred(values, kept) for values in (exact, scores))
        xx, spread = float((x * x).sum()), float(np.abs(x).sum()) / max(1, int(kept.sum()))
        if xx == 0:
            return cls(np.inf)
        residual = np.abs(y - float((x * y).sum()) / xx * x)
        inside, outside = residual[kept & seen], residual[kept & ~seen]
        if not len(inside) or not len(outside):
            return cls(1.0 if len(outside) else np.inf)
        least = NO_ERROR * spread
        return cls(float(max(outside.mean() / max(inside.mean(), least), 1.0)) if outside.mean() > least else 1.0)

    def scale(self, scores: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """Scores with their errors scaled up to those on unseen documents; float32, shape of `scores`.

        The error of a far document that the codec clips is huge: multiplied, it would lift it above every neighbour.
        """
        expected = np.float32(self.slope) * exact
        error = scores - expected
        unusual = np.clip(error, self.shift - self.limit, self.shift + self.limit) - error
        return np.asarray(
            expected + np.float32(self.applied) * error + np.float32(self.applied - 1) * unusual, np.float32
        )


UNSCALED = ErrorGrowth(1.0)


def _centred(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(m, c) float64 minus the mean of the kept ones of each row; 0 where not kept."""
    held = np.where(kept, values, 0).astype(np.float64)
    count = np.maximum(kept.sum(axis=1, keepdims=True), 1)
    return np.where(kept, held - held.sum(axis=1, keepdims=True) / count, 0)


def _error(scores: np.ndarray, exact: np.ndarray, group: np.ndarray) -> tuple[float, float, float]:
    """Mean absolute residual, slope, and mean absolute spread of the exact scores, over pairs.

    Absolute, not squared: a range that clips a few extreme documents must not inflate the errors of all.
    """
    x, y = np.zeros(exact.shape), np.zeros(exact.shape)
    for number in range(int(group.max(initial=-1)) + 1):
        x += _centred(exact, group == number)
        y += _centred(scores, group == number)
    pairs, xx = max(1, int((group >= 0).sum())), float((x * x).sum())
    if xx == 0:
        return 0.0, 0.0, 0.0
    slope = float((x * y).sum()) / xx
    return float(np.abs(y - slope * x).sum()) / pairs, slope, float(np.abs(x).sum()) / pairs
