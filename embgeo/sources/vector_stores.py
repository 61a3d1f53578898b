"""Stores that hold vectors (`sqlite-vec:PATH/TABLE.COLUMN`, …): the registry, and the copy that a run works on.

A store is read once, in blocks and without writing to it, into a float32 matrix in a temporary file of the cache
folder, its texts into a second one; the files have no names, so that they are gone when the process ends, however it
ends.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from embgeo.encoders.resolve import VECTORS
from embgeo.errors import DataError, EmbgeoError, UnknownNameError
from embgeo.files.addresses import without_secrets
from embgeo.files.cache_folder import cache_directory, cache_errors
from embgeo.files.ids import Ids, PackedIds, stacked_ids
from embgeo.plugins import import_modules, load_plugins
from embgeo.progress import Progress, silent
from embgeo.sources.scratch import unnamed_file
from embgeo.sources.texts import StoredTexts, TextColumn

BLOCK_ROWS = 8192
_ADDRESS = re.compile(r"([A-Za-z][\w.+-]+):(.*)", re.DOTALL)


class Block(NamedTuple):
    """Consecutive rows of a store: their ids or None, the matrix (b, dimension), their texts or None."""

    ids: Sequence[object] | np.ndarray | None
    vectors: np.ndarray
    texts: Sequence[str | None] | None = None


@dataclass(frozen=True)
class StoredRows:
    """What an open store yields.

    Attributes
    ----------
    rows, dimension : the size; `rows` is for the progress only.
    blocks : in an order that is the same for the same content; ids in all or none of them, texts likewise.
    warnings : what the user must know of these vectors.
    """

    rows: int
    dimension: int
    blocks: Iterator[Block]
    warnings: tuple[str, ...] = ()


Open = Callable[[str, TextColumn], Iterator[StoredRows]]


@dataclass(frozen=True)
class VectorStore:
    """A registered kind of store.

    Attributes
    ----------
    scheme : `scheme:place` names such a store.
    form : what a place looks like, for help and errors.
    suffixes : of files that are such a store by themselves: `vectors:FILE` reads them too.
    on_disk : a place begins with a path.
    """

    scheme: str
    form: str
    suffixes: tuple[str, ...]
    on_disk: bool
    open: Callable[[str, TextColumn], AbstractContextManager[StoredRows]]


_STORES: dict[str, VectorStore] = {}


def vector_store(
    scheme: str, *, form: str, suffixes: Sequence[str] = (), on_disk: bool = True
) -> Callable[[Open], Open]:
    """Register the decorated generator as the reader of stores `scheme:place`; `scheme` must be new.

    It takes the place and the column of texts, opens the store for reading only, yields one `StoredRows`, and closes
    it. A store without texts ignores the column. Whatever it raises is reported as a `DataError` about the store.
    """

    def register(read: Open) -> Open:
        if scheme in _STORES:
            raise ValueError(f"a reader of {scheme}: is already registered")
        _STORES[scheme] = VectorStore(scheme, form, tuple(suffixes), on_disk, contextmanager(read))
        return read

    return register


@cache
def vector_stores() -> Mapping[str, VectorStore]:
    """Every store by its scheme."""
    import_modules("embgeo.sources.vectors")
    load_plugins()
    return dict(_STORES)


def find_store(name: str) -> tuple[VectorStore, str] | None:
    """The store and the place in it that `name` means; None if `name` has no scheme, is vectors:PATH or a file.

    Raises UnknownNameError for an unknown scheme.
    """
    found = _ADDRESS.fullmatch(name)
    if found is None or name.startswith(VECTORS):
        return None
    scheme, place = found.groups()
    known = vector_stores()
    if scheme not in known:
        if Path(name).expanduser().exists():
            return None
        forms = {"vectors": f"{VECTORS}PATH"} | {each.scheme: f"{each.scheme}:{each.form}" for each in known.values()}
        near = difflib.get_close_matches(scheme, forms, 1)
        meant = f"did you mean {forms[near[0]]}?" if near else "there is no such store."
        raise UnknownNameError(f"unknown source {scheme + ':'!r}; {meant} The forms are {', '.join(forms.values())}")
    return known[scheme], place


def names_vectors(name: str) -> bool:
    """Whether `name` is vectors:PATH or a place in a store; raises UnknownNameError for an unknown scheme."""
    return name.startswith(VECTORS) or find_store(name) is not None


def read_store(
    store: VectorStore, place: str, text: TextColumn | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """`docs` (n, d) float32, mapped from a temporary file; `doc_ids`, `doc_texts` if it has them; `warnings`.

    Without `text`, the column of texts is found by itself. Raises DataError about the store or the column,
    MissingExtraError without its package, and StorageError if the cache is full.
    """
    name, text = without_secrets(f"{store.scheme}:{place}"), text or TextColumn()
    with _errors_of(store, name), store.open(place, text) as found:
        if not found.rows:
            raise DataError(f"{name} holds no vectors")
        docs, ids, texts = _copy(found, name, progress)
    if text.name and text.required and texts is None:
        raise DataError(f"{name} gives no texts, so none from {text.name!r}; leave --text out")
    arrays: dict[str, Any] = {"docs": docs, "warnings": found.warnings}
    if len(ids):
        arrays |= {"doc_ids": ids, "ids_from": "in the store"}
    return arrays if texts is None else {**arrays, "doc_texts": texts}


@contextmanager
def _errors_of(store: VectorStore, name: str) -> Iterator[None]:
    try:
        yield
    except EmbgeoError:
        raise
    except Exception as error:
        # broad on purpose: every client has its own errors
        line = without_secrets((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise DataError(f"{name} cannot be read as {store.scheme}:{store.form}: {line[:300]}") from error


def _copy(found: StoredRows, name: str, progress: Progress) -> tuple[np.ndarray, Ids, StoredTexts | None]:
    """The matrix as a memory map of a file without a name, the ids, and the texts in another such file."""
    d, done, ids = found.dimension, 0, list[Ids]()
    stage = f"reading vectors: {found.rows:,} × {d}, {4e-6 * found.rows * d:,.1f} MB in the cache folder"
    folder = cache_directory()
    with unnamed_file() as file, unnamed_file() as second:
        texts = StoredTexts(second)
        progress(stage, 0, found.rows)
        for each in found.blocks:
            block = Block(*each)
            X = block.vectors
            if X.ndim != 2 or X.shape[1] != d:
                raise DataError(f"every vector of {name} must have {d} dimensions; got a block of shape {X.shape}")
            with cache_errors(folder):
                file.write(np.ascontiguousarray(X, np.float32).data)
                texts.extend(block.texts or ())
            ids.append(PackedIds.of(str(one) for one in (() if block.ids is None else block.ids)))
            done += len(X)
            progress(stage, min(done, found.rows - 1), found.rows)
        with cache_errors(folder):
            file.flush()
            texts.close()
        if not done:
            raise DataError(f"{name} holds no vectors")
        X = np.memmap(file, np.float32, "r", shape=(done, d))
    progress(stage, found.rows, found.rows)
    return X, stacked_ids(ids), texts if len(texts) else None
