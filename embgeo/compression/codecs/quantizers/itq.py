"""Iterative quantization (`itq`): sign bits after the rotation that suits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.part import Reducer, quantizer
from embgeo.compression.codecs.quantizers.binary import FittedSigns
from embgeo.compression.codecs.reducers.itq_rotation import ITQRotation
from embgeo.compression.codecs.training import Training


@quantizer(
    r"itq",
    example="itq",
    summary="sign bits after centring and the rotation that brings documents nearest to ±1 (learned; as pca192,itq)",
    fitted=FittedSigns,
)
@dataclass(frozen=True)
class ITQ:
    """One bit a coordinate about the mean, after a learned rotation; the mean is restored at scoring.

    The paper reduces with PCA first: write `pca192,itq` for 192 bits. The rotation is state (r²·4 bytes) and learned,
    so judge it out of sample. Source: Gong & Lazebnik 2011, "Iterative quantization", eq. 2 and §2.2.
    """

    before: ClassVar[tuple[Reducer, ...]] = (ITQRotation(),)
    name: ClassVar[str] = "itq"

    def code_bytes(self, width: int) -> int:
        return (width + 7) // 8

    def fit(self, Z: np.ndarray, training: Training) -> FittedSigns:
        # a residual has no unit length to restore: the size of least squared error
        return FittedSigns(Z.shape[1], np.array([np.abs(Z).mean(dtype=np.float64)], np.float32))
