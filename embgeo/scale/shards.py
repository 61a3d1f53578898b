"""The shards of a corpus: where it is cut, and each as something that another process can open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np

from embgeo.embeddings import Embeddings, Similarity
from embgeo.errors import DataError
from embgeo.files.rows import RowRange, Rows

ONE_PIECE_BYTES = 4 * 2**30  # vectors as stored: a larger corpus in one piece is cut
SHARD_BYTES = 2**30  # of vectors as stored: no shard is larger


@dataclass(frozen=True)
class Shard:
    """Consecutive documents of a corpus.

    Pickled, it holds the name of the file that it lies in, or its vectors if that does not say how to open it.

    Attributes
    ----------
    docs, start : the matrix that holds them, and the row of it where they begin.
    number : its place among the shards, from 0.
    first, rows : its first document in the corpus, and how many it has.
    similarity, exponent : as in `Embeddings`.
    """

    docs: np.ndarray | Rows
    start: int
    number: int
    first: int
    rows: int
    similarity: Similarity
    exponent: int

    def embeddings(self) -> Embeddings:
        """The documents as a corpus of their own, without ids."""
        if isinstance(self.docs, Rows):
            docs: np.ndarray | Rows = RowRange(self.docs, self.start, self.rows)
        else:
            docs = self.docs[self.start : self.start + self.rows]
        return Embeddings(docs, None, (), (), self.similarity, exponent=self.exponent)

    def blocks(self) -> Iterator[np.ndarray]:
        """(b, d) float32 blocks in the order of the rows, unit rows under cosine; memory stays at one block."""
        return (block for _, block in self.embeddings().blocks())

    def __reduce__(self) -> tuple[Any, ...]:
        facts = self.number, self.first, self.rows, self.similarity, self.exponent
        opening = self.docs.opening() if isinstance(self.docs, Rows) else _opening(self.docs)
        if opening is not None:
            return _opened, (*opening, self.start, *facts)
        return Shard, (np.array(self.docs[self.start : self.start + self.rows]), 0, *facts)


def _opening(docs: np.ndarray) -> tuple[Callable[..., np.ndarray], tuple[Any, ...]] | None:
    """What opens a memory map that begins with its file's data; None of anything else, views of maps included."""
    if not isinstance(docs, np.memmap) or not isinstance(docs.base, mmap) or not docs.flags.c_contiguous:
        return None
    return (
        None if docs.filename is None else (np.memmap, (str(docs.filename), docs.dtype, "r", docs.offset, docs.shape))
    )


def _opened(open_: Callable[..., np.ndarray | Rows], place: tuple[Any, ...], *facts: Any) -> Shard:
    try:
        docs = open_(*place)
    except (OSError, ValueError) as error:
        raise DataError(f"{place[0]} must be readable where a task runs, under the same path; {error}") from None
    return Shard(docs, *facts)


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
            facts = len(found), first + start, stop - start, embeddings.similarity, embeddings.exponent
            found.append(Shard(part, start, *facts))
        first += len(part)
    return found


def _parts(docs: np.ndarray | Rows) -> list[np.ndarray | Rows]:
    """The matrices, one for each file, that hold the documents."""
    if not isinstance(docs, Rows) or docs.pieces[0] is docs:
        return [docs]
    return [part for piece in docs.pieces if len(piece) for part in _parts(piece)]


def _row_bytes(embeddings: Embeddings) -> int:
    return int(embeddings.docs.dtype.itemsize) * embeddings.dimension
