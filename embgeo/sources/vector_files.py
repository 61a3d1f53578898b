"""Precomputed vectors (`vectors:PATH`): the registry of readers, and the checks of every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from embgeo.encoders.resolve import VECTORS
from embgeo.errors import DataError, EmbgeoError, InputError
from embgeo.files.addresses import without_secrets
from embgeo.files.digest import Digest
from embgeo.files.ids import Ids, PackedIds, as_ids, stacked_ids
from embgeo.files.rows import Rows, StackedRows
from embgeo.plugins import import_modules, load_plugins
from embgeo.progress import Progress, silent
from embgeo.sources.scratch import copied
from embgeo.sources.series import ids_beside, is_pattern, shards_of
from embgeo.sources.texts import NO_TEXTS, TextColumn
from embgeo.sources.vector_stores import find_store, read_store, vector_stores

ID_KEYS = ("doc_ids", "query_ids")
KEYS = ("docs", "queries", *ID_KEYS)
Found = Mapping[str, Any]  # arrays, `Rows` and `Ids`, and under ids_from where the ids came from, in words
Read = Callable[..., Found]
Matrix = TypeVar("Matrix", np.ndarray, np.ndarray | Rows)


@dataclass(frozen=True)
class Reader:
    """A reader of vector files.

    Attributes
    ----------
    suffix : the ending of its files; of a folder that is one corpus, or "/NAME" of a file by which it is known.
    read : returns the arrays of a file by name; with `columns` it takes the path and the column that is named, or "".
    folder : it reads folders and not files.
    """

    suffix: str
    read: Read
    columns: bool
    folder: bool


_READERS: dict[str, Reader] = {}


def vectors(suffix: str, *, columns: bool = False, folder: bool = False) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of files that end in `suffix`, which must be new.

    It takes the path and returns one matrix under any name, or arrays under `KEYS`; ids may be `Ids`, and documents
    `Rows`. With `columns` it also takes the name of a column, from `vectors:PATH#COLUMN`, or "". With `folder` it reads
    folders of that ending, or, if `suffix` is "/NAME", folders that hold such a file. Whatever it raises is reported as
    a `DataError` about the file.
    """

    def register(read: Read) -> Read:
        if suffix in _READERS:
            raise ValueError(f"a reader of {suffix} files is already registered")
        _READERS[suffix] = Reader(suffix, read, columns, folder)
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
    own = [suffix for suffix in readers() if not suffix.startswith("/")]
    return [*own, *(suffix for store in vector_stores().values() for suffix in store.suffixes)]


def in_words(names: Sequence[str]) -> str:
    """a, b or c"""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@dataclass(frozen=True)
class Vectors:
    """Document and query vectors from files, not yet checked for finite values (`check_embeddings` does that).

    Attributes
    ----------
    docs : (n, d) floats or 8-bit integers, n ≥ 1; a read-only memory map where the file is one, `Rows` for shards.
    queries : (m, d) array of the same kinds, or None.
    doc_ids, query_ids : strings, or None if the file has none: rows are then aligned by their order.
    source : the files, as given; a store without its password.
    warnings : what the user must know of these vectors.
    doc_texts, query_texts : by row, or None; only stores have some.
    form : rows, dimension, dtype, the number of files and where the ids came from, in words; "" for arrays.
    """

    docs: np.ndarray | Rows
    queries: np.ndarray | None
    doc_ids: Sequence[str] | None
    query_ids: Sequence[str] | None
    source: str
    warnings: tuple[str, ...] = ()
    doc_texts: Sequence[str] | None = None
    query_texts: Sequence[str] | None = None
    form: str = ""

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
    name: str, queries: str | PathLike[str] | None = None, progress: Progress = silent, text: str | None = None
) -> Vectors:
    """The vectors that MODEL and --queries-vectors name: files (vectors:PATH; queries also PATH), or places in stores.

    `text` names the column of texts, which is otherwise found by itself; "" reads none. The queries' texts are in a
    column of that name, or found by themselves. Raises as `load_vectors` does.
    """
    return _with_queries(*_named(name, "docs", TextColumn(text), progress), queries, text, progress)


def check_named(name: str) -> None:
    """Raise what `load_named` would raise if `name` is vectors:PATH without such files, or a store of no known kind."""
    if find_store(name) is None:
        _is_pattern(_split(name.removeprefix(VECTORS))[0])


def load_vectors(path: Path, queries: str | PathLike[str] | None = None, progress: Progress = silent) -> Vectors:
    """Read vectors of documents, and of queries, from files; shards are a folder or a pattern (`FOLDER/emb_*.npy`).

    A file holds one matrix (documents; or queries, in `queries`) or the keys docs, queries, doc_ids, query_ids.
    Queries of shape (d,) are one query.
    float16, float32 and float64 are served as stored; bfloat16 (.safetensors) is widened to float32 in memory.
    int8 and uint8 are taken as values, with a warning. Ids are an array of strings or integers in .npz. A .safetensors
    file cannot hold strings: there they are a JSON list, either in the file's metadata under doc_ids / query_ids or as
    the UTF-8 bytes of a uint8 tensor of that name.

    Raises
    ------
    DataError
        A file is missing, malformed, truncated, empty, of an unknown kind, or holds other keys or dtypes.
    """
    return _with_queries(_read(str(path), "docs", progress), str(path), queries, "", progress)


