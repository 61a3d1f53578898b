"""Which searcher a store gets: the first backend that supports its codec.

    FAISS 4-bit fast-scan  int4 fp4 tq4 pq…x4: over our nibbles, the top 4k rescored exactly
    FAISS flat             f32 f16 int8 pq opq: our codes, ranges and codebooks passed on without re-encoding
    by level               codes that are sums over levels: adaptive trellis rabitq eden lvq tq binary fp8 …
    by block               anything else, and everything without FAISS: decode a block, multiply

On a GPU faiss-gpu takes float32 and float16; everything else is decoded and multiplied there with torch. Links or lists
are searched by FAISS if it can hold the codes, otherwise by our own code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embgeo.compression.codecs.codec import Codec, Tier
from embgeo.compression.codecs.part import Index, Structure
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.fast_scan import search_by_fast_scan
from embgeo.compression.search.flat import BlockSearcher, search_by_levels
from embgeo.compression.search.on_faiss import search_on_faiss, search_on_gpu_faiss, structure_on_faiss
from embgeo.compression.search.on_torch import TorchSearcher
from embgeo.compression.search.searcher import BLOCK_ROWS, EffortSearcher, Searcher, metric_of
from embgeo.compression.search.tiers import TieredSearcher

Backend = Callable[[Tier, np.ndarray], Searcher | None]
ON_CPU: tuple[Backend, ...] = (search_by_fast_scan, search_on_faiss, search_by_levels, BlockSearcher)
ON_CUDA: tuple[Backend, ...] = (search_on_gpu_faiss, lambda tier, codes: TorchSearcher(tier, codes, "cuda"))


def build_searcher(
    codec: Codec, codes: np.ndarray, device: str = "cpu", structure: Structure | None = None
) -> Searcher:
    """The fastest searcher for this codec on this machine, over its codes (n, code_bytes).

    With a `structure` (links, lists) the search uses it, on the CPU. AssertionError if it was built under another
    metric than the codec's.
    """
    first, *second = codec.by_tier(codes)
    tier = codec.tiers[0]
    searcher = _flat(tier, first, device) if structure is None else _with_structure(tier, first, structure)
    return TieredSearcher(searcher, codec.tiers[1], second[0], codec.spec.factor) if second else searcher


def _flat(tier: Tier, codes: np.ndarray, device: str) -> Searcher:
    backends = ON_CUDA if device == "cuda" else ON_CPU
    if tier.spec.centred:
        backends = (BlockSearcher,)
    return next(found for backend in backends if (found := backend(tier, codes)) is not None)


def _with_structure(tier: Tier, codes: np.ndarray, structure: Structure) -> EffortSearcher:
    if structure.metric != metric_of(tier.similarity):
        raise AssertionError(f"the index was built under {structure.metric}, the codec compares by {tier.similarity}")
    return structure_on_faiss(tier, codes, structure) or structure.searcher(tier, codes)


def build_structure(index: Index, codec: Codec, codes: np.ndarray, training: Training) -> Structure:
    """Links or lists over the decoded codes of the tier that is searched; holds all rows as float32 meanwhile."""
    tier = codec.tiers[0]
    index.check(len(codes))
    starts = range(0, len(codes), BLOCK_ROWS)
    X = np.concatenate(
        [tier.decode(np.ascontiguousarray(codes[at : at + BLOCK_ROWS, : tier.code_bytes])) for at in starts]
    )
    structure = index.build(X, tier.reduce(training.X), codec.similarity, training.seed)
    assert structure.state_bytes == index.structure_bytes(len(X), X.shape[1])
    return structure
