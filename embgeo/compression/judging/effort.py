"""What a row reports about its index: bytes, build time, and recall and speed by search effort."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.compression.codecs.part import Index, Structure
from embgeo.compression.judging.timing import time_searchers
from embgeo.compression.search.searcher import Searcher
from embgeo.embeddings import Embeddings
from embgeo.retrieval.evaluate import neighbour_recall

JUDGED = 10  # results over which recall of the flat search is counted
DEPTH = 32  # flat results that are checked for ties with the last of those
RECALLS = (0.95, 0.99)
CURVE_SECONDS = 0.4
CURVE_REPEATS = 3


def index_facts(
    index: Index, structure: Structure, searcher: Any, flat: Searcher, embeddings: Embeddings, seconds: float
) -> dict[str, Any]:
    """What a row reports about its index, built in `seconds`; JSON values.

    Keys: `name`, `effort` (the spec's own), `structure_bytes`, `constant_bytes` (the part that does not grow with the
    vectors), `build_seconds`, and those of `effort_curve`.
    """
    held = structure.state_bytes
    return {
        "name": index.name,
        "effort": index.effort,
        "structure_bytes": held,
        "constant_bytes": held - structure.growing_bytes,
        "build_seconds": seconds,
        **effort_curve(searcher, flat, index, embeddings.query_matrix(), len(embeddings)),
    }


def effort_curve(searcher: Any, flat: Searcher, index: Index, Q: np.ndarray, documents: int) -> dict[str, Any]:
    """Recall of the flat search and speed at a few efforts, from low to high enough to find everything.

    Keys: `efforts`, a list of {"effort", "recall_of_flat", "qps", "single_query_ms"}; `flat`, the speed of the flat
    search of the same codes in the same rounds; `at_recall`, by share the first point that reaches it, or None.
    Both searches read the shipped store: this compares searches, not codecs.
    """
    k = min(JUDGED, documents)
    scores, true = flat.search(Q, min(DEPTH, documents))
    points: list[dict[str, Any]] = []
    tried: list[Searcher] = []
    for effort in index.efforts(documents):
        candidate = searcher.with_effort(effort)
        recall = float(neighbour_recall(candidate.search(Q, k)[1], true, k, scores).mean())
        points.append({"effort": effort, "recall_of_flat": recall})
        tried.append(candidate)
        if recall >= 0.999 and effort >= index.effort:
            break
    timings = time_searchers([flat, *tried], Q, repeats=CURVE_REPEATS, seconds=CURVE_SECONDS * (1 + len(tried)))
    for point, timing in zip(points, timings[1:], strict=True):
        point |= {"qps": timing.qps, "single_query_ms": timing.single_query_ms}
    reached = {
        f"{share:g}": next((point for point in points if point["recall_of_flat"] >= share), None) for share in RECALLS
    }
    return {
        "efforts": points,
        "flat": {"qps": timings[0].qps, "single_query_ms": timings[0].single_query_ms},
        "at_recall": reached,
    }
