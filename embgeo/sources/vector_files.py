"""Precomputed vectors (`vectors:PATH`): the registry of readers, and the checks of every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.encoders.resolve import VECTORS
from embgeo.errors import DataError, InputError
from embgeo.files.addresses import without_secrets
from embgeo.files.digest import Digest
from embgeo.plugins import import_modules, load_plugins
from embgeo.progress import Progress, silent
from embgeo.sources.texts import NO_TEXTS, TextColumn
from embgeo.sources.vector_stores import find_store, read_store, vector_stores

ID_KEYS = ("doc_ids", "query_ids")
KEYS = ("docs", "queries", *ID_KEYS)
Read = Callable[[Path], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Reader:
    """A reader of vector files: `read` returns the arrays of a file by name; `note` is a remark for the user."""

    suffix: str
    read: Read
    note: str


_READERS: dict[str, Reader] = {}


def vectors(suffix: str, note: str = "") -> Callable[[Read], Read]:
    """Register the decorated function as the reader of files that end in `suffix`, which must be new.

    It takes the path and returns one matrix under any name, or arrays under `KEYS`. Whatever it raises is reported
    as a `DataError` about the file.
    """

    def register(read: Read) -> Read:
        if suffix in _READERS:
            raise ValueError(f"a reader of {suffix} files is already registered")
        _READERS[suffix] = Reader(suffix, read, note)
        return read

    return register


@cache
def readers() -> Mapping[str, Reader]:
    """Every reader by the suffix of its files."""
    import_modules("embgeo.sources.vectors")
    load_plugins()
    return dict(_READERS)


def file_suffixes() -> list[str]:
    """The endings of every file that vectors:PATH reads."""
    return [*readers(), *(suffix for store in vector_stores().values() for suffix in store.suffixes)]


def in_words(names: Sequence[str]) -> str:
    """a, b or c"""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@dataclass(frozen=True)
class Vectors:
    """Document and query vectors from files, not yet checked for finite values (`check_embeddings` does that).

    Attributes
    ----------
    docs : (n, d) float array, n ≥ 1; a read-only memory map for .npy and .safetensors.
    queries : (m, d) float array or None.
    doc_ids, query_ids : strings, or None if the file has none: rows are then aligned by their order.
    source : the files, as given; a store without its password.
    warnings : what the user must know of these vectors.
    doc_texts, query_texts : by row, or None; only stores have some.
    """

    docs: np.ndarray
    queries: np.ndarray | None
    doc_ids: Sequence[str] | None
    query_ids: Sequence[str] | None
    source: str
    warnings: tuple[str, ...] = ()
    doc_texts: Sequence[str] | None = None
    query_texts: Sequence[str] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shapes, dtypes, ids and all bytes, without texts; computed when first asked, by blocks."""
        digest = Digest()
        for X in (self.docs, self.queries):
            if X is not None:
                digest.add(f"{X.shape} {X.dtype.str}\n").add_rows(X)
        for ids in (self.doc_ids, self.query_ids):
            digest.add_texts(ids or ()).add("none" if ids is None else "end")
        return digest.hex()


def load_named(
    name: str,
    queries: str | PathLike[str] | None = None,
    progress: Progress = silent,
    text: str | None = None,
) -> Vectors:
    """The vectors that MODEL and --queries-vectors name: files (vectors:PATH; queries also PATH), or places in stores.

    `text` names the column of texts, which is otherwise found by itself; "" reads none. The queries' texts are in a
    column of that name, or found by themselves. Raises as `load_vectors` does.
    """
    return _with_queries(*_named(name, "docs", TextColumn(text), progress), queries, text)


def load_vectors(path: Path, queries: str | PathLike[str] | None = None, progress: Progress = silent) -> Vectors:
    """Read vectors of documents, and of queries, from one file or two.

    A file holds one matrix (documents; or queries, in `queries`) or the keys docs, queries, doc_ids, query_ids.
    Queries of shape (d,) are one query.
    float16, float32 and float64 are served as stored; bfloat16 (.safetensors) is widened to float32 in memory.
    Ids are an array of strings or integers in .npz. A .safetensors file cannot hold strings: there they are a JSON
    list, either in the file's metadata under doc_ids / query_ids or as the UTF-8 bytes of a uint8 tensor of that name.

    Raises
    ------
    DataError
        A file is missing, malformed, truncated, empty, of an unknown kind, or holds other keys or dtypes.
    """
    return _with_queries(_read(Path(path), "docs", progress), str(path), queries, "")


def _named(name: str, only: str, text: TextColumn, progress: Progress = silent) -> tuple[dict[str, Any], str]:
    """The arrays of a file or a store, and its name without a password.

    A lone matrix, and what a store holds, are documents or queries, as `only` says: docs or queries.
    """
    store = find_store(name)
    if store is None:
        if text.name and text.required:
            raise InputError(f"--text names a column of a store; {name} is a file of vectors")
        path = Path(name.removeprefix(VECTORS)).expanduser()
        return _read(path, only, progress), str(path)
    return _as(only, read_store(*store, text, progress)), without_secrets(name)


