"""sqlite-vec: float columns of a vec0 table, or vectors kept as blobs in a plain table or view."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import BLOCK_ROWS, Block, StoredRows, vector_store

_INSTALL = "pip install 'embgeo[sqlite-vec]'"
_VECTOR = re.compile(r"""[\[`"']?(\w+)[\]`"']?\s+(float|f32|int8|i8|bit)\s*\[\s*\d+\s*\]""", re.IGNORECASE)
_OWN = re.compile(
    r"^sqlite_|_(chunks|rowids|info|auxiliary|vector_chunks\d+|metadata\w+)$"
)  # tables of SQLite and vec0
_BYTES = {"int8": "int8 codes: their scale is not in the file", "bit": "bits: the vectors are not in the file"}


@vector_store("sqlite-vec", form="PATH/TABLE.COLUMN")
def open_sqlite_vec(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """The only vector column is found by itself; ids are the primary key, or the rowid. Opened read-only.

    Texts are a column of the table, or TABLE.COLUMN of another one whose primary key or rowid is the id.
    """
    file, slash, named = place.rpartition("/")
    path = Path(file).expanduser()
    if not slash or not named or not path.is_file():
        raise DataError(
            f"sqlite-vec:PATH/TABLE.COLUMN must name a database file and a table; no file {path} in {place}"
        )
    db, loads = _connect(path)
    with closing(db):
        table, column = _table(db, path, named)
        create, kind = db.execute("select sql, type from sqlite_master where name = ?", [table]).fetchone()
        if re.search(r"\busing\s+vec0\b", create, re.IGNORECASE):
            _load_vec0(db, loads)
            column = _vec0_column(create, column, table, path)
        columns = db.execute(f"pragma table_xinfo({_quoted(table)})").fetchall()
        column = column or _blob_column(columns, table, path)
        keys = [name for _, name, *_, key, _ in sorted(columns, key=lambda each: each[5]) if key]
        if not keys and kind == "table":
            keys = ["rowid"]
        yield _rows(db, table, (column, _text_column(db, text, columns, (table, column, keys), path)), keys, path)


def _connect(path: Path) -> tuple[Any, bool]:
    """A read-only connection, and whether it can load extensions: Python's own sqlite3 is often built without."""
    db = None
    for name in ("sqlite3", "pysqlite3"):
        try:
            sqlite: ModuleType = importlib.import_module(name)
        except ImportError:
            continue
        db = sqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            db.enable_load_extension(False)
        except AttributeError:
            continue
        return db, True
    return db, False


def _load_vec0(db: Any, loads: bool) -> None:
    try:
        import sqlite_vec
    except ImportError:
        raise MissingExtraError(f"reading a vec0 table needs sqlite-vec: {_INSTALL}") from None
    if not loads:
        raise MissingExtraError(f"this Python's sqlite3 cannot load extensions, and pysqlite3 is missing: {_INSTALL}")
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.enable_load_extension(False)


def _table(db: Any, path: Path, named: str) -> tuple[str, str]:
    """The table and the column of `TABLE` or `TABLE.COLUMN`; the column is "" if none is named."""
    tables = [name for (name,) in db.execute("select name from sqlite_master where type in ('table', 'view')")]
    head, _, tail = named.rpartition(".")
    if named in tables:
        return named, ""
    if head in tables:
        return head, tail
    shown = [name for name in tables if _OWN.search(name) is None]
    raise DataError(f"{path} has no table {head or named!r}; it has {', '.join(sorted(shown)) or 'none'}")


def _vec0_column(create: str, column: str, table: str, path: Path) -> str:
    kinds = {
        name: {"f32": "float", "i8": "int8"}.get(kind.lower(), kind.lower()) for name, kind in _VECTOR.findall(create)
    }
    floats = [name for name, kind in kinds.items() if kind == "float"]
    if not column and len(floats) == 1:
        return floats[0]
    if column not in kinds or (not column and len(floats) > 1):
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise DataError(f"{path}/{table} must be read by the name of a vector column, TABLE.COLUMN; it has {listed}")
    if kinds[column] != "float":
        raise DataError(
            f"{column} in {path}/{table} holds {_BYTES[kinds[column]]}. "
            "Name a float column, or the vectors that it was built from"
        )
    return column


def _blob_column(columns: list[Any], table: str, path: Path) -> str:
    blobs = [name for _, name, kind, *_ in columns if kind.upper() == "BLOB"]
    if len(blobs) != 1:
        listed = ", ".join(name for _, name, *_ in columns)
        raise DataError(f"{path}/{table} must be read by the name of a vector column, TABLE.COLUMN; it has {listed}")
    return blobs[0]


def _text_column(db: Any, text: TextColumn, columns: list[Any], read: tuple[str, str, list[str]], path: Path) -> str:
    """SQL of the text of a row as UTF-8, or ""; `read` is the table, its column of vectors, and the key."""
    table, column, keys = read
    other, _, named = (text.name or "").rpartition(".")
    if other and text.name not in [name for _, name, *_ in columns] and len(keys) == 1:
        known = db.execute(f"pragma table_xinfo({_quoted(other)})").fetchall()
        if known:
            name = replace(text, name=named).among(_names_of_texts(known), f"{path}/{other}")
            key = [name for _, name, *_, key, _ in known if key]
            where = f"t.{_quoted(key[0] if len(key) == 1 else 'rowid')} = {_quoted(table)}.{_quoted(keys[0])}"
            return f"(select cast(t.{_quoted(name)} as blob) from {_quoted(other)} as t where {where})" if name else ""
    name = text.among([each for each in _names_of_texts(columns) if each not in (column, "rowid")], f"{path}/{table}")
    return f"cast({_quoted(name)} as blob)" if name else ""


def _names_of_texts(columns: list[Any]) -> list[str]:
    """Columns that can hold text; those of a virtual table have no type."""
    shown = [(name, kind.upper()) for _, name, kind, *_, hidden in columns if hidden != 1]
    return [name for name, kind in shown if not kind or any(word in kind for word in ("CHAR", "CLOB", "TEXT"))]


def _rows(db: Any, table: str, wanted: tuple[str, str], keys: list[str], path: Path) -> StoredRows:
    """`wanted`: the column of vectors, and SQL of the texts or ""."""
    column, text = wanted
    source = f"from {_quoted(table)} where {_quoted(column)} is not null"
    rows = db.execute(f"select count(*) {source}").fetchone()[0]
    first = db.execute(f"select {_quoted(column)} {source} limit 1").fetchone()
    if first is None:
        return StoredRows(0, 0, iter(()))
    if not isinstance(first[0], bytes) or not first[0] or len(first[0]) % 4:
        got = f"{len(first[0])} bytes" if isinstance(first[0], bytes) else type(first[0]).__name__
        raise DataError(f"{column} in {path}/{table} must hold float32 vectors as blobs; its first value is {got}")
    size = len(first[0])

    def blocks() -> Iterator[Block]:
        listed = ", ".join([_quoted(column), *map(_quoted, keys), *([text] if text else [])])
        order = f" order by {', '.join(map(_quoted, keys))}" if keys else ""
        cursor = db.execute(f"select {listed} {source}{order}")
        while found := cursor.fetchmany(BLOCK_ROWS):
            names = ["/".join(map(str, row[1 : 1 + len(keys)])) for row in found] if keys else None
            for number, row in enumerate(found):
                if not isinstance(row[0], bytes) or len(row[0]) != size:
                    where = f"row {names[number]}" if names else "a row"
                    raise DataError(f"{column} in {path}/{table} must hold vectors of {size} bytes; {where} differs")
            X = np.frombuffer(b"".join(row[0] for row in found), "<f4").reshape(len(found), -1)
            texts = [(row[-1] or b"").decode("utf-8", "replace") for row in found] if text else None
            yield Block(names, X, texts)

    return StoredRows(rows, size // 4, blocks())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
