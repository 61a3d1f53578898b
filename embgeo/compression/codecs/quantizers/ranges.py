"""Other ranges for int8 and int4: quantiles (`int4q99`), mean ± kσ (`int4k3`), least squared error (`int4opt`).

All use the evenly spaced levels of `uniform.py`; they differ in what is left outside the range, which
`FittedUniform.saturation(Z)` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import Quantizer, quantizer
from embgeo.compression.codecs.quantizers.uniform import QUANTILE_ROWS, FittedUniform, spread_rows, uniform_between
from embgeo.compression.codecs.training import Training
from embgeo.errors import InputError

SEARCH_ROWS = 2_048


@quantizer(
    r"int([48])q(\d{2,5})",
    example="int4q99",
    summary="evenly spaced levels over the middle 99 % of each dimension (q999: 99.9 %)",
    fitted=FittedUniform,
)
@dataclass(frozen=True)
class QuantileRange(Quantizer):
    """The range leaves out the same share at either end; `share` is read as decimals: 99 is .99, 999 is .999.

    Estimated from at most 20,000 rows. State: 8·r bytes.
    """

    spelling: ClassVar[str] = "int{bits}q{share}"
    bits: int
    share: int

    def code_bytes(self, width: int) -> int:
        if self._inside < 0.5:
            raise InputError(f"{self.name} must keep at least half of the values in range; it keeps {self._inside:g}")
        return super().code_bytes(width)

    @property
    def _inside(self) -> float:
        return float(f"0.{self.share}")

    def fit(self, Z: np.ndarray, training: Training) -> FittedUniform:
        tail = (1 - self._inside) / 2
        low, high = np.quantile(spread_rows(Z, QUANTILE_ROWS), [tail, 1 - tail], axis=0)
        return uniform_between(self.bits, low, high)


@quantizer(
    r"int([48])k([1-9])",
    example="int4k3",
    summary="evenly spaced levels over each dimension's mean ± k standard deviations",
    fitted=FittedUniform,
)
@dataclass(frozen=True)
class DeviationRange(Quantizer):
    """mean ± kσ of each dimension, clipped to its extremes: no level is outside the data. State: 8·r bytes."""

    spelling: ClassVar[str] = "int{bits}k{deviations}"
    bits: int
    deviations: int

    def fit(self, Z: np.ndarray, training: Training) -> FittedUniform:
        mean = Z.mean(axis=0, dtype=np.float64)
        reach = self.deviations * Z.std(axis=0, dtype=np.float64)
        return uniform_between(
            self.bits, np.maximum(mean - reach, Z.min(axis=0)), np.minimum(mean + reach, Z.max(axis=0))
        )


@quantizer(
    r"int([48])opt",
    example="int4opt",
    summary="evenly spaced levels over the range of least squared error in each dimension",
    fitted=FittedUniform,
)
@dataclass(frozen=True)
class OptimalRange(Quantizer):
    """Low and high end of each dimension that minimise the squared error of the documents, clipping included.

    The ends are moved in from the extremes in steps of a twentieth of their distance to the median, one end after the
    other, twice; evaluated on at most 2,048 rows. A joint search of both ends does not improve retrieval.
    State: 8·r bytes.
    """

    spelling: ClassVar[str] = "int{bits}opt"
    bits: int

    def fit(self, Z: np.ndarray, training: Training) -> FittedUniform:
        sample = spread_rows(Z, SEARCH_ROWS)
        middle = np.median(sample, axis=0)
        bottom, top = Z.min(axis=0) - middle, Z.max(axis=0) - middle
        shrink = np.linspace(1.0, 0.25, 16, dtype=np.float32)
        ends = np.ones((2, Z.shape[1]), np.float32)
        for _ in range(2):
            for end in (0, 1):
                errors = []
                for factor in shrink:
                    trial = ends.copy()
                    trial[end] = factor
                    errors.append(
                        _squared_error(self.bits, sample, middle + trial[0] * bottom, middle + trial[1] * top)
                    )
                ends[end] = shrink[np.argmin(errors, axis=0)]
        return uniform_between(self.bits, middle + ends[0] * bottom, middle + ends[1] * top)


def _squared_error(bits: int, Z: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(r,) squared error of every dimension with these ends."""
    step = (high - low) / np.float32(2**bits - 1)
    safe = np.where(step > 0, step, 1)
    levels = np.clip(np.rint((Z - low) / safe), 0, 2**bits - 1)
    gap = Z - (low + step * levels)
    return np.asarray(np.einsum("ij,ij->j", gap, gap))
