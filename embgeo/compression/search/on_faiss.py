"""Search by FAISS, which holds our codes byte for byte: flat, on a GPU, or with links or lists.

A quantizer provides the FAISS index for its codes: one of FAISS's own formats (`faiss_index`), or a product code with
given tables (`table_code`), which can represent a scalar code of any alphabet too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.part import Structure
from embgeo.compression.search.flat import LOOKED_UP, BlockSearcher
from embgeo.compression.search.searcher import Found, any_norm, best_of, metric_of

ADD_ROWS = 65_536
MAX_SELECTED = 2048  # by FAISS on a GPU


def faiss_available() -> bool:
    """Whether a FAISS build is installed (`EMBGEO_NO_FAISS=1` hides it, for tests)."""
    if os.environ.get("EMBGEO_NO_FAISS"):
        return False
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def faiss_metric(metric: str) -> int:
    """The constant that FAISS has for `l2` or `inner_product`."""
    import faiss

    return int({"l2": faiss.METRIC_L2, "inner_product": faiss.METRIC_INNER_PRODUCT}[metric])


def assert_metric(index: Any, metric: str) -> None:
    """AssertionError if a FAISS index, or the storage or coarse quantizer inside it, has another metric.

    Every FAISS index is built with an explicit metric: HNSW classes default to L2.
    """
    import faiss

    inner: list[Any] = []
    if isinstance(index, faiss.IndexHNSW):
        inner = [index.storage]
    elif isinstance(index, faiss.IndexIVF):
        inner = [index.quantizer]
    for part in [index, *(faiss.downcast_index(part) for part in inner)]:
        if part.metric_type != faiss_metric(metric):
            raise AssertionError(f"FAISS built {type(part).__name__} with metric {part.metric_type}, not {metric}")


def code_index(tier: Tier) -> Any | None:
    """An empty trained flat FAISS index that takes the codes as they are, or None if FAISS has no such format."""
    if tier.spec.centred:
        return None
    metric = metric_of(tier.similarity)
    quantizer = tier.quantizer
    found = quantizer.faiss_index(faiss_metric(metric))
    if found is None and (table := quantizer.table_code()) is not None:
        found = table.faiss_index(faiss_metric(metric))
    return None if found is None else _checked(found, tier)


def native_index(tier: Tier) -> Any | None:
    """`code_index` of the formats that FAISS has itself, which it searches faster than we do."""
    return tier.quantizer.faiss_index(faiss_metric(metric_of(tier.similarity)))


def _checked(index: Any, tier: Tier) -> Any:
    assert_metric(index, metric_of(tier.similarity))
    if index.code_size != tier.code_bytes:
        raise AssertionError(f"FAISS built codes of {index.code_size} bytes for {tier.spec}")
    return index


def add_codes(index: Any, codes: np.ndarray) -> None:
    """Append stored codes (n, b) to a flat index."""
    for start in range(0, len(codes), ADD_ROWS):
        index.add_sa_codes(np.ascontiguousarray(codes[start : start + ADD_ROWS]))


def flat_batches(index: Any, Q: np.ndarray) -> Iterator[slice]:
    """Slices of the queries (m, r) to pass to `index`.

    For float32 vectors (documents or list centroids) under L2, FAISS would compute a larger batch by norms and
    products, which cancel far from the origin; it computes a small one by differences, in the same time.
    """
    import faiss

    floats = isinstance(index, faiss.IndexFlat | faiss.IndexIVF)
    step = len(Q)
    if floats and index.metric_type == faiss.METRIC_L2:
        step = faiss.cvar.distance_compute_blas_threshold - 1
    return (slice(start, start + step) for start in range(0, max(1, len(Q)), max(1, step)))


def search_index(index: Any, Z: np.ndarray, k: int, parameters: Any = None) -> Found:
    """Scores, larger is nearer, and rows that `index` finds for Z (m, r), ordered and padded as `best_of` does.

    FAISS leaves equal scores in heap order: they are sorted into row order.
    """
    import faiss

    Z, kept = np.ascontiguousarray(Z, np.float32), min(k, index.ntotal)
    found = [index.search(Z[part], kept, params=parameters) for part in flat_batches(index, Z)]
    scores, rows = (np.concatenate([answer[side] for answer in found]) for side in (0, 1))
    if index.metric_type == faiss.METRIC_L2:
        scores = -scores
    return best_of(np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows, k)


def centre_codebooks(index: Any) -> np.ndarray:
    """Centre the codebooks of an `IndexPQ` in place and return their means, (r,) float32; zeros for any other index.

    If the means are subtracted from the queries too, no distance changes, and FAISS's product tables do not cancel.
    """
    import faiss

    if not isinstance(index, faiss.IndexPQ):
        return np.zeros(index.d, np.float32)
    shape = index.pq.M, index.pq.ksub, index.pq.dsub
    centroids = faiss.vector_to_array(index.pq.centroids).reshape(shape)
    centre = centroids.mean(axis=1, keepdims=True)
    faiss.copy_array_to_vector((centroids - centre).ravel(), index.pq.centroids)
    return centre.ravel()


class FaissSearcher:
    """A flat FAISS index that holds our codes byte for byte.

    FAISS scans them once for every query of a batch; a larger batch goes by block, which decodes them once for all
    (100,000 × 384, 200 queries, one thread: int8 4 times, float32 14 times as fast, `benchmarks/code_search.py`).
    """

    effort = 0
    parameters = None

    def __init__(self, tier: Tier, codes: np.ndarray, index: Any) -> None:
        import faiss

        add_codes(_checked(index, tier), codes)
        held = faiss.rev_swig_ptr(index.codes.data(), index.codes.size()).reshape(index.ntotal, index.code_size)
        self.blocks = BlockSearcher(tier, held)
        self.tier = tier
        self.index = index
        self.centre = centre_codebooks(index) if tier.similarity == "euclidean" else np.float32(0)
        self.name = f"faiss {type(index).__name__}"
        self.ram_bytes = int(codes.nbytes) + tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        if len(Q) > LOOKED_UP:
            return self.blocks.search(Q, k)
        Z, bias = self.tier.queries(Q)
        scores, rows = search_index(self.index, Z - self.centre, k)
        return scores + bias[:, None], rows


@dataclass(frozen=True)
class FaissStructureSearcher:
    """FAISS follows stored links or reads stored lists and scores the store's own bytes."""

    tier: Tier
    structure: Structure
    index: Any
    effort: int
    code_ram_bytes: int

    @property
    def name(self) -> str:
        import faiss

        name = f"faiss {type(self.index).__name__}"
        if not isinstance(self.index, faiss.IndexHNSW):
            return name
        return f"{name} over {type(faiss.downcast_index(self.index.storage)).__name__}"

    @property
    def ram_bytes(self) -> int:
        return self.code_ram_bytes + self.structure.faiss_ram_bytes

    @property
    def parameters(self) -> Any:
        """FAISS search parameters for the effort."""
        return self.structure.faiss_parameters(self.effort)

    def with_effort(self, effort: int) -> FaissStructureSearcher:
        return replace(self, effort=effort)

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        scores, rows = search_index(self.index, Z, k, self.parameters)
        return scores + bias[:, None], rows