def _as(only: str, read: dict[str, Any]) -> dict[str, Any]:
    """What was read from a store, under the names of documents or of queries."""
    if only == "docs":
        return read
    return {{"docs": "queries"}.get(key, key.replace("doc_", "query_")): value for key, value in read.items()}


def _with_queries(
    found: dict[str, Any], path: str, queries_name: str | PathLike[str] | None, text: str | None
) -> Vectors:
    """The checked vectors of `path`, with queries from elsewhere."""
    if "docs" not in found:
        raise DataError(f"{path} must hold the document vectors under the key docs; it has {', '.join(sorted(found))}")
    source, shown, warnings = path, path, tuple(found.get("warnings", ()))
    if queries_name is not None:
        if "queries" in found:
            other = without_secrets(fspath(queries_name))
            raise DataError(f"queries must come from one file; {path} holds some and {other} was given too")
        apart, shown = _named(fspath(queries_name), "queries", TextColumn(text, required=False))
        if "queries" not in apart:
            raise DataError(f"{shown} must hold one matrix or the key queries; it has {', '.join(sorted(apart))}")
        found |= {key: apart[key] for key in ("queries", "query_ids", "query_texts") if key in apart}
        warnings += tuple(apart.get("warnings", ()))
        source += f" + {shown}"
    docs = _checked(found["docs"], "docs", path)
    queries = _checked(found["queries"], "queries", shown) if "queries" in found else None
    doc_ids, query_ids = (_ids(found.get(key), key, source) for key in ID_KEYS)
    texts = found.get("doc_texts"), found.get("query_texts")
    return Vectors(docs, queries, doc_ids, query_ids, source, warnings, *texts)


def load_queries(path: Path) -> np.ndarray:
    """(m, d) query vectors: a matrix or one vector, the key queries, or else docs; raises as `load_vectors` does."""
    path = Path(path)
    found = _read(path, "queries")
    if "queries" not in found and "docs" not in found:
        raise DataError(f"{path} must hold one matrix or the key queries; it has {', '.join(sorted(found))}")
    return _checked(found["queries" if "queries" in found else "docs"], "queries", path)


def one_row(X: np.ndarray) -> np.ndarray:
    """(d,) → (1, d), as an encoder gives a single text; other shapes as they are."""
    return X[None] if X.ndim == 1 else X


def _read(path: Path, only: str, progress: Progress = silent) -> dict[str, Any]:
    """The arrays of a file under the known keys; a lone matrix gets the key `only`."""
    if not path.exists():
        raise DataError(f"no vector file {path}; check the path")
    if not path.is_file():
        raise DataError(f"{path} must be a vector file; it is a folder or device")
    suffix = path.suffix.lower()
    store = next((each for each in vector_stores().values() if suffix in each.suffixes), None)
    if store is not None:
        return _as(only, read_store(store, str(path), NO_TEXTS, progress))
    reader = readers().get(suffix)
    if reader is None:
        raise DataError(f"a vector file must be {in_words(file_suffixes())}; got {path}")
    try:
        arrays = reader.read(path)
    except DataError:
        raise
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied") from None
    except Exception as error:
        # broad on purpose: NumPy's header parser alone raises six kinds on damaged bytes (found by hypothesis)
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not a valid {reader.suffix} file: {line[:200]}") from error
    if len(arrays) == 1 and not set(arrays) & set(KEYS):
        return {only: next(iter(arrays.values()))}
    unknown = sorted(set(arrays) - set(KEYS))
    if unknown or not arrays:
        raise DataError(
            f"{path} must hold one matrix or the keys {', '.join(KEYS)}; got {', '.join(unknown[:5]) or 'nothing'}"
        )
    return dict(arrays)


def _checked(X: np.ndarray, key: str, path: str | Path) -> np.ndarray:
    if key == "queries":
        X = one_row(X)
    if X.dtype.kind != "f" or X.dtype.itemsize not in (2, 4, 8):
        hint = ""
        if X.dtype.kind in "iub":
            hint = (
                ". If the integers are quantizer codes, decode them with their scale and offset first; if they are the "
                "values themselves, save X.astype(numpy.float32)"
            )
        raise DataError(f"{key} in {path} must be float16, float32, float64 or bfloat16; got {X.dtype}{hint}")
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"{key} in {path} must be a matrix with at least one row and column; got shape {X.shape}")
    return X


def _ids(ids: np.ndarray | None, key: str, source: str) -> list[str] | None:
    if ids is None:
        return None
    if ids.ndim != 1 or ids.dtype.kind not in "UiuS":
        raise DataError(f"{key} in {source} must be a list of strings or integers; got {ids.dtype}, shape {ids.shape}")
    if ids.dtype.kind == "S":
        try:
            return [name.decode("utf-8") for name in ids.tolist()]
        except UnicodeDecodeError:
            raise DataError(f"{key} in {source} must be UTF-8") from None
    return [str(name) for name in ids.tolist()]
