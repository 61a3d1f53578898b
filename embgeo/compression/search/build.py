"""Which searcher a store gets: the first backend that supports its codec.

    products of bytes      levels of any bits: int8 fp8 int4 tq adaptive trellis …, by AVX-512
    FAISS 4-bit fast-scan  pq…x4, and int4 fp4 tq4 without these: over our nibbles, the top 4k rescored exactly
    FAISS flat             f32 f16 int8 pq opq: our codes, ranges and codebooks passed on without re-encoding
    by level               other sums over levels: dp4 …
    by block               anything else, and everything without FAISS: decode a block, multiply

On a GPU torch multiplies bytes, signs and 8-bit floats as they are and decodes all other codes there; codes that do
not fit go there block by block. faiss-gpu, if it is installed, takes float32, and lists of the formats that it has: its
flat float16 rounds queries, and one list of all rows would occupy one block of threads for each query. Links or lists
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
from embgeo.compression.search.on_faiss import faiss_on_gpu, on_gpu, search_on_faiss, structure_on_faiss
from embgeo.compression.search.rounded import search_by_products
from embgeo.compression.search.searcher import BLOCK_ROWS, EffortSearcher, Searcher, metric_of
from embgeo.compression.search.tiers import TieredSearcher

Backend = Callable[[Tier, np.ndarray], Searcher | None]
OF_CODES: tuple[Backend, ...] = (search_by_products, search_by_fast_scan, search_on_faiss)
ON_CPU: tuple[Backend, ...] = (*OF_CODES, search_by_levels, BlockSearcher)


def build_searcher(
    codec: Codec, codes: np.ndarray, device: str = "cpu", structure: Structure | None = None
) -> Searcher:
    """The fastest searcher for this codec on this machine, over its codes (n, code_bytes).

    `device` is "cpu", "cuda" or "cuda:N"; with "torch", torch's CPU device does what a GPU would (for tests). With a
    `structure` (links, lists) the search uses it, on the CPU if faiss-gpu has no such index. AssertionError if it was
    built under another metric than the codec's.
    """
    first, *second = codec.by_tier(codes)
    tier = codec.tiers[0]
    searcher = _flat(tier, first, device) if structure is None else _with_structure(tier, first, structure, device)
    return TieredSearcher(searcher, codec.tiers[1], second[0], codec.spec.factor) if second else searcher


def _flat(tier: Tier, codes: np.ndarray, device: str) -> Searcher:
    if device == "torch" or device.startswith("cuda"):
        return _on_device(tier, codes, device)
    backends = (BlockSearcher,) if tier.spec.centred else ON_CPU
    return next(found for backend in backends if (found := backend(tier, codes)) is not None)


def _on_device(tier: Tier, codes: np.ndarray, device: str) -> Searcher:
    from embgeo.compression.search.on_torch import TorchSearcher  # torch takes seconds to import

    plain = None if tier.spec.centred else tier.quantizer.plain_code()
    if plain is not None and plain.type == "float32" and faiss_on_gpu(tier, device):
        found = on_gpu(search_on_faiss(tier, codes), device)
        if found is not None:
            return found
    return TorchSearcher(tier, codes, "cpu" if device == "torch" else device)


def _with_structure(tier: Tier, codes: np.ndarray, structure: Structure, device: str) -> EffortSearcher:
    if structure.metric != metric_of(tier.similarity):
        raise AssertionError(f"the index was built under {structure.metric}, the codec compares by {tier.similarity}")
    found = structure_on_faiss(tier, codes, structure)
    return on_gpu(found, device) or found or structure.searcher(tier, codes)


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