@dataclass(frozen=True)
class GpuFaissSearcher:
    """The index of `host` on a CUDA device, where FAISS selects at most 2,048 rows or lists; larger searches are
    done by `host`.

    Attributes
    ----------
    index, resources : what lies on the device, and what owns its memory there.
    """

    host: Any
    index: Any
    resources: Any

    @property
    def tier(self) -> Tier:
        return self.host.tier

    @property
    def name(self) -> str:
        return f"faiss {type(self.index).__name__} on the GPU"

    @property
    def ram_bytes(self) -> int:
        return self.host.ram_bytes

    def with_effort(self, effort: int) -> GpuFaissSearcher:
        return replace(self, host=self.host.with_effort(effort))

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        if max(min(k, self.index.ntotal), self.host.effort) > MAX_SELECTED:
            return self.host.search(Q, k)
        Z, bias = self.tier.queries(Q)
        scores, rows = search_index(self.index, Z, k, self.host.parameters)
        return scores + bias[:, None], rows


def _searches(tier: Tier) -> bool:
    return faiss_available() and not tier.quantizer.faiss_rounds_queries


def search_on_faiss(tier: Tier, codes: np.ndarray) -> FaissSearcher | None:
    """A flat FAISS searcher if FAISS is installed and has the format itself."""
    index = native_index(tier) if _searches(tier) else None
    return None if index is None else FaissSearcher(tier, codes, index)


def faiss_on_gpu(tier: Tier, device: str) -> bool:
    """Whether `device` is a CUDA device and faiss-gpu is installed and finds one.

    Not under euclidean similarity: there it uses norms and products, which cancel far from the origin.
    """
    if not device.startswith("cuda") or tier.similarity == "euclidean" or not faiss_available():
        return False
    import faiss

    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def on_gpu(host: FaissSearcher | FaissStructureSearcher | None, device: str) -> GpuFaissSearcher | None:
    """The same on a CUDA device, `cuda` or `cuda:1`, if FAISS has such an index there and room for it."""
    if host is None or not faiss_on_gpu(host.tier, device):
        return None
    import faiss

    resources = faiss.StandardGpuResources()
    try:
        index = faiss.index_cpu_to_gpu(resources, int(device.partition(":")[2] or 0), host.index)
    except RuntimeError:
        return None
    assert_metric(index, metric_of(host.tier.similarity))
    return GpuFaissSearcher(host, index, resources)


def structure_on_faiss(tier: Tier, codes: np.ndarray, structure: Structure) -> FaissStructureSearcher | None:
    """FAISS with links or lists, if it is installed and can hold the codes."""
    flat = code_index(tier) if _searches(tier) else None
    if flat is None:
        return None
    index = structure.on_faiss(flat, codes)
    return FaissStructureSearcher(tier, structure, index, structure.effort, codes.nbytes + tier.state_bytes)
