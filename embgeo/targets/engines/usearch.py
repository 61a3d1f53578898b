"""A collection of vectors in a file of usearch: made, filled, read back and searched.

Needs NumPy and usearch. A kit that embgeo writes holds a copy of this file.

usearch knows vectors by number. The ids, and what `create` is told, are in a JSON file beside the index: the id of
vector i is the i-th. Both files are replaced whole, the ids first, so that an id without a vector is all that an
interruption leaves.

`config` holds: `dtype` (f32, f16, bf16, e4m3, e5m2, i8, b1), `width`, `metric` (ip, cos, l2sq, hamming); `links` of a
document of the graph, 0 for an exact search, which takes usearch's own number; and `expansion_search`, 0 for usearch's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

NEEDS = "usearch"  # what pip installs, besides numpy

BITS = {"f32": 32, "f16": 16, "bf16": 16, "e4m3": 8, "e5m2": 8, "i8": 8, "b1": 1}
BLOCK = 1000  # rows that an interruption may lose, or a quarter of those that are there


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The lines that make and search the index."""
    given = {"connectivity": config["links"], "expansion_search": config["expansion_search"]}
    more = "".join(f", {option}={value}" for option, value in given.items() if value)
    exact = "" if config["links"] else ", exact=True"
    packed = ", np.packbits(X > 0, axis=1)" if config["dtype"] == "b1" else ", X"
    made = f'Index(ndim={config["width"]}, metric="{config["metric"]}", dtype="{config["dtype"]}"{more})'
    return f"{name} = {made}\n{name}.add(keys{packed})\n{name}.search(Q, 10{exact})"


class Store:
    """The index file at `place`, which holds the one collection `name`; the ids are in `place`.json."""

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.ids: list[str] = []
        self.keys: dict[str, int] = {}
        self.marked: str | None = None
        self.unsaved, self.half = 0, False

    def __enter__(self) -> Store:
        self.index = self._empty()
        if os.path.exists(f"{self.place}.json"):
            with open(f"{self.place}.json", encoding="utf-8") as file:
                beside = json.load(file)
            if beside["name"] != self.name:
                raise RuntimeError(
                    f"{self.place} holds the collection {beside['name']}, and a file holds one; choose another path"
                )
            self.marked, self.ids = beside["marker"], beside["ids"]
            self.keys = {name: key for key, name in enumerate(self.ids)}
            if os.path.exists(self.place):
                self.index.load(self.place)
                self._set_effort()
        elif os.path.exists(self.place):
            self.marked = ""
        return self

    def __exit__(self, *error: object) -> None:
        if self.unsaved and not self.half:
            self._save()

    def _empty(self) -> Any:
        from usearch.index import Index

        more = {"connectivity": self.config["links"]} if self.config["links"] else {}
        made = Index(ndim=self.config["width"], metric=self.config["metric"], dtype=self.config["dtype"], **more)
        self.usual_effort = made.expansion_search
        return made

    def _set_effort(self) -> None:
        self.index.expansion_search = self.config["expansion_search"] or self.usual_effort

    def marker(self) -> str | None:
        return self.marked

    def create(self, marker: str) -> None:
        if os.path.exists(self.place):
            raise RuntimeError(f"{self.place} exists; choose another path")
        self.marked, self.ids, self.keys, self.index = marker, [], {}, self._empty()
        self._set_effort()
        self._save()

    def count(self) -> int:
        return len(self.index)

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        self.half = True
        for name in ids:
            if name not in self.keys:
                self.keys[name] = len(self.ids)
                self.ids.append(name)
        keys = np.array([self.keys[name] for name in ids], np.uint64)
        there = keys[self.index.contains(keys)]
        if len(there):
            self.index.remove(there)
        self.index.add(keys, self._values(X))
        self.unsaved, self.half = self.unsaved + len(keys), False
        if self.unsaved >= max(BLOCK, len(self.index) // 4):
            self._save()

    def _values(self, X: np.ndarray) -> np.ndarray:
        return np.packbits(X > 0, axis=1) if self.config["dtype"] == "b1" else np.ascontiguousarray(X, np.float32)

    def _save(self) -> None:
        beside = {"name": self.name, "marker": self.marked, "ids": self.ids}
        text = json.dumps(beside).encode()
        with _replaced(f"{self.place}.json") as path, open(path, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with _replaced(self.place) as path:
            self.index.save(path)
        self.unsaved = 0

    def finish(self, timeout: float = 3600) -> None:
        if self.unsaved:
            self._save()

    def read_back(self) -> dict[str, Any]:
        import usearch
        from usearch.index import Index

        said = Index.metadata(self.place)
        back = {
            "rows": int(said["count_present"]),
            "version": f"usearch {usearch.__version__}",
            "dtype": said["kind_scalar"].name.lower(),
            "width": int(said["dimensions"]),
            "metric": said["kind_metric"].name.lower(),
        }
        return {**back, "links": self.index.connectivity} if self.config["links"] else back

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        if not len(self.index):
            return []
        exact = mode == "codes" or (mode == "configured" and not self.config["links"])
        if mode == "defaults":
            self.index.expansion_search = self.usual_effort
        found = self.index.search(self._values(q[None])[0], k, exact=exact)
        if mode == "defaults":
            self._set_effort()
        return [
            (self.ids[int(key)], -float(distance)) for key, distance in zip(found.keys, found.distances, strict=True)
        ]

    def sizes(self) -> dict[str, int]:
        codes = len(self.index) * -(-BITS[self.config["dtype"]] * self.config["width"] // 8)
        whole = os.path.getsize(self.place)
        return {"codes": codes, "graph and keys": whole - codes, "ids": os.path.getsize(f"{self.place}.json")}

    def drop(self) -> None:
        for path in (self.place, f"{self.place}.json"):
            with suppress(FileNotFoundError):
                os.remove(path)
        self.marked, self.ids, self.keys, self.index, self.unsaved = None, [], {}, self._empty(), 0


@contextmanager
def _replaced(path: str) -> Iterator[str]:
    """The path of a new file that takes the place of `path` when it is whole."""
    new = f"{path}.{os.getpid()}.new"
    try:
        yield new
        os.replace(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)
