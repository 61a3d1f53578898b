"""FAISS index files: the vectors that an index can give back, with the ids that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import BLOCK_ROWS, Block, StoredRows, vector_store


@vector_store("faiss", form="PATH", suffixes=(".faiss", ".index"))
def open_faiss(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """The index is loaded into memory; it has no texts. Vectors of a lossy one are what it decodes, with a warning."""
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("reading a FAISS file needs FAISS: pip install 'embgeo[cpu]'") from None

    path = Path(place).expanduser()
    if not path.is_file():
        raise DataError(f"no FAISS file {path}; check the path")
    outer = faiss.read_index(str(path))
    index, given = outer, None
    if isinstance(outer, faiss.IndexIDMap):  # IndexIDMap2 is one
        index, given = faiss.downcast_index(outer.index), faiss.vector_to_array(outer.id_map)
    n, d = int(index.ntotal), int(index.d)
    if not n:
        raise DataError(f"{path} holds no vectors")
    keys = _keys(faiss, index)
    try:
        # a batch would end the process where a single vector raises: FAISS reconstructs it in threads
        index.reconstruct(int(keys[0]))
    except (RuntimeError, NotImplementedError):
        raise DataError(
            f"{path} must be an index that can give its vectors back; {_kind(faiss, index)} cannot. "
            "Use the vectors that it was built from"
        ) from None
    ids = keys if given is None else given[keys]

    def blocks() -> Iterator[Block]:
        for start in range(0, n, BLOCK_ROWS):
            yield Block(ids[start : start + BLOCK_ROWS], index.reconstruct_batch(keys[start : start + BLOCK_ROWS]))

    own_ids = given is not None or not np.array_equal(keys, np.arange(n))
    numbered = blocks() if own_ids else (block._replace(ids=None) for block in blocks())
    yield StoredRows(n, d, numbered, _lossy(faiss, index, path))


def _keys(faiss: Any, index: Any) -> np.ndarray:
    """What the index calls its vectors: row numbers, or under lists the ids that it was given, in ascending order."""
    lists = faiss.try_extract_index_ivf(index)
    if lists is None:
        return np.arange(index.ntotal, dtype=np.int64)
    lists = faiss.downcast_index(lists)
    if isinstance(lists, faiss.IndexIVFFastScan):
        raise DataError(
            f"{type(lists).__name__} cannot give its vectors back by id; use the vectors that it was built from"
        )
    stored = lists.invlists
    sizes = [stored.list_size(number) for number in range(lists.nlist)]
    ids = [faiss.rev_swig_ptr(stored.get_ids(number), size).copy() for number, size in enumerate(sizes) if size]
    lists.set_direct_map_type(faiss.DirectMap.Hashtable)
    return np.sort(np.concatenate(ids))


def _lossy(faiss: Any, index: Any, path: Path) -> tuple[str, ...]:
    """A warning if a code is smaller than the float32 vector."""
    kind, inner, full = _kind(faiss, index), index, 4 * index.d
    if isinstance(inner, faiss.IndexRefine):
        inner = faiss.downcast_index(inner.refine_index)
    if isinstance(inner, faiss.IndexHNSW | faiss.IndexNSG | faiss.IndexNNDescent):
        inner = faiss.downcast_index(inner.storage)
    size = int(inner.sa_code_size())
    if size >= full:
        return ()
    return (
        f"{path} is lossy ({kind}, {size:,} bytes a vector instead of {full:,}): its vectors are what it decodes, "
        "so every result is relative to them and not to the original vectors",
    )


def _kind(faiss: Any, index: Any) -> str:
    if isinstance(index, faiss.IndexPreTransform):
        return f"IndexPreTransform over {type(faiss.downcast_index(index.index)).__name__}"
    return type(index).__name__
