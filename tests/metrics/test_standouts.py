"""Documents that stand out, by id."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.signature import Signature
from embgeo.metrics.standouts import standout_documents


def test_the_largest_values_are_listed_by_the_ids_of_their_sample() -> None:
    # documents 4, 2 and 7 were sampled; the second has no finite value
    rows = {"hubness": {"count": np.array([1.0, np.nan, 5.0])}, "twonn_dim": {"other": np.array([1.0])}}
    signature = Signature({}, {}, {}, rows, {"hubness": np.array([4, 2, 7])}, {}, {}, 0, 10)
    found = standout_documents(signature, [f"d{i}" for i in range(8)])
    assert list(found) == ["hubness"]
    (listed,) = found["hubness"].values()
    assert listed == [{"id": "d7", "value": 5.0}, {"id": "d4", "value": 1.0}]
