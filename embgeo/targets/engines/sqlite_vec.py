"""A collection of vectors in SQLite with sqlite-vec: made, filled, read back and searched.

Needs NumPy and sqlite-vec, and pysqlite3-binary where Python's own sqlite3 loads no extensions. A kit that embgeo
writes holds a copy of this file.

`config` holds: `column` that is searched (float, int8 or bit), `width`, `metric` (cosine, l2 or hamming); `value`, the
SQL by which a vector gets there; `scale`, by which the client multiplies vectors before it rounds them to int8; and
`rescore`, whether float vectors are kept too and rescore `factor` · k candidates by the metric `rescored_by`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

NEEDS = "sqlite-vec pysqlite3-binary"  # what pip installs, besides numpy

LIMIT = 4096  # results of one search that sqlite-vec allows
MARKERS = "embgeo_collections"
BUSY_SECONDS = 30


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The statements that make, fill and search the collection."""
    lines = [f"{_made(config, name)};", f"{_inserted(config, name)};", f"{_query(config, name, '10', 10)};"]
    if "scale" in config:
        factor = f"{config['scale']:.6g}" if config["scale"] else "127 / the largest absolute value of the documents"
        lines.insert(0, f"-- the client multiplies documents and queries by {factor} and rounds them to int8")
    return "\n".join(lines)


def _made(config: dict[str, Any], table: str) -> str:
    metric = "" if config["metric"] == "hamming" else f" distance_metric={config['metric']}"
    columns = [f"{_code(config)} {config['column']}[{config['width']}]{metric}"]
    if config["rescore"]:
        columns.append(f"e float[{config['width']}] distance_metric={config['rescored_by']}")
    return f"create virtual table {table} using vec0(id text primary key, {', '.join(columns)})"


def _code(config: dict[str, Any]) -> str:
    return "b" if config["column"] == "bit" else "e"


def _inserted(config: dict[str, Any], table: str) -> str:
    if config["rescore"]:
        return f"insert into {table}(id, b, e) values (?, {config['value']}, ?)"
    return f"insert into {table}(id, {_code(config)}) values (?, {config['value']})"


def _query(config: dict[str, Any], table: str, limit: str, k: int, codes: bool = False) -> str:
    """The statement of a search: of the codes alone, or with rescoring if there is any."""
    code, value = _code(config), config["value"]
    if codes or not config["rescore"]:
        return f"select id, distance from {table} where {code} match {value} and k = {limit}"
    candidates = min(config["factor"] * k, LIMIT)
    return (
        f"with s as (select id, e from {table} where b match {value} and k = {candidates})\n"
        f"  select id, vec_distance_{config['rescored_by']}(e, ?) from s order by 2 limit {limit}"
    )


class Store:
    """The table `name` of the database file at `place`; what `create` is told is kept in a table beside it."""

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.table = '"' + name.replace('"', '""') + '"'

    def __enter__(self) -> Store:
        self.db = _connected(self.place)
        return self

    def __exit__(self, *error: object) -> None:
        self.db.close()

    def _one(self, statement: str, *values: Any) -> Any:
        found = self.db.execute(statement, values).fetchone()
        return None if found is None else found[0]

    def _exists(self, name: str) -> bool:
        return bool(self._one("select count(*) from sqlite_master where lower(name) = lower(?)", name))

    def marker(self) -> str | None:
        if not self._exists(self.name):
            return None
        if not self._exists(MARKERS):
            return ""
        return self._one(f"select marker from {MARKERS} where lower(name) = lower(?)", self.name) or ""

    def create(self, marker: str) -> None:
        with _Transaction(self.db):
            self.db.execute(f"create table if not exists {MARKERS}(name text primary key, marker text)")
            self.db.execute(_made(self.config, self.table))
            self.db.execute(f"insert or replace into {MARKERS} values (?, ?)", (self.name, marker))

    def count(self) -> int:
        return int(self._one(f"select count(*) from {self.table}"))

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        values = self._values(X)
        rows = zip(ids, values, X, strict=True)
        with _Transaction(self.db):  # vec0 has no upsert
            self.db.executemany(f"delete from {self.table} where id = ?", [(name,) for name in ids])
            if self.config["rescore"]:
                originals = [(name, value, _float(row)) for name, value, row in rows]
                self.db.executemany(_inserted(self.config, self.table), originals)
            else:
                self.db.executemany(_inserted(self.config, self.table), [(name, value) for name, value, _ in rows])

    def _values(self, X: np.ndarray) -> list[bytes]:
        """Each vector as the client sends it."""
        if "scale" in self.config:
            return [row.tobytes() for row in np.clip(np.rint(X * self.config["scale"]), -127, 127).astype(np.int8)]
        return [_float(row) for row in X]

    def finish(self, timeout: float = 3600) -> None:
        """Nothing: each search reads all vectors, and what was loaded is on disk."""

    def read_back(self) -> dict[str, Any]:
        made = str(self._one("select sql from sqlite_master where name = ?", self.name))
        pattern = r"\b([be]) (float|int8|bit)\[(\d+)\](?: distance_metric=(\w+))?"
        columns = {
            name: (kind, int(width), metric or "hamming") for name, kind, width, metric in re.findall(pattern, made)
        }
        column, width, metric = columns.get("b") or columns["e"]
        back = {
            "rows": self.count(),
            "version": f"sqlite-vec {self._one('select vec_version()')}, SQLite {self._one('select sqlite_version()')}",
            "column": column,
            "width": width,
            "metric": metric,
            "rescore": len(columns) > 1,
        }
        return {**back, "rescored_by": columns["e"][2]} if len(columns) > 1 else back

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        codes = mode == "codes"
        values = self._values(q[None])
        if self.config["rescore"] and not codes:
            values.append(_float(q))
        limit = min(k, LIMIT)
        found = self.db.execute(_query(self.config, self.table, str(limit), limit, codes), values).fetchall()
        return [(name, -float(distance)) for name, distance in found]

    def sizes(self) -> dict[str, int]:
        whole = int(self._one("pragma page_count")) * int(self._one("pragma page_size"))
        codes = int(self._one(f"select coalesce(sum(length({_code(self.config)})), 0) from {self.table}"))
        original = 0
        if self.config["rescore"]:
            original = int(self._one(f"select coalesce(sum(length(e)), 0) from {self.table}"))
        kept = {"original": original} if original else {}
        return {"codes": codes, **kept, "ids and free room": whole - codes - original}

    def drop(self) -> None:
        with _Transaction(self.db):
            self.db.execute(f"drop table {self.table}")
            if self._exists(MARKERS):
                self.db.execute(f"delete from {MARKERS} where lower(name) = lower(?)", (self.name,))


def _float(row: np.ndarray) -> bytes:
    return row.astype("<f4").tobytes()


def _connected(place: str) -> Any:
    """The file at `place` with the extension loaded, by a sqlite3 that can."""
    import sqlite3

    import sqlite_vec

    db: Any = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        db.enable_load_extension(True)
    except (AttributeError, sqlite3.Error):  # left out when this Python was built
        import pysqlite3

        db.close()
        db = pysqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None)
        db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.enable_load_extension(False)
    return db


class _Transaction:
    """All or nothing."""

    def __init__(self, db: Any) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("begin immediate")

    def __exit__(self, kind: object, *error: object) -> None:
        self.db.execute("commit" if kind is None else "rollback")