def _named(name: str, only: str, text: TextColumn, progress: Progress = silent) -> tuple[dict[str, Any], str]:
    """The arrays of a file or a store, and its name without a password.

    A lone matrix, and what a store holds, are documents or queries, as `only` says: docs or queries.
    """
    store = find_store(name)
    if store is None:
        if text.name and text.required:
            raise InputError(f"--text names a column of a store; {name} is a file of vectors")
        place = str(Path(name.removeprefix(VECTORS)).expanduser())
        return _read(place, only, progress), place
    return _as(only, read_store(*store, text, progress)), without_secrets(name)


def _as(only: str, read: dict[str, Any]) -> dict[str, Any]:
    """What was read from a store, under the names of documents or of queries."""
    if only == "docs":
        return read
    return {{"docs": "queries"}.get(key, key.replace("doc_", "query_")): value for key, value in read.items()}


def _with_queries(
    found: dict[str, Any],
    path: str,
    queries_name: str | PathLike[str] | None,
    text: str | None,
    progress: Progress = silent,
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
    docs, slow = _fast(_checked(found["docs"], "docs", path), path, progress)
    warnings += slow
    queries = _checked(found["queries"], "queries", shown)[:] if "queries" in found else None
    warnings += _integer_warnings(docs, path) + (() if queries is None else _integer_warnings(queries, shown))
    doc_ids, query_ids = (_ids(found.get(key), key, source) for key in ID_KEYS)
    texts = found.get("doc_texts"), found.get("query_texts")
    ids_from = found.get("ids_from") or ("row numbers" if doc_ids is None else "in the file")
    form = f"{len(docs):,} × {docs.shape[1]:,} {docs.dtype.name}{found.get('files', '')}, ids: {ids_from}"
    return Vectors(docs, queries, doc_ids, query_ids, source, warnings, *texts, form)


def load_queries(path: Path) -> np.ndarray:
    """(m, d) query vectors: a matrix or one vector, the key queries, or else docs; raises as `load_vectors` does."""
    found = _read(str(path), "queries")
    if "queries" not in found and "docs" not in found:
        raise DataError(f"{path} must hold one matrix or the key queries; it has {', '.join(sorted(found))}")
    return _checked(found["queries" if "queries" in found else "docs"], "queries", path)[:]


def one_row(X: Matrix) -> Matrix:
    """(d,) → (1, d), as an encoder gives a single text; other shapes as they are."""
    return X[None] if isinstance(X, np.ndarray) and X.ndim == 1 else X


def _read(place: str, only: str, progress: Progress = silent) -> dict[str, Any]:
    """The arrays of a file, a folder or a pattern under the known keys; a lone matrix gets the key `only`."""
    path, column = _split(place)
    suffix = path.suffix.lower()
    store = next((each for each in vector_stores().values() if suffix in each.suffixes), None)
    reader = _folder_reader(path) if path.is_dir() else None
    folder = path.is_dir() and store is None and reader is None
    if _is_pattern(path) or folder:
        return _as(only, _stacked(str(path), column, progress))
    if store is not None:
        return _as(only, read_store(store, place, NO_TEXTS, progress))
    reader = reader or readers().get(suffix)
    if reader is None or not (reader.folder or path.is_file()):
        raise DataError(f"a vector file must be {in_words(file_suffixes())}; got {path}")
    arrays = _arrays(path, column, reader)
    if reader.columns and "docs" in arrays and "queries" not in arrays:
        return _as(only, arrays)
    if len(arrays) == 1 and not set(arrays) & set(KEYS):
        return {only: next(iter(arrays.values()))}
    unknown = sorted(set(arrays) - {*KEYS, "ids_from"})
    if unknown or not arrays:
        raise DataError(
            f"{path} must hold one matrix or the keys {', '.join(KEYS)}; got {', '.join(unknown[:5]) or 'nothing'}"
        )
    return arrays


def _is_pattern(path: Path) -> bool:
    """Whether it is a pattern of files and not a path; DataError for a path that does not exist."""
    if path.exists():
        return False
    if not is_pattern(str(path)):
        raise DataError(f"no vector file {path}; check the path")
    return True


def _split(place: str) -> tuple[Path, str]:
    """The path and the column of PATH#COLUMN; a path that exists has no column."""
    path = Path(place).expanduser()
    if path.exists() or "#" not in place:
        return path, ""
    before, _, column = place.rpartition("#")
    return Path(before).expanduser(), column


def _folder_reader(path: Path) -> Reader | None:
    """The reader of folders of this ending, or that hold the file by which it knows its own."""
    for reader in readers().values():
        own = (path / reader.suffix[1:]).is_file() if reader.suffix.startswith("/") else path.suffix == reader.suffix
        if reader.folder and own:
            return reader
    return None


def _arrays(path: Path, column: str, reader: Reader) -> dict[str, Any]:
    """What a reader returns; whatever it raises as a DataError about the file."""
    if column and not reader.columns:
        raise DataError(f"{path}#{column} names a column; {reader.suffix} files have none")
    try:
        return dict(reader.read(path, column) if reader.columns else reader.read(path))
    except EmbgeoError:
        raise
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied") from None
    except Exception as error:
        # broad on purpose: NumPy's header parser alone raises six kinds on damaged bytes (found by hypothesis)
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not a valid {reader.suffix} file: {line[:200]}") from error


def _stacked(place: str, column: str, progress: Progress) -> dict[str, Any]:
    """The documents of a folder or a pattern of shards, one matrix and perhaps ids in each, under the known keys."""
    known = {suffix: reader for suffix, reader in readers().items() if not reader.folder}
    shards = shards_of(place, known)
    reader, rows = known[shards[0].suffix.lower()], list[int]()
    parts, ids, ids_from = list[np.ndarray | Rows](), list[Ids](), ""
    for number, path in enumerate(shards):
        arrays = _arrays(path, column, reader)
        ids_from = arrays.pop("ids_from", "in the files")
        matrices = {name: X for name, X in arrays.items() if name not in ID_KEYS}
        if len(matrices) != 1:
            raise DataError(
                f"{path} must hold one matrix, as a shard does; it has {', '.join(sorted(arrays)) or 'none'}"
            )
        X = next(iter(matrices.values()))
        rows.append(len(X))
        if len(X) or X.shape[1:] != (0,):  # without rows lists have no length
            parts.append(_shard(X, path, parts, shards[0]))
        if (own := _ids(arrays.get("doc_ids"), "doc_ids", str(path))) is not None:
            ids.append(own)
        if len(ids) not in (0, number + 1):
            raise DataError(f"all shards must have ids, or none; {path if own is None else shards[0]} has none")
        progress(f"opening {len(shards):,} files of {place}", number + 1, len(shards))
    if not sum(rows):
        raise DataError(f"the {len(shards):,} files of {place} hold no vectors")
    beside, where = (stacked_ids(ids), ids_from) if ids else ids_beside(shards, rows)
    found = {"docs": StackedRows(parts), "files": f" in {len(shards):,} {reader.suffix} files", "ids_from": where}
    return found if beside is None else {**found, "doc_ids": beside}


def _shard(X: np.ndarray | Rows, path: Path, before: Sequence[np.ndarray | Rows], first: Path) -> np.ndarray | Rows:
    """The matrix of a shard, which may be empty, if it is one like those before it."""
    if X.ndim != 2:
        raise DataError(f"{path} must hold a matrix (rows, dimension); got shape {X.shape}")
    if before and (X.shape[1], X.dtype) != (before[0].shape[1], before[0].dtype):
        raise DataError(
            f"{path} must have the dimension and dtype of {first.name}, {before[0].shape[1]} and {before[0].dtype}; it "
            f"has {X.shape[1]} and {X.dtype}"
        )
    return X


def _checked(X: np.ndarray | Rows, key: str, path: str | Path) -> np.ndarray | Rows:
    if key == "queries":
        X = one_row(X)
    if not (X.dtype.kind == "f" and X.dtype.itemsize in (2, 4, 8)) and X.dtype not in (np.int8, np.uint8):
        hint = ""
        if X.dtype.kind in "iub":
            hint = (
                ". If the integers are quantizer codes, decode them with their scale and offset first; if they are the "
                "values themselves, save X.astype(numpy.float32)"
            )
        raise DataError(
            f"{key} in {path} must be float16, float32, float64, bfloat16, int8 or uint8; got {X.dtype}{hint}"
        )
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"{key} in {path} must be a matrix with at least one row and column; got shape {X.shape}")
    return X


