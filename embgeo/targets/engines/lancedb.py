"""A collection of vectors in LanceDB: made, filled, read back and searched.

Needs NumPy and lancedb, which brings pyarrow. A kit that embgeo writes holds a copy of this file.

`config` holds: `column` (float32, float16, or uint8 for packed signs), `width` in coordinates, `metric` (dot, cosine,
l2 or hamming); `index` ("", IVF_FLAT, IVF_SQ, IVF_PQ, IVF_RQ or IVF_HNSW_SQ) with its `lists` and `build` options; and
`search`: nprobes, ef, refine_factor.
"""

from __future__ import annotations

import datetime
import re
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

NEEDS = "lancedb"  # what pip installs, besides numpy

CLASSES = {"IVF_FLAT": "IvfFlat", "IVF_SQ": "IvfSq", "IVF_PQ": "IvfPq", "IVF_RQ": "IvfRq", "IVF_HNSW_SQ": "HnswSq"}
BEAM = 10_000  # documents, at most, that a search of the codes in a graph visits
PQ_ROWS = 256  # of product codes LanceDB makes no more lists than one for so many rows
KEY = b"embgeo"  # of the schema's metadata


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The lines that make, index and search the table."""
    items = f'[("id", pa.utf8()), ("e", pa.list_(pa.{config["column"]}(), {_items(config)}))]'
    packed = f"  # {config['width']} signs, packed by the client" if config["column"] == "uint8" else ""
    lines = [f'{name} = db.create_table("{name}", schema=pa.schema({items})){packed}']
    if config["index"]:
        options = {"distance_type": f'"{config["metric"]}"', **_options(config)}
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        lines.append(f'{name}.create_index("e", config={CLASSES[config["index"]]}({given}))')
    query = "np.packbits(q > 0)" if config["column"] == "uint8" else "q"
    search = "".join(f".{setting}({value})" for setting, value in config["search"].items())
    return "\n".join([*lines, f'{name}.search({query}).distance_type("{config["metric"]}"){search}.limit(10)'])


def _items(config: dict[str, Any]) -> int:
    return -(-config["width"] // 8) if config["column"] == "uint8" else int(config["width"])


def _options(config: dict[str, Any]) -> dict[str, int]:
    return {"num_partitions": config["lists"], **config["build"]}


class Store:
    """The table `name` of the LanceDB folder (or address) `place`; `create` keeps what it is told in the schema."""

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.table: Any = None
        self.fresh = False

    def __enter__(self) -> Store:
        import lancedb

        self.db = lancedb.connect(self.place)
        if self.name in self._tables():
            self.table = self.db.open_table(self.name)
        return self

    def __exit__(self, *error: object) -> None:
        self.table = None

    def _tables(self) -> list[str]:
        names, page = [], self.db.list_tables()
        while True:
            names += page.tables
            if not page.page_token:
                return names
            page = self.db.list_tables(page_token=page.page_token)

    def marker(self) -> str | None:
        if self.table is None:
            return None
        return (self.table.schema.metadata or {}).get(KEY, b"").decode()

    def create(self, marker: str) -> None:
        schema = self._schema().with_metadata({KEY: marker.encode()})
        self.table, self.fresh = self.db.create_table(self.name, schema=schema), True

    def _schema(self) -> Any:
        import pyarrow as pa

        items = {"float32": pa.float32, "float16": pa.float16, "uint8": pa.uint8}[self.config["column"]]()
        return pa.schema([pa.field("id", pa.utf8(), False), pa.field("e", pa.list_(items, _items(self.config)))])

    def count(self) -> int:
        return int(self.table.count_rows())

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        import pyarrow as pa

        schema = self._schema()
        items = pa.array(self._values(X).reshape(-1), schema.field("e").type.value_type)
        vectors = pa.FixedSizeListArray.from_arrays(items, _items(self.config))
        rows = pa.table([pa.array(list(ids), pa.utf8()), vectors], schema=schema)
        self.table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def _values(self, X: np.ndarray) -> np.ndarray:
        if self.config["column"] == "uint8":
            return np.packbits(X > 0, axis=1)
        return X.astype(self.config["column"])

    def finish(self, timeout: float = 3600) -> None:
        """Once there is an index the table is not optimized: of a small table that makes one list out of all."""
        if not self.config["index"] or self._index() is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of others who read an earlier version
                # of a table that nobody else reads yet, earlier versions go too
                self.table.optimize(cleanup_older_than=datetime.timedelta(0) if self.fresh else None)
        if not self.config["index"]:
            return
        if self._index() is None or self._unindexed():
            self._build()
        end = time.monotonic() + (timeout if "://" in self.place else 0)  # in a folder it is built by now
        while (waiting := self._unindexed()) > 0:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{waiting:,} of {self.count():,} rows of {self.name} are not in its index {self.config['index']}; "
                    "product codes need at least 256 rows"
                )
            time.sleep(0.1)

    def _build(self) -> None:
        from lancedb import index

        made = getattr(index, CLASSES[self.config["index"]])
        self.table.create_index("e", config=made(distance_type=self.config["metric"], **_options(self.config)))

    def _index(self) -> Any:
        return next((one for one in self.table.list_indices() if list(one.columns) == ["e"]), None)

    def _unindexed(self) -> int:
        found = self._index()
        return 0 if found is None else int(self.table.index_stats(found.name).num_unindexed_rows)

    def read_back(self) -> dict[str, Any]:
        import lancedb

        listed = self.table.schema.field("e").type
        column = {"float": "float32", "halffloat": "float16"}.get(str(listed.value_type), str(listed.value_type))
        back = {"rows": self.count(), "version": f"LanceDB {lancedb.__version__}", "column": column, "index": ""}
        if column != "uint8":  # which does not tell how many of the last byte's bits count
            back["width"] = int(listed.list_size)
        if (found := self._index()) is not None:
            stats, details = self.table.index_stats(found.name), found.index_details or {}
            compression, graph = details.get("compression") or {}, details.get("hnsw") or {}
            said = {**compression, "m": graph.get("max_connections")}
            back |= {"index": stats.index_type, "metric": stats.distance_type, "indexed": stats.num_indexed_rows}
            built, wanted = self._lists(int(listed.list_size), stats.distance_type), self.config.get("lists", 1)
            if stats.index_type == "IVF_PQ":
                wanted = min(wanted, max(stats.num_indexed_rows // PQ_ROWS, 1))
            back |= {"partitions": built, "lists": self.config.get("lists", 1) if built == wanted else built}
            back["build"] = {key: said.get(key) for key in self.config["build"]}
        return back

    def _lists(self, width: int, metric: str) -> int:
        """Lists that a search of all of them visits: LanceDB tells their number nowhere else."""
        asked = self.table.search(np.ones(width, np.float32), vector_column_name="e").distance_type(metric)
        plan = asked.nprobes(max(self.count(), 1)).limit(1).analyze_plan()
        return sum(int(found) for found in re.findall(r"partitions_searched=(\d+)", plan))

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        asked = self.table.search(self._values(q[None])[0], vector_column_name="e").select(["id", "_distance"]).limit(k)
        settings = dict(self.config["search"])
        if mode != "defaults":
            asked = asked.distance_type(self.config["metric"])
        if mode == "codes":
            settings = {"nprobes": self.config["lists"]} if self.config["index"] else {}
            if "ef" in self.config["search"]:
                settings["ef"] = min(max(self.count(), k), BEAM)
            if not self.config["index"]:
                asked = asked.bypass_vector_index()
        if "ef" in settings:  # a graph returns no more rows than this
            settings["ef"] = max(settings["ef"], k * settings.get("refine_factor", 1))
        for setting, value in settings.items() if mode != "defaults" else ():
            asked = getattr(asked, setting)(value)
        found = asked.to_arrow()
        names, distances = found["id"].to_pylist(), found["_distance"].to_pylist()
        return [(name, -distance) for name, distance in zip(names, distances, strict=True)]

    def sizes(self) -> dict[str, int]:
        stats, found = self.table.stats(), self._index()
        listed = self.table.schema.field("e").type
        vectors = self.count() * int(listed.list_size) * int(listed.value_type.bit_width) // 8
        index = 0 if found is None else int(found.size_bytes)
        beside = {"ids and headers": max(int(stats["total_bytes"]) - index - vectors, 0)}
        return {"index": index, "original": vectors, **beside} if index else {"codes": vectors, **beside}

    def drop(self) -> None:
        self.db.drop_table(self.name)
        self.table = None
