"""Qdrant: a collection of a server, or of a folder in the client's local mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import Block, StoredRows, vector_store

SCROLL_ROWS = 1024  # points come as JSON: a request of these at 1,024 dimensions is some 20 MB
SAMPLE_POINTS = 64  # payloads have no schema
API_KEY = "QDRANT_API_KEY"


@vector_store("qdrant", form="URL-or-PATH/COLLECTION#VECTOR")
def open_qdrant(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """Points with their ids, in the order of scrolling. The only vector of the points is found by itself.

    Texts are a key of the payload. A server's key is read from QDRANT_API_KEY. Qdrant itself keeps the vectors of a
    cosine collection at unit length.
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
        texts = text.among(_keys_of_texts(client, name, text.name), place)
        yield StoredRows(client.count(name, exact=True).count, dimension, _blocks(client, name, vector, texts))


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


def _keys_of_texts(client: Any, name: str, asked: str | None) -> list[str]:
    """Keys of payloads that hold text, by the first points; `asked` too if any point has it."""
    points, _ = client.scroll(name, limit=SAMPLE_POINTS, with_payload=True)
    payloads = [point.payload or {} for point in points]
    keys = {key: None for each in payloads for key, value in each.items() if isinstance(value, str)}
    if asked and asked not in keys:
        from qdrant_client import models

        absent = models.IsEmptyCondition(is_empty=models.PayloadField(key=asked))
        if client.count(name, count_filter=models.Filter(must_not=[absent])).count:
            keys[asked] = None
    return list(keys)


def _blocks(client: Any, name: str, vector: str, key: str) -> Iterator[Block]:
    offset = None
    asked = {"with_vectors": [vector] if vector else True, "with_payload": [key] if key else False}
    while True:
        points, offset = client.scroll(name, limit=SCROLL_ROWS, offset=offset, **asked)
        read = [point for point in points if _has(point, vector)]
        if read:
            X = np.array([point.vector[vector] if vector else point.vector for point in read], np.float32)
            texts = [_text((point.payload or {}).get(key)) for point in read] if key else None
            yield Block([point.id for point in read], X, texts)
        if offset is None:
            return


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _has(point: Any, vector: str) -> bool:
    return bool(point.vector) and (not vector or vector in point.vector)