def _fast(X: np.ndarray | Rows, path: str, progress: Progress) -> tuple[np.ndarray | Rows, tuple[str, ...]]:
    """The matrix, or its copy if only ascending reads of it are fast; warnings."""
    if isinstance(X, np.ndarray) or not X.in_order:
        return X, ()
    return copied(X, path, progress)


def _integer_warnings(X: np.ndarray | Rows, path: str) -> tuple[str, ...]:
    if X.dtype.kind == "f":
        return ()
    return (
        f"{path} holds {X.dtype}, taken as the values of the vectors; if they are the codes of a quantizer, decode "
        "them with its scale and offset first",
    )


def _ids(ids: Any, key: str, source: str) -> Ids | None:
    """Ids as a reader returned them, an array or `Ids`; raises DataError unless they are strings or integers."""
    if not isinstance(ids, np.ndarray):
        return None if ids is None else as_ids(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "UiuS":
        raise DataError(f"{key} in {source} must be a list of strings or integers; got {ids.dtype}, shape {ids.shape}")
    if ids.dtype.kind == "S":
        try:
            return PackedIds.of(name.decode("utf-8") for name in ids.tolist())
        except UnicodeDecodeError:
            raise DataError(f"{key} in {source} must be UTF-8") from None
    return PackedIds.of(str(name) for name in ids.tolist())
