"""What a sweep measures for one spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.timing import Timing


@dataclass(frozen=True)
class Finding:
    """What was measured for one spec, except search speed; per-query arrays are (m,) over the judged queries.

    Every field but `spec` is an array or a JSON value, so that a checkpoint can hold it.

    Attributes
    ----------
    quality : nDCG@10 out of sample, or recall against exact neighbours if there are no judgements.
    in_sample : the same from the built store, fitted on everything it holds.
    recall : share of the exact top 10 found, out of sample.
    ranked : (m, 32) int32 document rows out of sample, best first, in the order that `quality` uses; −1 where empty.
    tier_bytes : code bytes of the tier that is searched, and of the one that rescores, if any.
    state_bytes : constants of the shipped codec.
    estimator : how `quality` was estimated for documents outside the fit, and why (`held_out.out_of_sample`).
    index : what `effort.index_facts` reports of the built index: bytes, seconds, recall and speed by effort; or None.
    file_bytes : predicted size of the store's file.
    band : (worst, best) mean quality under other tie orders, or None without ties.
    """

    spec: Spec
    quality: np.ndarray
    in_sample: np.ndarray
    recall: np.ndarray
    ranked: np.ndarray
    tier_bytes: tuple[int, ...]
    state_bytes: int
    file_bytes: int
    band: tuple[float, float] | None
    searcher: str
    ram_bytes: int
    fit_seconds: float
    encode_seconds: float
    estimator: dict[str, Any]
    index: dict[str, Any] | None = field(default=None, kw_only=True)

    @property
    def code_bytes(self) -> int:
        """Code bytes per vector, both tiers."""
        return sum(self.tier_bytes)

    @property
    def structure_bytes(self) -> int:
        """Links, lists and centroids of the built index; 0 without one."""
        return 0 if self.index is None else int(self.index["structure_bytes"])

    @property
    def bytes_per_vector(self) -> int:
        """What one more vector adds to the store: its codes, and its links or its place in a list."""
        return self.code_bytes + self.spec.structure_bytes_per_vector

    @property
    def constant_bytes(self) -> int:
        """What does not grow with the vectors: the codec's arrays, and the centroids of lists."""
        return self.state_bytes + (0 if self.index is None else int(self.index["constant_bytes"]))


@dataclass(frozen=True)
class Outcome(Finding):
    """A finding with its search speed, which is not measured on a sample."""

    timing: Timing | None
