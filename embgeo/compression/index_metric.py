"""The metric of an index by its similarity, named once: HNSW classes default to L2 (trap 12)."""

from __future__ import annotations

from typing import Any


def metric_of(similarity: str) -> str:
    """`l2` for euclidean, else `inner_product` (cosine stores hold unit vectors, so it is their metric too)."""
    return "l2" if similarity == "euclidean" else "inner_product"


def faiss_metric(metric: str) -> int:
    """The constant that FAISS has for it."""
    import faiss

    return int({"l2": faiss.METRIC_L2, "inner_product": faiss.METRIC_INNER_PRODUCT}[metric])


def assert_metric(index: Any, metric: str) -> None:
    """AssertionError where a FAISS index, or the storage or coarse quantizer inside it, has another metric."""
    import faiss

    inner = [getattr(index, name, None) for name in ("storage", "quantizer")]
    for part in [index, *(faiss.downcast_index(part) for part in inner if part is not None)]:
        if part.metric_type != faiss_metric(metric):
            raise AssertionError(f"FAISS built {type(part).__name__} with metric {part.metric_type}, not {metric}")
