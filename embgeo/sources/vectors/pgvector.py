"""pgvector: a vector or halfvec column of a PostgreSQL table or view, in one read-only transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from embgeo.errors import DataError, InputError, MissingExtraError
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import BLOCK_ROWS, Block, StoredRows, vector_store

CONNECT_SECONDS = 10
FLOATS = {"vector": ">f4", "halfvec": ">f2"}  # what pgvector sends: two numbers of 2 bytes, then the values
TEXTS = ("text", "varchar", "bpchar", "citext")
_REFUSED = {
    "bit": "; the vectors that bits were made from are not in them",
    "sparsevec": "; sparse vectors are not supported",
}
_PASSWORD = re.compile(r"://[^:/?#@]*:(.*)@", re.DOTALL)
_PASSWORD_FIELD = re.compile(r"password=([^&]*)")
_COLUMNS = """select a.attname, t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"""
_KEY = """select a.attname from pg_index i cross join unnest(i.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    where i.indrelid = %s::regclass and i.indisprimary order by k.place"""
_TABLES = """select distinct a.attrelid::regclass::text from pg_attribute a join pg_type t on t.oid = a.atttypid
    join pg_class c on c.oid = a.attrelid where t.typname in ('vector', 'halfvec') and c.relkind in ('r', 'v', 'm', 'p')
    order by 1 limit 20"""


@vector_store("pgvector", form="URL/TABLE.COLUMN", on_disk=False)
def open_pgvector(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """URL is postgresql://…, the name of a database, or empty: PG* variables and ~/.pgpass say what is left out.

    The only vector column is found by itself. Ids are the primary key, which also orders the rows; the parts of a key
    of several columns are joined by /.
    """
    url, _, named = place.rpartition("/")
    if not named:
        raise DataError("pgvector:URL/TABLE.COLUMN must end in a table")
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("reading pgvector needs psycopg: pip install 'embgeo[pgvector]'") from None
    with _connect(psycopg, url) as db:
        db.read_only = True
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        db.execute("set local synchronize_seqscans = off")  # without a key, rows come in their physical order
        table, column = _table(db, named)
        kinds = dict(db.execute(_COLUMNS, [table]).fetchall())
        column = _column(kinds, table, column)
        texts = text.among([name for name, kind in kinds.items() if kind in TEXTS], table)
        keys = [name for (name,) in db.execute(_KEY, [table])]
        yield _rows(psycopg.sql, db, table, (column, kinds[column], texts), keys)
        db.rollback()


def _connect(psycopg: Any, url: str) -> Any:
    """The connection; its errors hold no password, not even in a traceback."""
    found = _PASSWORD.search(url)
    if found is not None and re.search(r"[@/?#\s]", found[1]):
        raise InputError("the password in a pgvector: URL must have @ / ? # percent-encoded, or be given as PGPASSWORD")
    if url and "://" not in url and "=" not in url:
        url = psycopg.conninfo.make_conninfo(dbname=url)
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="embgeo")
    except psycopg.ProgrammingError:
        raise DataError(
            "the URL before the table must be postgresql://USER@HOST/DATABASE; it cannot be parsed"
        ) from None
    except psycopg.Error as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        line = re.sub(r"^connection failed: ", "", lines[-1] if lines else type(error).__name__)
        for secret in [*_PASSWORD.findall(url), *_PASSWORD_FIELD.findall(url)]:
            line = line.replace(secret, "…") if secret else line
        raise DataError(f"the database must be reachable; {line}") from None


def _table(db: Any, named: str) -> tuple[str, str]:
    """The table, quoted as SQL, and the column of `[SCHEMA.]TABLE[.COLUMN]`; the column is "" if none is named."""
    head, _, tail = named.rpartition(".")
    for name, column in ((named, ""), (head, tail)):
        if not name or name.count(".") > 1:
            continue
        exact = ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
        for spelling in (exact, exact.lower()):
            found = db.execute("select to_regclass(%s)::text", [spelling]).fetchone()[0]
            if found is not None:
                return found, column
    tables = ", ".join(name for (name,) in db.execute(_TABLES))
    raise DataError(f"the database has no table {head or named!r}; tables with vectors: {tables or 'none'}")


def _column(kinds: dict[str, str], table: str, column: str) -> str:
    """The column of vectors among those of the table, with their types."""
    floats = [name for name, kind in kinds.items() if kind in FLOATS]
    if not column and len(floats) == 1:
        return floats[0]
    if kinds.get(column) not in FLOATS:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        why = _REFUSED.get(kinds.get(column, ""), "")
        raise DataError(f"TABLE.COLUMN must name a column of type vector or halfvec{why}; {table} has {listed}")
    return column


def _rows(sql: Any, db: Any, table: str, wanted: tuple[str, str, str], keys: list[str]) -> StoredRows:
    """`wanted`: the column of vectors, its type, and the column of texts or ""."""
    column, kind, texts = wanted
    name = sql.Identifier(column)
    source = sql.SQL("from {} as source where {} is not null").format(sql.SQL(table), name)
    count = db.execute(sql.SQL("select count(*) {}").format(source)).fetchone()[0]
    if not count:
        return StoredRows(0, 0, iter(()))
    first = sql.SQL("select vector_dims({}) {} limit 1").format(name, source)
    dimension = int(db.execute(first).fetchone()[0])
    value = np.dtype(FLOATS[kind])
    size = 4 + dimension * value.itemsize

    def blocks() -> Iterator[Block]:
        # a bare name in `order by` would be the text of the key, in which 10 is before 9
        columns = [sql.Identifier("source", key) for key in keys]
        shown = [*columns, *([sql.Identifier("source", texts)] if texts else [])]
        listed = sql.SQL(", ").join([name, *(sql.SQL("{}::text").format(each) for each in shown)])
        order = sql.SQL(" order by {}").format(sql.SQL(", ").join(columns)) if keys else sql.SQL("")
        with db.cursor(name="embgeo", binary=True) as cursor:
            cursor.execute(sql.SQL("select {} {}{}").format(listed, source, order))
            while found := cursor.fetchmany(BLOCK_ROWS):
                ids = ["/".join(row[1 : 1 + len(keys)]) for row in found] if keys else None
                for number, row in enumerate(found):
                    if len(row[0]) != size:
                        where = f"row {ids[number]}" if ids else "a row"
                        raise DataError(f"{column} must hold vectors of {dimension} dimensions; {where} differs")
                sent = np.frombuffer(b"".join(row[0] for row in found), np.uint8).reshape(len(found), size)
                X = np.ascontiguousarray(sent[:, 4:]).view(value).astype(np.float32)
                yield Block(ids, X, [row[-1] for row in found] if texts else None)

    return StoredRows(count, dimension, blocks())
