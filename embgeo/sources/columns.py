"""Columns of vectors and ids in Arrow tables: which they are, and their values as arrays, without Python lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.files.ids import Ids, PackedIds

ID_COLUMNS = ("id", "_id", "doc_id", "key")
IN_WORDS = "id, _id, doc_id or key"
BATCH_ROWS = 4096


def arrow() -> Any:
    """The package pyarrow; raises MissingExtraError."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("reading parquet and Arrow files needs pyarrow: pip install pyarrow") from None
    return pyarrow


def open_parquet(path: Path) -> Any:
    """The parquet file, read through a small buffer: a row group may be larger than memory."""
    pyarrow = arrow()
    import pyarrow.parquet as parquet

    try:
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is not a valid parquet file: {_line(error)}") from None


def vector_column(schema: Any, asked: str, place: Path) -> str:
    """The column named, or the only one of lists of floats, or else the only one of lists of 8-bit integers.

    Raises DataError that lists the columns.
    """
    kinds = {field.name: field.type for field in schema}
    listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) or "none"
    if asked:
        if asked not in kinds:
            raise DataError(f"{place} has no column {asked!r}; it has {listed}")
        if _numbers(kinds[asked]) is None:
            raise DataError(
                f"column {asked} of {place} must be lists of floats or 8-bit integers; it is {kinds[asked]}"
            )
        return asked
    for wanted in ("f", "iu"):
        found = [name for name, kind in kinds.items() if (dtype := _numbers(kind)) is not None and dtype.kind in wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"{place} has several columns of vectors; name one as PATH#COLUMN: {', '.join(found)}")
    raise DataError(f"{place} must have a column of lists of floats; it has {listed}")


def id_column(schema: Any) -> str:
    """The first column that is called as ids are, whatever its place; "" if there is none."""
    return next((name for name in ID_COLUMNS if name in schema.names), "")


def column_dtype(kind: Any) -> np.dtype:
    """The dtype of the numbers in a column of lists."""
    dtype = _numbers(kind)
    assert dtype is not None
    return dtype


def _numbers(kind: Any) -> np.dtype | None:
    """The dtype of the numbers in lists of this type; None unless they are floats or 8-bit integers."""
    types = arrow().types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return None
    inner = kind.value_type
    if types.is_floating(inner) or types.is_int8(inner) or types.is_uint8(inner):
        return np.dtype(inner.to_pandas_dtype())
    return None


def matrix_of(column: Any, dimension: int | None, place: str, first: int) -> np.ndarray:
    """(k, dimension) view of an Arrow array of lists whose first row is row `first` of `place`.

    Without `dimension` it is that of the first row. Raises DataError with the row of a null, or of a list of another
    length.
    """
    types = arrow().types
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{place} has no vector in row {first + row} (null); drop such rows")
    values = column.flatten()
    if types.is_fixed_size_list(column.type):
        ends = np.arange(1, len(column) + 1) * column.type.list_size
        sizes = np.full(len(column), column.type.list_size)
    else:
        ends = np.asarray(column.offsets)[1:] - column.offsets[0].as_py()
        sizes = np.diff(np.asarray(column.offsets))
    width = dimension or int(sizes[0])
    if (sizes != width).any():
        row = int(np.flatnonzero(sizes != width)[0])
        raise DataError(f"every vector of {place} must have {width} dimensions; row {first + row} has {sizes[row]}")
    if values.null_count:
        at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        row = int(np.searchsorted(ends, at, "right"))
        raise DataError(f"{place} has a null in the vector of row {first + row}; drop or impute it")
    return values.to_numpy(zero_copy_only=True).reshape(-1, width)


def ids_of(batches: Iterator[Any] | Sequence[Any], place: str) -> Ids:
    """The ids in Arrow arrays of strings or integers, one after another; raises DataError about nulls and others."""
    pyarrow = arrow()
    datas, sizes, rows = [np.zeros(0, np.uint8)], [np.zeros(0, np.int64)], 0
    for each in batches:
        if each.null_count:
            row = int(np.flatnonzero(each.is_null().to_numpy(zero_copy_only=False))[0])
            raise DataError(f"{place} has no id in row {rows + row} (null)")
        kind = each.type.value_type if pyarrow.types.is_dictionary(each.type) else each.type
        if not (pyarrow.types.is_integer(kind) or _is_text(pyarrow.types, kind)):
            raise DataError(f"{place} must be strings or integers; they are {each.type}")
        try:
            text = each.cast(kind).cast(pyarrow.large_string())
        except pyarrow.ArrowInvalid:
            raise DataError(f"{place} must be UTF-8") from None
        _, offsets, data = text.buffers()
        bounds = np.frombuffer(offsets, np.int64, len(text) + 1, 8 * text.offset)
        raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        datas.append(raw[bounds[0] : bounds[-1]].copy())
        sizes.append(np.diff(bounds))
        rows += len(text)
    try:
        return PackedIds(np.concatenate(datas), np.cumsum(np.concatenate(sizes)))
    except ValueError:
        raise DataError(f"{place} must be UTF-8") from None


def parquet_ids(path: Path) -> Ids:
    """The ids of a parquet file, in its column named as in `ID_COLUMNS`."""
    file = open_parquet(path)
    name = id_column(file.schema_arrow)
    if not name:
        raise DataError(f"{path} must have a column {IN_WORDS}; it has {', '.join(file.schema_arrow.names)}")
    batches = file.iter_batches(1 << 16, columns=[name], use_threads=False)
    return ids_of((batch.column(0) for batch in batches), f"column {name} of {path}")


def _is_text(types: Any, kind: Any) -> bool:
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
