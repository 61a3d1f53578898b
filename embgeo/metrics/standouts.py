"""Documents that stand out in a signature: hubs, boundary points, singular points, by id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from embgeo.metrics.signature import Signature

LISTED = 10
# which per-document arrays have an end worth reading, and what the documents there are
MEANINGS = {
    ("hubness", "count"): "hubs: most often among the neighbours of others",
    ("mag_dim", "weight"): "boundary documents: largest magnitude weight",
    ("euclidicity", "score"): "singular documents: neighbourhood least like a flat piece of space",
    ("lid", "local_dimension"): "highest local dimension",
}


def standout_documents(signature: Signature, doc_ids: Sequence[str]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """{measure: {meaning: [{"id", "value"}, …]}}: the ten largest of each per-document array, largest first.

    Values that are not finite are left out; equal values stand in row order. A measure that was not run is absent.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (name, key), meaning in MEANINGS.items():
        values = signature.rows.get(name, {}).get(key)
        if values is None:
            continue
        ranked = np.where(np.isfinite(values), values, -np.inf)
        top = [row for row in np.argsort(-ranked, kind="stable")[:LISTED] if np.isfinite(ranked[row])]
        rows = signature.samples[name]
        found[name] = {meaning: [{"id": doc_ids[rows[row]], "value": float(values[row])} for row in top]}
    return found
