"""Precomputed vectors (`vectors:PATH`): the registry of readers, and the checks of every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from embgeo.encoders.resolve import VECTORS
from embgeo.errors import DataError
from embgeo.files.addresses import without_secrets
from embgeo.files.digest import Digest
from embgeo.plugins import import_modules, load_plugins
from embgeo.progress import Progress, silent
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
    """

    docs: np.ndarray
    queries: np.ndarray | None
    doc_ids: Sequence[str] | None
    query_ids: Sequence[str] | None
    source: str
    warnings: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shapes, dtypes, ids and all bytes; computed when first asked, one pass in blocks of rows."""
        digest = Digest()
        for X in (self.docs, self.queries):
            if X is not None:
                digest.add(f"{X.shape} {X.dtype.str}\n").add_rows(X)
        for ids in (self.doc_ids, self.query_ids):
            digest.add_texts(ids or ()).add("none" if ids is None else "end")
        return digest.hex()


def load_named(name: str, queries_path: Path | None = None, progress: Progress = silent) -> Vectors:
    """The vectors that MODEL names: vectors:PATH, or a place in a store; raises as `load_vectors` does."""
    store = find_store(name)
    if store is None:
        return load_vectors(Path(name.removeprefix(VECTORS)).expanduser(), queries_path, progress)
    return _with_queries(read_store(*store, progress), without_secrets(name), queries_path)


def load_vectors(path: Path, queries_path: Path | None = None, progress: Progress = silent) -> Vectors:
    """Read vectors of documents, and of queries, from one file or two.

    A file holds one matrix (documents; or queries, in `queries_path`) or the keys docs, queries, doc_ids, query_ids.
    Queries of shape (d,) are one query.
    float16, float32 and float64 are served as stored; bfloat16 (.safetensors) is widened to float32 in memory.
    Ids are an array of strings or integers in .npz. A .safetensors file cannot hold strings: there they are a JSON
    list, either in the file's metadata under doc_ids / query_ids or as the UTF-8 bytes of a uint8 tensor of that name.

    Raises
    ------
    DataError
        A file is missing, malformed, truncated, empty, of an unknown kind, or holds other keys or dtypes.
    """
    path = Path(path)
    found = _read(path, "docs", progress)
    if "docs" not in found:
        raise DataError(f"{path} must hold the document vectors under the key docs; it has {', '.join(sorted(found))}")
    return _with_queries(found, str(path), queries_path)


def _with_queries(found: dict[str, np.ndarray], path: str, queries_path: Path | None) -> Vectors:
    """The checked vectors of `path`, with queries of another file."""
    source = path
    if queries_path is not None:
        queries_path = Path(queries_path)
        if "queries" in found:
            raise DataError(f"queries must come from one file; {path} holds some and {queries_path} was given too")
        apart = _read(queries_path, "queries")
        if "queries" not in apart:
            raise DataError(
                f"{queries_path} must hold one matrix or the key queries; it has {', '.join(sorted(apart))}"
            )
        found |= {key: apart[key] for key in ("queries", "query_ids") if key in apart}
        source += f" + {queries_path}"
    docs = _checked(found["docs"], "docs", path)
    queries = _checked(found["queries"], "queries", str(queries_path or path)) if "queries" in found else None
    doc_ids, query_ids = (_ids(found.get(key), key, source) for key in ID_KEYS)
    return Vectors(docs, queries, doc_ids, query_ids, source, tuple(found.get("warnings", np.empty(0)).tolist()))


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


def _read(path: Path, only: str, progress: Progress = silent) -> dict[str, np.ndarray]:
    """The arrays of a file under the known keys; a lone matrix gets the key `only`."""
    if not path.exists():
        raise DataError(f"no vector file {path}; check the path")
    if not path.is_file():
        raise DataError(f"{path} must be a vector file; it is a folder or device")
    suffix = path.suffix.lower()
    store = next((each for each in vector_stores().values() if suffix in each.suffixes), None)
    if store is not None:
        read = read_store(store, str(path), progress)
        return read if only == "docs" else {"queries": read["docs"]}
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
