"""A collection of vectors in Qdrant: made, filled, read back and searched.

Needs NumPy and, for a server, qdrant-client, whose key is read from QDRANT_API_KEY; for a folder qdrant-edge-py, which
is Qdrant's engine embedded. A kit that embgeo writes holds a copy of this file. Run with the embedded engine, not
against a server.

`config` holds, in the words of Qdrant's REST interface: `width`, `distance` and `datatype` of the vectors;
`quantization`, what is kept beside them, {} if nothing; `hnsw`, whose m is 0 for a scan; `indexing_threshold`; and
`params` of a search.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

EMPTY_SHARD = 170_000_000  # bytes: logs of two times 32 MiB, and pages of payload
NEEDS = "qdrant-client qdrant-edge-py"  # what pip installs, besides numpy

NAMES = uuid.UUID("b2d9c2d4-7a3c-5d0e-9d7d-6b0d0f0e3a51")  # of the ids of points
REQUEST_VALUES = 500_000  # coordinates in a request: some 10 MB of JSON, of 32 that a server takes by default
POLL_SECONDS = 0.5
KEY = "QDRANT_API_KEY"
# files and folders of a segment by what they hold; the rest are logs, and pages that are reserved
PARTS = (
    ("quantized.data", "codes"),
    ("matrix.dat", "vectors"),
    ("tq_vectors.dat", "vectors"),
    ("vector_index", "links"),
    ("id_tracker", "ids"),
    ("payload_storage", "fixed: payload pages"),
)


def native(config: dict[str, Any], name: str = "documents") -> str:
    """The requests that make and search the collection."""
    made = json.dumps(_body(config), indent=2)
    search = {"query": ["…"], "limit": 10, "params": config["params"], "with_payload": True}
    asked = json.dumps(search, ensure_ascii=False)
    return f"PUT /collections/{name}\n{made}\n\nPOST /collections/{name}/points/query\n{asked}"


def _body(config: dict[str, Any]) -> dict[str, Any]:
    """What makes the collection."""
    vectors = {"size": config["width"], "distance": config["distance"], "datatype": config["datatype"]}
    optimizers = {"indexing_threshold": config["indexing_threshold"]}
    body: dict[str, Any] = {"vectors": vectors, "hnsw_config": config["hnsw"], "optimizers_config": optimizers}
    if config["quantization"]:
        body["quantization_config"] = config["quantization"]
    return body


class Store:
    """The collection `name` at `place`: http://… of a server, or a folder of embedded collections."""

    def __new__(cls, place: str, name: str, config: dict[str, Any]) -> Store:
        return object.__new__(Server if "://" in place else Embedded)

    def __init__(self, place: str, name: str, config: dict[str, Any]) -> None:
        self.place, self.name, self.config = place, name, config

    def __enter__(self) -> Store:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        raise NotImplementedError

    def marker(self) -> str | None:
        raise NotImplementedError

    def create(self, marker: str) -> None:
        raise NotImplementedError

    def count(self) -> int:
        raise NotImplementedError

    def load(self, ids: Sequence[str], X: np.ndarray) -> None:
        rows = max(1, REQUEST_VALUES // X.shape[1])
        points = [(str(uuid.uuid5(NAMES, name)), row.tolist(), {"id": name}) for name, row in zip(ids, X, strict=True)]
        for start in range(0, len(points), rows):
            self._upsert(points[start : start + rows])

    def _upsert(self, points: list[tuple[str, list[float], dict[str, str]]]) -> None:
        """Points as (id, vector, payload)."""
        raise NotImplementedError

    def finish(self, timeout: float = 3600) -> None:
        raise NotImplementedError

    def read_back(self) -> dict[str, Any]:
        raise NotImplementedError

    def search(self, q: np.ndarray, k: int, mode: str = "configured") -> list[tuple[str, float]]:
        params = {"configured": self.config["params"], "defaults": None}.get(mode, self._all_codes())
        found = self._found(q.tolist(), k, params)
        sign = -1.0 if self.config["distance"] == "Euclid" else 1.0
        return [(point.payload["id"], sign * point.score) for point in found]

    def _all_codes(self) -> dict[str, Any]:
        """Parameters by which all codes are compared."""
        if not self.config["quantization"]:
            return {"exact": True}
        # exact=true would compare the vectors beside the codes; a beam as wide as the collection passes over no code
        ef = {"hnsw_ef": self.count()} if self.config["hnsw"]["m"] else {}
        return {**ef, "quantization": {"rescore": False}}

    def _found(self, q: list[float], k: int, params: dict[str, Any] | None) -> Any:
        raise NotImplementedError

    def sizes(self) -> dict[str, int]:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError


class Server(Store):
    """A collection of a server. Its bytes are not asked for: Qdrant tells none of a collection to its clients."""

    def __enter__(self) -> Store:
        self.client = connect(self.place)
        self.client.get_collections()  # whether the server answers
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def marker(self) -> str | None:
        if not self.client.collection_exists(self.name):
            return None
        return (self.client.get_collection(self.name).config.metadata or {}).get("marker", "")

    def create(self, marker: str) -> None:
        from qdrant_client.models import CreateCollection

        # nothing is indexed while points arrive: each segment would be indexed again whenever segments are merged
        made = CreateCollection(**{**_body(self.config), "optimizers_config": {"indexing_threshold": 0}})
        self.client.create_collection(
            self.name,
            made.vectors,
            hnsw_config=made.hnsw_config,
            optimizers_config=made.optimizers_config,
            quantization_config=made.quantization_config,
            metadata={"marker": marker},
        )
        if self.marker() != marker or self._quantization() != self.config["quantization"]:
            self.client.delete_collection(self.name)
            raise RuntimeError(
                "this Qdrant drops the quantization or the metadata of a collection; a newer one is needed"
            )

    def count(self) -> int:
        return int(self.client.count(self.name, exact=True).count)

    def _upsert(self, points: list[tuple[str, list[float], dict[str, str]]]) -> None:
        from qdrant_client.models import Batch

        ids, X, payloads = (list(each) for each in zip(*points, strict=True))
        self.client.upsert(self.name, Batch(ids=ids, vectors=X, payloads=payloads), wait=True)

    def finish(self, timeout: float = 3600) -> None:
        from qdrant_client.models import OptimizersConfigDiff

        optimizers = OptimizersConfigDiff(indexing_threshold=self.config["indexing_threshold"])
        self.client.update_collection(self.name, optimizers_config=optimizers)
        ends = time.monotonic() + timeout
        while True:
            time.sleep(POLL_SECONDS)  # the optimizer starts by itself
            info = self.client.get_collection(self.name)
            if info.optimizer_status != "ok":
                raise RuntimeError(f"the optimizer of {self.name} says {info.optimizer_status}")
            indexed = not self.config["quantization"] or (info.indexed_vectors_count or 0) >= (info.points_count or 0)
            if info.status == "green" and indexed:
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"{self.name} is still {info.status.value} after {timeout:.0f} seconds")

    def _quantization(self) -> dict[str, Any]:
        return _kept(self.client.get_collection(self.name).config.quantization_config, self.config["quantization"])

    def read_back(self) -> dict[str, Any]:
        found = self.client.get_collection(self.name).config
        vectors = found.params.vectors
        return {
            "rows": self.count(),
            "version": f"Qdrant {self.client.info().version}",
            "width": vectors.size,
            "distance": vectors.distance.value,
            "datatype": "float32" if vectors.datatype is None else vectors.datatype.value,
            "quantization": self._quantization(),
            "hnsw": _kept(found.hnsw_config, self.config["hnsw"]),
            "indexing_threshold": found.optimizer_config.indexing_threshold,
        }

    def _found(self, q: list[float], k: int, params: dict[str, Any] | None) -> Any:
        from qdrant_client.models import SearchParams

        asked = None if params is None else SearchParams(**params)
        return self.client.query_points(self.name, q, limit=k, search_params=asked, with_payload=True).points

    def sizes(self) -> dict[str, int]:
        return {}

    def drop(self) -> None:
        self.client.delete_collection(self.name)


