"""An index over a codec's codes: built, restored and opened for search."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from embgeo.compression.codecs.codec import Codec, FittedCodec, TieredCodec
from embgeo.compression.codecs.part import INDICES, Index, Structure, load_parts, restore, state_of
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.faiss_formats import code_index
from embgeo.compression.search.graph_search import BeamSearcher, FaissGraphSearcher, faiss_graph
from embgeo.compression.search.index_metric import metric_of
from embgeo.compression.search.indices.hnsw import Graph
from embgeo.compression.search.indices.ivf import Lists
from embgeo.compression.search.list_search import FaissListSearcher, ListSearcher, faiss_lists
from embgeo.compression.search.searcher import Searcher, faiss_available

BLOCK_ROWS = 8192


class IndexSearcher(Searcher, Protocol):
    """A searcher whose effort can be changed without building anything anew."""

    def with_effort(self, effort: int) -> IndexSearcher: ...


def searched_tier(codec: Codec) -> FittedCodec:
    """The codec whose codes an index is built over."""
    return codec.search if isinstance(codec, TieredCodec) else codec


def build_structure(index: Index, codec: Codec, codes: np.ndarray, training: Training) -> Structure:
    """Links or lists over the decoded codes of the tier that is searched; float32 of all rows is held meanwhile."""
    tier = searched_tier(codec)
    index.check(len(codes))
    starts = range(0, len(codes), BLOCK_ROWS)
    X = np.concatenate(
        [tier.decode(np.ascontiguousarray(codes[at : at + BLOCK_ROWS, : tier.code_bytes])) for at in starts]
    )
    structure = index.build(X, tier.reduce(training.X), codec.similarity, training.seed)
    assert structure_bytes(structure) == index.structure_bytes(len(X), X.shape[1])
    return structure


def structure_bytes(structure: Structure | None) -> int:
    """What links, lists and centroids take in the store."""
    return 0 if structure is None else sum(array.nbytes for array in state_of(structure).values())


def restore_structure(manifest: dict[str, Any], arrays: dict[str, np.ndarray], codec: Codec, rows: int) -> Structure:
    """The structure that a store holds.

    ValueError, KeyError or TypeError where it does not belong to this codec and so many rows.
    """
    load_parts()
    kinds = {entry.fitted.__name__: entry.fitted for entry in INDICES.values()}
    numbers = {name: value for name, value in manifest.items() if name != "kind"}
    structure: Structure = restore(kinds[manifest["kind"]], arrays, numbers)
    tier = searched_tier(codec)
    structure.check(rows, tier.decode(np.zeros((1, tier.code_bytes), np.uint8)).shape[1])
    if structure.metric != metric_of(codec.similarity):
        raise ValueError(f"its index has metric {structure.metric}, its vectors are compared by {codec.similarity}")
    return structure


def indexed_searcher(codec: FittedCodec, codes: np.ndarray, structure: Structure) -> IndexSearcher:
    """Search through the index, scores as the flat search of this codec has them.

    FAISS where it holds the codec's bytes, our own loops elsewhere. AssertionError where the structure was built under
    another metric than the codec's.
    """
    if structure.metric != metric_of(codec.similarity):
        raise AssertionError(f"the index was built under {structure.metric}, the codec compares by {codec.similarity}")
    flat = code_index(codec) if faiss_available() else None
    held = codes.nbytes + codec.state_bytes
    if isinstance(structure, Graph):
        if flat is None:
            return BeamSearcher(codec, structure, codes, structure.effort)
        for start in range(0, len(codes), 65536):
            flat.add_sa_codes(np.ascontiguousarray(codes[start : start + 65536]))
        # FAISS keeps 8 bytes of offset and 4 of layer a document
        ram = held + structure.ground.nbytes + structure.upper.nbytes + 12 * len(codes)
        return FaissGraphSearcher(codec, structure, faiss_graph(structure, flat), structure.effort, ram)
    assert isinstance(structure, Lists)
    if flat is None:
        return ListSearcher(codec, structure, codes, structure.effort)
    ram = held + 8 * len(codes) + structure.centroids.nbytes  # FAISS keeps ids of 8 bytes
    return FaissListSearcher(codec, structure, faiss_lists(structure, flat, codes), structure.effort, ram)
