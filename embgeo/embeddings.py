"""Embeddings: the type that metrics and compression work on, and the only place where arrays are validated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, get_args

import numpy as np

from embgeo.errors import InputError
from embgeo.files.ids import Ids, PackedIds, RowNumbers
from embgeo.files.mapped import release_pages
from embgeo.files.rows import Rows, is_matrix
from embgeo.numeric.compiled import compiled

Similarity = Literal["cosine", "dot", "euclidean"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
BLOCK_ROWS = 16384
SCATTERED_ROWS = 4096  # each brings in some 64 KB of a mapped file around it
HELD_BYTES = 64 * 2**20  # of float32 rows that are held as the accessors return them
COMPILED_SIZE = 2**18  # components from which normalising is worth a compiled loop
BALANCED = 20  # float32 covers 2^±126: enough for documents of any size that occurs, and for sums


@dataclass(frozen=True)
class Embeddings:
    """Document and query vectors of one model on one corpus.

    Build it with `check_embeddings`, which validates; the constructor only stores.

    Attributes
    ----------
    docs : (n, d) array, any float dtype, possibly a memory map, or `Rows` in several parts; rows are documents, as the
        encoder gave them.
    queries : (m, d) float32 array or None.
    doc_ids, query_ids : unique strings, one per row; `check_embeddings` gives the documents `Ids`.
    similarity : how the model is searched. Under "cosine" every accessor below returns unit rows; `docs` itself
        stays unchanged, so that a memory map is never copied.
    tokens : (vocabulary, d) token-embedding matrix of the encoder, when it has one.
    exponent : under "dot" the accessors return documents times 2^−exponent. It is 0 unless products of the corpus
        would exceed the range of float32; a common factor changes no ranking, and a power of two is exact.
    """

    docs: np.ndarray | Rows
    queries: np.ndarray | None
    doc_ids: Sequence[str]
    query_ids: Sequence[str]
    similarity: Similarity
    tokens: np.ndarray | None = None
    exponent: int = 0

    @property
    def dimension(self) -> int:
        return int(self.docs.shape[1])

    def __len__(self) -> int:
        return int(self.docs.shape[0])

    def rows(self, indices: np.ndarray | slice) -> np.ndarray:
        """Documents at `indices` as a new (k, d) float32 array, unit rows under cosine."""
        if self._held is not None:
            return np.array(self._held[indices])
        if isinstance(indices, np.ndarray) and len(indices) > SCATTERED_ROWS:
            return self._many_rows(np.asarray(indices))
        return self._prepared(indices)

    def _prepared(self, indices: np.ndarray | slice) -> np.ndarray:
        block = np.array(self.docs[indices], dtype=np.float32)
        if self.similarity == "cosine":
            return normalise(block)
        return np.ldexp(block, -self.exponent) if self.exponent else block

    @cached_property
    def _held(self) -> np.ndarray | None:
        """All documents, ready for use, if they are few: a sweep asks for them hundreds of times."""
        return self._prepared(slice(None)) if 0 < 4 * len(self) * self.dimension <= HELD_BYTES else None

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows that are held: another process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "_held"}

    def _many_rows(self, indices: np.ndarray) -> np.ndarray:
        """A sample of a mapped corpus touches most of its pages: it is read in their order and released by block."""
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        rows = np.empty((len(indices), self.dimension), np.float32)
        order = np.argsort(indices, kind="stable")
        for start in range(0, len(indices), SCATTERED_ROWS):
            block = order[start : start + SCATTERED_ROWS]
            rows[block] = self.rows(indices[block])
            release_pages(self.docs)
        return rows

    def blocks(self, size: int = BLOCK_ROWS) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, block) over all documents, for reading only; memory stays at one block."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield start, self._prepared(part) if self._held is None else self._held[part]
            release_pages(self.docs)

    def matrix(self) -> np.ndarray:
        """All documents as one (n, d) float32 array; do not call it on a corpus that may not fit in memory."""
        return self.rows(slice(None))

    def query_matrix(self) -> np.ndarray:
        """All queries as a new (m, d) float32 array, unit rows under cosine; (0, d) without queries.

        Under dot, queries whose products might exceed the range of float32 are scaled to about unit size by a power of
        two, which changes no ranking.
        """
        if self.queries is None:
            return np.empty((0, self.dimension), np.float32)
        block = np.array(self.queries, dtype=np.float32)
        if self.similarity == "cosine":
            return normalise(block)
        return balanced(block)[0] if self.similarity == "dot" else block


def normalise(X: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norms (in float64); a new float32 array. Zero rows stay zero."""
    norms = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    norms[norms == 0] = 1.0
    # norms of rows near 3e38 do not fit float32: the division runs in float64
    plain = X.dtype == np.float32 and X.flags.c_contiguous and X.flags.writeable  # what the loop is compiled for
    if not plain or X.size < COMPILED_SIZE:
        return np.divide(X, norms[:, None], out=np.empty(X.shape, np.float32), casting="same_kind")
    out = np.empty(X.shape, np.float32)
    _divide_kernel()(X, norms, out)
    return out