def connect(place: str) -> Any:
    """A client of the server at `place`; a password in the URL is its key, otherwise QDRANT_API_KEY is."""
    from qdrant_client import QdrantClient

    parts = urllib.parse.urlsplit(place)
    where = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    key = urllib.parse.unquote(parts.password) if parts.password else os.environ.get(KEY)
    return QdrantClient(url=where, api_key=key, timeout=60, check_compatibility=False)


def _kept(found: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What a model of the client holds under the keys that were asked for; {} if it is None."""
    held = {} if found is None else found.model_dump(mode="json")

    def within(held: Any, asked: Any) -> Any:
        if not isinstance(held, dict) or not isinstance(asked, dict):
            return held
        return {key: within(held[key], value) for key, value in asked.items() if key in held}

    return dict(within(held, asked)) if asked else held


class Embedded(Store):
    """A shard in the folder `name` of `place`, and beside it a file with the text of its marker."""

    def __enter__(self) -> Store:
        import qdrant_edge

        self.edge: Any = qdrant_edge
        if Path(self.name).name != self.name:
            raise ValueError(f"the collection {self.name!r} must be the name of a folder")
        self.folder = Path(self.place) / self.name
        self.beside = Path(self.place) / f"{self.name}.marker"
        self.shard: Any = self.edge.EdgeShard.load(str(self.folder)) if self._is_there() else None
        return self

    def __exit__(self, *error: object) -> None:
        if self.shard is not None:
            self.shard.close()

    def _is_there(self) -> bool:
        return (self.folder / "edge_config.json").exists()

    def marker(self) -> str | None:
        if not self._is_there():
            # a folder of someone else's is no collection, and is not to be dropped
            return "" if self.folder.exists() and any(self.folder.iterdir()) else None
        return self.beside.read_text(encoding="utf-8") if self.beside.exists() else ""

    def create(self, marker: str) -> None:
        Path(self.place).mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.place).free < EMPTY_SHARD:
            # it maps its logs before it writes them: on a full disk the process would be killed
            raise OSError(f"an empty shard takes {EMPTY_SHARD / 1e6:,.0f} MB; less is left on the disk")
        self.folder.mkdir(exist_ok=True)
        self.beside.write_text(marker, encoding="utf-8")
        edge, hnsw = self.edge, {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, **self.config["hnsw"]}
        vectors = edge.EdgeVectorParams(
            size=self.config["width"],
            distance=getattr(edge.Distance, self.config["distance"]),
            datatype=getattr(edge.VectorStorageDatatype, self.config["datatype"].capitalize()),
        )
        config = edge.EdgeConfig(
            vectors=vectors,
            hnsw_config=edge.HnswIndexConfig(**hnsw),
            quantization_config=_quantization(edge, self.config["quantization"]),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=self.config["indexing_threshold"]),
        )
        self.shard = edge.EdgeShard.create(str(self.folder), config)

    def count(self) -> int:
        return int(self.shard.count(self.edge.CountRequest(exact=True)))

    def _upsert(self, points: list[tuple[str, list[float], dict[str, str]]]) -> None:
        made = [self.edge.Point(uuid.UUID(point), vector, payload) for point, vector, payload in points]
        self.shard.update(self.edge.UpdateOperation.upsert_points(made))

    def finish(self, timeout: float = 3600) -> None:
        self.shard.optimize()
        self.shard.close()  # segments that were replaced are removed when it is closed
        self.shard = self.edge.EdgeShard.load(str(self.folder))

    def read_back(self) -> dict[str, Any]:
        held = json.loads((self.folder / "edge_config.json").read_text())
        info, rows = self.shard.info(), self.count()
        kept = [each for each in self._segments() if each["index"]["type"] == "hnsw"] or [held["vectors"][""]]
        if any(each.get("quantization_config") != kept[0].get("quantization_config") for each in kept):
            raise RuntimeError(f"segments of {self.name} are quantized in different ways")
        if self.config["quantization"] and info.indexed_vectors_count < rows:
            raise RuntimeError(f"{info.indexed_vectors_count} of {rows} points of {self.name} are quantized")
        return {
            "rows": rows,
            "version": f"qdrant-edge-py {metadata.version('qdrant-edge-py')}",
            "width": kept[0]["size"],
            "distance": kept[0]["distance"],
            "datatype": kept[0].get("datatype", "float32"),
            "quantization": kept[0].get("quantization_config") or {},
            "hnsw": {key: held["hnsw_config"][key] for key in self.config["hnsw"]},
            "indexing_threshold": held["optimizers"]["indexing_threshold"],
        }

    def _segments(self) -> Iterator[dict[str, Any]]:
        """How each segment holds the vectors."""
        for path in self.folder.glob("segments/*/segment.json"):
            yield json.loads(path.read_text())["config"]["vector_data"][""]

    def _found(self, q: list[float], k: int, params: dict[str, Any] | None) -> Any:
        edge, asked = self.edge, dict(params or {})
        if "quantization" in asked:
            asked["quantization"] = edge.QuantizationSearchParams(**asked["quantization"])
        options = None if params is None else edge.SearchParams(**asked)
        query = edge.Query.Nearest(q)
        return self.shard.search(edge.SearchRequest(query, k, params=options, with_payload=True))

    def sizes(self) -> dict[str, int]:
        """File sizes; a page or a log counts as a whole."""
        sizes = dict.fromkeys(
            ("vectors", "codes", "links", "ids", "fixed: payload pages", "fixed: logs and spare pages"), 0
        )
        for path in self.folder.rglob("*"):
            if path.is_file():
                sizes[self._part(path)] += path.stat().st_size
        vectors = sizes.pop("vectors")
        if not self.config["quantization"]:
            sizes["codes"] += vectors
            return sizes
        return {"original": vectors, **sizes}

    def _part(self, path: Path) -> str:
        inside = [one for one in path.relative_to(self.folder).parts[2:] if one != "vector_storage"] or [""]
        return next((part for start, part in PARTS if inside[0].startswith(start)), "fixed: logs and spare pages")

    def drop(self) -> None:
        self.shard.close()
        self.shard = None
        shutil.rmtree(self.folder)
        self.beside.unlink(missing_ok=True)


def _quantization(edge: Any, asked: dict[str, Any]) -> Any:
    """The embedded engine's class for a quantization in the words of the REST interface."""
    if not asked:
        return None
    [(kind, given)] = asked.items()
    options = dict(given)
    if kind == "scalar":
        return edge.ScalarQuantizationConfig(**{**options, "type": edge.ScalarType.Int8})
    if kind == "product":
        return edge.ProductQuantizationConfig(
            **{**options, "compression": _of(edge.CompressionRatio, options["compression"])}
        )
    if kind == "turbo":
        return edge.TurboQuantQuantizationConfig(**{**options, "bits": _of(edge.TurboQuantBitSize, options["bits"])})
    encoding = _of(edge.BinaryQuantizationQueryEncoding, options["query_encoding"])
    return edge.BinaryQuantizationConfig(**{**options, "query_encoding": encoding})


def _of(kind: Any, word: str) -> Any:
    """`x16` is X16, `bits4` Bits4, `scalar8bits` Scalar8Bits."""
    return getattr(kind, word.capitalize().replace("8bits", "8Bits"))
