"""Qdrant: a collection of a server, or of a folder in the client's local mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.sources.vector_stores import Block, StoredRows, vector_store

SCROLL_ROWS = 1024  # points come as JSON: a request of these at 1,024 dimensions is some 20 MB
API_KEY = "QDRANT_API_KEY"


@vector_store("qdrant", form="URL-or-PATH/COLLECTION#VECTOR")
def open_qdrant(place: str) -> Iterator[StoredRows]:
    """Points with their ids, in the order of scrolling. The only vector of the points is found by itself.

    A server's key is read from QDRANT_API_KEY. Qdrant itself keeps the vectors of a cosine collection at unit length.
    """
    place, _, vector = place.partition("#")
    where, slash, name = place.rstrip("/").rpartition("/")
    remote = "://" in where
    path = Path(where).expanduser()
    if not slash or not name or not (remote or path.is_dir()):  # the client would create the folder
        raise DataError(f"qdrant:URL/COLLECTION or qdrant:PATH/COLLECTION must name a store; no folder {path}")
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise MissingExtraError("reading Qdrant needs qdrant-client: pip install 'embgeo[qdrant]'") from None
    at: dict[str, Any] = {"url": where, "api_key": os.environ.get(API_KEY)} if remote else {"path": str(path)}
    with closing(QdrantClient(**at, **({"check_compatibility": False} if remote else {}))) as client:
        known = sorted(one.name for one in client.get_collections().collections)
        if name not in known:
            raise DataError(f"{where} has no collection {name!r}; it has {', '.join(known) or 'none'}")
        vector, dimension = _vector(client.get_collection(name).config.params.vectors, vector, place)
        yield StoredRows(client.count(name, exact=True).count, dimension, _blocks(client, name, vector))


def _vector(found: Any, vector: str, place: str) -> tuple[str, int]:
    """The name ("" if it has none) and the dimension of the vectors to read."""
    kinds = found if isinstance(found, dict) else {"": found}
    if not vector and len(kinds) == 1:
        vector = next(iter(kinds))
    if vector not in kinds:
        listed = ", ".join(kinds) or "none"
        raise DataError(f"{place} must be read by the name of a dense vector, COLLECTION#VECTOR; it has {listed}")
    if kinds[vector].multivector_config is not None:
        raise DataError(f"{vector or 'the vector'} of {place} must be one vector a point; it holds several")
    return vector, int(kinds[vector].size)


def _blocks(client: Any, name: str, vector: str) -> Iterator[Block]:
    offset = None
    while True:
        wanted = [vector] if vector else True
        points, offset = client.scroll(name, limit=SCROLL_ROWS, offset=offset, with_payload=False, with_vectors=wanted)
        read = [(point.id, point.vector[vector] if vector else point.vector) for point in points if _has(point, vector)]
        if read:
            yield [one for one, _ in read], np.array([values for _, values in read], np.float32)
        if offset is None:
            return


def _has(point: Any, vector: str) -> bool:
    return bool(point.vector) and (not vector or vector in point.vector)
