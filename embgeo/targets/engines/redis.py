"""A collection of vectors in a vector set of Redis (8 or later): made, filled, read back and searched.

Needs NumPy and redis. A kit that embgeo writes holds a copy of this file.

Redis makes a vector set with its first vector; what `create` is told is in a key of its own, `NAME:embgeo`.

`config` holds: `option` of VADD (NOQUANT, Q8 or BIN), `width`, `links` of a document of the graph, 0 for Redis's own
number, and `effort` of a search, 0 to compare all codes (TRUTH).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

NEEDS = "redis"  # what pip installs, besides numpy

CONNECT_SECONDS = 10
OPTIONS = {"f32": "NOQUANT", "int8": "Q8", "bin": "BIN"}
BITS = {"NOQUANT": 32, "Q8": 8, "BIN": 1}


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The commands that fill and search the vector set."""
    added = " ".join(["VADD", name, f"FP32 <{config['width']} floats> <id>", *_adding(config)])
    asked = " ".join(["VSIM", name, f"FP32 <{config['width']} floats> WITHSCORES COUNT 10", *_searching(config, 10)])
    return f"{added}\n{asked}"


def _adding(config: dict[str, Any]) -> list[str]:
    return [config["option"], *(["M", str(config["links"])] if config["links"] else [])]


def _searching(config: dict[str, Any], k: int) -> list[str]:
    return ["EF", str(max(config["effort"], k))] if config["effort"] else ["TRUTH"]


class Store:
    """The vector set `name` of the server at `place`: redis://…, rediss://… or unix://….

    REDISCLI_AUTH, as for redis-cli, is the password of a URL that has none.
    """

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config
        self.marking = f"{name}:embgeo"

    def __enter__(self) -> Store:
        from redis import Redis

        said = {"password": os.environ["REDISCLI_AUTH"]} if os.environ.get("REDISCLI_AUTH") else {}
        self.db = Redis.from_url(self.place, socket_connect_timeout=CONNECT_SECONDS, **said)
        try:
            self._ask("VCARD", f"{self.marking}:none")
        except BaseException as error:
            self.db.close()
            if "unknown command" in str(error):
                raise RuntimeError("this server has no vector sets; Redis has them from version 8 on") from None
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.db.close()

    def _ask(self, *command: Any) -> Any:
        return self.db.execute_command(*command)

    def marker(self) -> str | None:
        kept = self.db.get(self.marking)
        if kept is not None:
            return str(kept.decode())
        return "" if self.db.exists(self.name) else None

    def create(self, marker: str) -> None:
        if not self.db.set(self.marking, marker, nx=True):
            raise RuntimeError(f"{self.name} was made by another process in the meantime")

    def count(self) -> int:
        return int(self._ask("VCARD", self.name))

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        adding, block = _adding(self.config), self.db.pipeline(transaction=False)
        for name, row in zip(ids, X, strict=True):
            block.execute_command("VADD", self.name, "FP32", row.astype("<f4").tobytes(), name, *adding)
        block.execute()

    def finish(self, timeout: float = 3600) -> None:
        """Nothing: a vector is in the graph when its command returns."""

    def read_back(self) -> dict[str, Any]:
        said = {key.decode(): value for key, value in _pairs(self._ask("VINFO", self.name) or [])}
        back = {"rows": self.count(), "version": f"Redis {self.db.info('server')['redis_version']}"}
        if not said:
            return back
        kind = said["quant-type"].decode()
        back |= {"option": OPTIONS.get(kind, kind), "width": int(said["vector-dim"])}
        return {**back, "links": int(said["hnsw-m"])} if self.config["links"] else back

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        how = {"codes": ["TRUTH"], "configured": _searching(self.config, k), "defaults": []}[mode]
        vector = q.astype("<f4").tobytes()
        found = self._ask("VSIM", self.name, "FP32", vector, "WITHSCORES", "COUNT", k, *how)
        return [(name.decode(), float(score)) for name, score in _pairs(found)]

    def sizes(self) -> dict[str, int]:
        codes = self.count() * -(-BITS[self.config["option"]] * self.config["width"] // 8)
        whole = int(self.db.memory_usage(self.name, samples=0) or 0)
        return {"codes": codes, "graph and ids": max(whole - codes, 0)}

    def drop(self) -> None:
        self.db.unlink(self.name)
        self.db.delete(self.marking)


def _pairs(reply: Any) -> Iterator[tuple[Any, Any]]:
    """Of an answer that some versions of the client give as a list of keys and values by turns."""
    return iter(reply.items()) if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
