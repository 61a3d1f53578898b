"""Chroma: a collection in the folder of a persistent client, read from a temporary copy.

The client writes to its database as soon as it opens it (chromadb 1.5.9: a row in `acquire_write`, and migrations of an
older one), so it is given a copy: of the database, and of the folder in which Chroma keeps the collection's vectors.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError, MissingExtraError
from embgeo.files.atomic import temporary_folder
from embgeo.files.cache_folder import cache_directory, cache_errors
from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import Block, StoredRows, vector_store

DATABASE = "chroma.sqlite3"
DOCUMENTS = "documents"  # the texts of Chroma's own interface; other columns are keys of the metadata
GET_ROWS = 2048
_STRINGS = """select distinct m.key from embedding_metadata m join embeddings e on e.id = m.id
    join segments s on s.id = e.segment_id where s.collection = ? and m.string_value is not null order by m.key"""
_DOCUMENT_KEY = "chroma:document"


@vector_store("chroma", form="PATH/COLLECTION")
def open_chroma(place: str, text: TextColumn) -> Iterator[StoredRows]:
    """Vectors with their ids, in the order in which they were added; under cosine Chroma itself rounds them.

    Texts are the collection's documents, or a key of the metadata.
    """
    folder, slash, name = place.rstrip("/").rpartition("/")
    path = Path(folder).expanduser()
    if not slash or not name or not (path / DATABASE).is_file():
        raise DataError(f"chroma:PATH/COLLECTION must name the folder of a persistent client; no {DATABASE} in {path}")
    try:
        import chromadb
    except ImportError:
        raise MissingExtraError("reading Chroma needs chromadb: pip install 'embgeo[chroma]'") from None
    with cache_errors(cache_directory()), temporary_folder(cache_directory()) as copy:
        columns = _copy(path, name, copy)
        wanted = DOCUMENTS if text.name is None and DOCUMENTS in columns else text.among(columns, place)
        settings = chromadb.Settings(anonymized_telemetry=False)
        with closing(chromadb.PersistentClient(str(copy), settings)) as client:
            collection = client.get_collection(name, embedding_function=None)
            first = collection.get(limit=1, include=["embeddings"])["embeddings"]
            dimension = len(first[0]) if len(first) else 0
            yield StoredRows(collection.count(), dimension, _blocks(collection, wanted))


def _copy(path: Path, name: str, copy: Path) -> list[str]:
    """Copy what the collection is stored in; the names of its columns of texts."""
    with closing(sqlite3.connect(f"{(path / DATABASE).absolute().as_uri()}?mode=ro", uri=True)) as db:
        known = dict(db.execute("select name, id from collections order by name").fetchall())
        if name not in known:
            raise DataError(f"{path} has no collection {name!r}; it has {', '.join(known) or 'none'}")
        with closing(sqlite3.connect(copy / DATABASE)) as target:
            db.backup(target)
        for (segment,) in db.execute("select id from segments where collection = ?", [known[name]]):
            if Path(segment).name != segment:
                raise DataError(f"{path / DATABASE} must name folders beside it; got {segment!r}")
            if (path / segment).is_dir():
                shutil.copytree(path / segment, copy / segment)
        keys = [key for (key,) in db.execute(_STRINGS, [known[name]])]
    return [DOCUMENTS if key == _DOCUMENT_KEY else key for key in keys]


def _blocks(collection: Any, column: str) -> Iterator[Block]:
    more = [] if not column else ["documents"] if column == DOCUMENTS else ["metadatas"]
    start = 0
    while (found := collection.get(limit=GET_ROWS, offset=start, include=["embeddings", *more]))["ids"]:
        texts = found["documents"] if column == DOCUMENTS else None
        if column and texts is None:
            texts = [_text((each or {}).get(column)) for each in found["metadatas"]]
        yield Block(found["ids"], np.asarray(found["embeddings"], np.float32), texts)
        start += len(found["ids"])


def _text(value: Any) -> str:
    return "" if value is None else str(value)