@cache
def _divide_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(X, norms, out):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(X)):
            for j in range(X.shape[1]):
                out[i, j] = np.float64(X[i, j]) / norms[i]

    return kernel


def balanced(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and the exponents (n,) int32 that restore them: X = rows · 2^exponents, exactly.

    Rows whose largest component lies within 2^±BALANCED are unchanged, with exponent 0; the others are scaled to
    a largest component between ½ and 1, so that sums of products with them neither overflow nor underflow in float32.
    """
    exponents = np.frexp(np.abs(X).max(axis=1, initial=0))[1]
    exponents = np.where(np.abs(exponents) > BALANCED, exponents, 0).astype(np.int32)
    return (np.ldexp(X, -exponents[:, None]) if exponents.any() else X), exponents


def check_embeddings(
    docs: np.ndarray | Rows,
    queries: np.ndarray | None = None,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    similarity: str = "cosine",
    tokens: np.ndarray | None = None,
) -> Embeddings:
    """Validate arrays and return `Embeddings`; inputs are never written to and a memory map is read once, in blocks.

    Ids default to the row numbers as strings.

    Raises
    ------
    InputError
        For anything but finite 2-D float or integer arrays of equal dimension with unique ids, for an empty corpus,
        and for zero rows under cosine. The message counts the offending rows and gives the first.
    """
    if similarity not in SIMILARITIES:
        raise InputError(f"similarity must be one of {', '.join(SIMILARITIES)}; got {similarity!r}")
    cosine = similarity == "cosine"
    largest = _check_matrix(docs, "document embeddings", cosine)
    if docs.shape[0] == 0:
        raise InputError("the corpus must hold at least one document; got none")
    if queries is not None:
        _check_matrix(queries, "query embeddings", cosine)
        if queries.shape[1] != docs.shape[1]:
            raise InputError(
                f"documents and queries must have the same dimension; got {docs.shape[1]} and {queries.shape[1]}. "
                "Were they encoded by the same model?"
            )
    doc_ids = _check_ids(doc_ids, docs.shape[0], "document")
    query_ids = list(_check_ids(query_ids, 0 if queries is None else queries.shape[0], "query"))
    exponent = int(balanced(np.array([[largest]], np.float32))[1][0]) if similarity == "dot" else 0
    return Embeddings(docs, queries, doc_ids, query_ids, similarity, tokens, exponent)


def _check_matrix(X: np.ndarray | Rows, what: str, cosine: bool) -> float:
    """The largest absolute value of a component; raises the errors of `check_embeddings`."""
    if not is_matrix(X):
        raise InputError(f"{what} must be a NumPy array; got {type(X).__name__}")
    if X.ndim != 2 or X.shape[1] == 0:
        raise InputError(f"{what} must be a 2-D array (rows, dimension ≥ 1); got shape {X.shape}")
    if X.dtype.kind not in "fiu":
        raise InputError(f"{what} must be real numbers; got dtype {X.dtype}")
    bad, zero, largest = 0, 0, 0.0
    first_bad = first_zero = -1
    for start in range(0, X.shape[0], BLOCK_ROWS):
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf and is counted below
            block = np.asarray(X[start : start + BLOCK_ROWS], dtype=np.float32)
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            first_bad = first_bad if bad else start + int(np.flatnonzero(~finite)[0])
            bad += int((~finite).sum())
        largest = max(largest, float(block.max(initial=0)), -float(block.min(initial=0)))
        empty = ~block.any(axis=1)
        if empty.any():
            first_zero = first_zero if zero else start + int(np.flatnonzero(empty)[0])
            zero += int(empty.sum())
        release_pages(X)
    if bad:
        raise InputError(
            f"{what} must be finite in float32; {bad} of {X.shape[0]} rows are not, the first is row {first_bad}. "
            "Drop or impute them."
        )
    if cosine and zero:
        raise InputError(
            f"{what} must not be zero under cosine similarity; {zero} of {X.shape[0]} rows are, the first is row "
            f"{first_zero}. Drop them or use dot similarity."
        )
    return largest


def _check_ids(ids: Sequence[str] | None, rows: int, what: str) -> Ids:
    if ids is None:
        return RowNumbers(rows)
    names = ids if isinstance(ids, Ids) else PackedIds.of(str(i) for i in ids)
    if len(names) != rows:
        raise InputError(f"{what} ids must match the vectors; got {len(names)} ids for {rows} vectors")
    repeats, first = names.repeated()
    if repeats:
        raise InputError(f"{what} ids must be unique; {repeats} repeat, the first is {first!r}")
    return names
