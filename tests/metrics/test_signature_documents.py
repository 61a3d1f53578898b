"""Documents that stand out, by id."""

from __future__ import annotations

import numpy as np

from embgeo.metrics.registry import measures
from embgeo.metrics.signature import Signature, SignatureRequest


def test_the_largest_values_are_listed_by_the_ids_of_their_sample() -> None:
    # documents 4, 2 and 7 were sampled; the second has no finite value
    hubs = measures()["hubness"].documents
    assert hubs is not None
    signature = Signature(
        values={},
        curves={},
        details={"hubness": {"k": 10}},
        rows={"hubness": {"count": np.array([1.0, np.nan, 5.0])}, "twonn_dim": {"other": np.array([1.0])}},
        samples={"hubness": np.array([4, 2, 7])},
        documents={"hubness": hubs},
        shared_seconds={},
        duplicates={},
        request=SignatureRequest(),
    )
    listed = [{"id": "d7", "value": 5.0}, {"id": "d4", "value": 1.0}]
    ids = [f"d{i}" for i in range(8)]
    assert signature.largest_documents(ids) == {"hubness": {hubs.largest: listed}}
    assert signature.to_json(ids)["details"] == {"hubness": {"k": 10, hubs.largest: listed}}
    assert signature.to_json()["details"] == {"hubness": {"k": 10}}
