"""The metric of an index by its similarity, named once: HNSW classes default to L2 (trap 12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def metric_of(similarity: str) -> str:
    """`l2` for euclidean, else `inner_product` (cosine stores hold unit vectors, so it is their metric too)."""
    return "l2" if similarity == "euclidean" else "inner_product"


def faiss_metric(metric: str) -> int:
    """The constant that FAISS has for it."""
    import faiss

    return int({"l2": faiss.METRIC_L2, "inner_product": faiss.METRIC_INNER_PRODUCT}[metric])


def flat_batches(index: Any, Q: np.ndarray) -> Iterator[slice]:
    """Slices of the queries (m, r) as `index` is to be asked.

    Where float32 vectors, documents or the centroids of lists, are compared under L2, a larger batch would go by norms
    and products, which cancel far from the origin; a small one takes differences, in the same time.
    """
    import faiss

    floats = isinstance(index, faiss.IndexFlat | faiss.IndexIVF)
    step = len(Q)
    if floats and index.metric_type == faiss.METRIC_L2:
        step = faiss.cvar.distance_compute_blas_threshold - 1
    return (slice(start, start + step) for start in range(0, max(1, len(Q)), max(1, step)))


def assert_metric(index: Any, metric: str) -> None:
    """AssertionError where a FAISS index, or the storage or coarse quantizer inside it, has another metric."""
    import faiss

    inner = [getattr(index, name, None) for name in ("storage", "quantizer")]
    for part in [index, *(faiss.downcast_index(part) for part in inner if part is not None)]:
        if part.metric_type != faiss_metric(metric):
            raise AssertionError(f"FAISS built {type(part).__name__} with metric {part.metric_type}, not {metric}")
