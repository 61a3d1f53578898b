"""One bit per coordinate with its own threshold: the mean (`binarym`) or the median (`binarymed`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.quantizers.uniform import QUANTILE_ROWS, spread_rows
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training


@dataclass(frozen=True)
class FittedThresholds(FittedQuantizer):
    """Bit j of a row is z_j > threshold[j], packed row by row, lowest bit first; decoded as high[j] or low[j].

    Attributes
    ----------
    threshold : (r,) float32.
    low, high : (r,) float32, the means of the documents on either side: the values of least squared error.
    """

    kind: ClassVar[str] = "FittedThresholds"
    threshold: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def code_bytes(self) -> int:
        return (len(self.low) + 7) // 8

    def encode(self, Z: np.ndarray) -> np.ndarray:
        return np.packbits(self.threshold < Z, axis=1, bitorder="little")

    def decode(self, codes: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(codes, axis=1, count=len(self.low), bitorder="little")
        return np.where(bits, self.high, self.low)

    def table_code(self) -> TableCode:
        return TableCode.of_levels(1, np.stack([self.low, self.high], axis=1))


def two_means(Z: np.ndarray, threshold: np.ndarray) -> FittedThresholds:
    """The threshold (r,) with the mean of either side; an empty side takes the threshold."""
    threshold = threshold.astype(np.float32)
    above = threshold < Z
    count = above.sum(axis=0)
    total, upper = Z.sum(axis=0, dtype=np.float64), np.where(above, Z, 0).sum(axis=0, dtype=np.float64)
    high = np.where(count > 0, upper / np.maximum(count, 1), threshold)
    low = np.where(count < len(Z), (total - upper) / np.maximum(len(Z) - count, 1), threshold)
    return FittedThresholds(threshold, low.astype(np.float32), high.astype(np.float32))


@quantizer(
    r"binarym", example="binarym", summary="one bit per coordinate: above or below its mean", fitted=FittedThresholds
)
@dataclass(frozen=True)
class BinaryMean(Quantizer):
    """One bit per coordinate, thresholded at the documents' mean and decoded to the mean of its side.

    If coordinates are mostly on one side of zero, their sign bits are wasted (`binary`). State: 12·r bytes.
    """

    spelling: ClassVar[str] = "binarym"
    bits = 1

    def fit(self, Z: np.ndarray, training: Training) -> FittedThresholds:
        return two_means(Z, Z.mean(axis=0, dtype=np.float64))


@quantizer(
    r"binarymed",
    example="binarymed",
    summary="one bit per coordinate: above or below its median",
    fitted=FittedThresholds,
)
@dataclass(frozen=True)
class BinaryMedian(Quantizer):
    """One bit per coordinate, thresholded at the documents' median (of at most 20,000 rows): every bit is set half the
    time. Decoded to the mean of its side. State: 12·r bytes.
    """

    spelling: ClassVar[str] = "binarymed"
    bits = 1

    def fit(self, Z: np.ndarray, training: Training) -> FittedThresholds:
        median = np.median(spread_rows(Z, QUANTILE_ROWS), axis=0)
        # where more than half of the values are the largest one, nothing lies above the median
        return two_means(Z, np.where(median < Z.max(axis=0), median, Z.mean(axis=0, dtype=np.float64)))
