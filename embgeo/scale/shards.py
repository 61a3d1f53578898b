"""The shards of a corpus: where it is cut, and each as something that another process can open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings, Similarity
from embgeo.errors import DataError
from embgeo.files.rows import Rows, StackedRows

ONE_PIECE_BYTES = 4 * 2**30  # vectors as stored: a larger corpus in one piece is cut
SHARD_BYTES = 2**30  # of vectors as stored: no shard is larger


@dataclass(frozen=True)
class Shard:
    """Consecutive documents of a corpus.

    Pickled, it holds the name of the mapped file that it lies in, or its vectors if they lie in none.

    Attributes
    ----------
    number : its place among the shards, from 0.
    first, rows : its first document in the corpus, and how many it has.
    docs, start : the matrix that holds them, and the row of it where they begin.
    similarity, exponent : as in `Embeddings`.
    """

    number: int
    first: int
    rows: int
    docs: np.ndarray | Rows
    start: int
    similarity: Similarity
    exponent: int

    def embeddings(self) -> Embeddings:
        """The documents as a corpus of their own, without ids."""
        docs = self.docs[self.start : self.start + self.rows]
        return Embeddings(docs, None, (), (), self.similarity, exponent=self.exponent)

    def blocks(self) -> Iterator[np.ndarray]:
        """(b, d) float32 blocks in the order of the rows, unit rows under cosine; memory stays at one block."""
        return (block for _, block in self.embeddings().blocks())

    def __reduce__(self) -> tuple[Any, ...]:
        place = _place(self.docs)
        facts = self.number, self.first, self.rows
        if place is None:
            docs = np.array(self.docs[self.start : self.start + self.rows])
            return Shard, (*facts, docs, 0, self.similarity, self.exponent)
        return _opened, (*facts, place, self.start, self.similarity, self.exponent)


@dataclass(frozen=True)
class _Place:
    """Where a mapped matrix lies."""

    path: str
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]


def _place(docs: np.ndarray | Rows) -> _Place | None:
    """The file of a memory map that begins where the map does; None of anything else, views of maps included."""
    if not isinstance(docs, np.memmap) or not isinstance(docs.base, mmap) or not docs.flags.c_contiguous:
        return None
    return None if docs.filename is None else _Place(str(docs.filename), docs.dtype, docs.offset, docs.shape)


def _opened(
    number: int, first: int, rows: int, place: _Place, start: int, similarity: Similarity, exponent: int
) -> Shard:
    try:
        docs = np.memmap(place.path, place.dtype, "r", place.offset, place.shape)
    except (OSError, ValueError) as error:
        raise DataError(f"{place.path} must be readable where a task runs, under the same path; {error}") from None
    return Shard(number, first, rows, docs, start, similarity, exponent)


def is_sharded(embeddings: Embeddings) -> bool:
    """Whether a corpus is worked on by shards: it lies in several parts, or in one larger than `ONE_PIECE_BYTES`."""
    parts = _parts(embeddings.docs)
    return len(parts) > 1 or sum(len(part) for part in parts) * _row_bytes(embeddings) > ONE_PIECE_BYTES


def shards_of(embeddings: Embeddings) -> list[Shard]:
    """The parts of a corpus as they lie, cut where one is larger than `SHARD_BYTES`; parts without rows are left out.

    The cut depends on the corpus alone, and so does every result.
    """
    found: list[Shard] = []
    most = max(1, SHARD_BYTES // _row_bytes(embeddings))
    first = 0
    for part in _parts(embeddings.docs):
        pieces = -(-len(part) // most)
        for piece in range(pieces):
            start, stop = (len(part) * at // pieces for at in (piece, piece + 1))
            facts = len(found), first + start, stop - start
            found.append(Shard(*facts, part, start, embeddings.similarity, embeddings.exponent))
        first += len(part)
    return found


def _parts(docs: np.ndarray | Rows) -> list[np.ndarray | Rows]:
    return [part for part in docs.parts if len(part)] if isinstance(docs, StackedRows) else [docs]


def _row_bytes(embeddings: Embeddings) -> int:
    return int(embeddings.docs.dtype.itemsize) * embeddings.dimension
