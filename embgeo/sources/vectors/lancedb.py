"""LanceDB: a column of fixed-size lists of floats in a table of a local database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embgeo.errors import DataError, MissingExtraError
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import BLOCK_ROWS, Block, StoredRows, vector_store

ID_COLUMNS = ("id", "_id", "doc_id")


@vector_store("lancedb", form="PATH/TABLE#COLUMN", suffixes=(".lance",))
def open_lancedb(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """The only vector column is found by itself; ids are the first column named id, _id or doc_id, if there is one."""
    file, _, column = place.partition("#")
    folder, slash, name = file.rstrip("/").rpartition("/")
    path = Path(folder).expanduser()
    if not slash or not path.is_dir():  # LanceDB would create the folder
        raise DataError(f"lancedb:PATH/TABLE#COLUMN must name the folder of a database and a table; no folder {path}")
    try:
        import lancedb
        import pyarrow
    except ImportError:
        raise MissingExtraError("reading a LanceDB table needs lancedb: pip install 'embgeo[lancedb]'") from None
    name = name.removesuffix(".lance")
    tables = sorted(file.stem for file in path.glob("*.lance"))
    if name not in tables:
        raise DataError(f"{path} has no table {name!r}; it has {', '.join(tables) or 'none'}")
    table = lancedb.connect(str(path)).open_table(name)
    columns = {field.name: field.type for field in table.schema}
    column = column or _only_vectors(pyarrow.types, columns, file)
    kind = columns.get(column)
    if kind is None or not _holds_vectors(pyarrow.types, kind):
        listed = ", ".join(f"{key} ({value})" for key, value in columns.items())
        raise DataError(f"{file}#{column} must be a column of fixed-size lists of floats; the table has {listed}")
    ids = next((key for key in ID_COLUMNS if key in columns), None)
    texts = text.among([key for key, value in columns.items() if _holds_texts(pyarrow.types, value)], file)
    present = f"`{column}` is not null"

    def blocks() -> Iterator[Block]:
        wanted = list(dict.fromkeys(name for name in (ids, column, texts) if name))
        for batch in table.search().select(wanted).where(present).to_batches(BLOCK_ROWS):
            X = batch.column(column).flatten().to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
            named, told = (batch.column(name).to_pylist() if name else None for name in (ids, texts))
            yield Block(named, X, told)

    yield StoredRows(table.count_rows(present), kind.list_size, blocks())


def _only_vectors(types: Any, columns: dict[str, Any], file: str) -> str:
    found = [name for name, kind in columns.items() if _holds_vectors(types, kind)]
    if len(found) != 1:
        listed = ", ".join(found or columns)
        raise DataError(
            f"{file} must have one column of vectors, or be read as TABLE#COLUMN; it has {len(found)}: {listed}"
        )
    return found[0]


def _holds_texts(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _holds_vectors(types: Any, kind: Any) -> bool:
    return bool(types.is_fixed_size_list(kind) and types.is_floating(kind.value_type))
