"""A store in shards: a folder with a container of each shard of the corpus, and a manifest that says what is in them.

    store/manifest.json             format, spec, rows, bytes; of every container its file, rows, bytes and SHA-256
    store/shard-00000.safetensors   codes, ids and codec of the first shard, a store by itself (`search/store.py`)

A store is written in a folder of its own, where finished containers stay if the writing is interrupted, and moved to
its place when it is whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import Codec
from embgeo.compression.search.searcher import Found
from embgeo.compression.search.store import Store, codec_checksum, load_store
from embgeo.embeddings import Embeddings
from embgeo.environment import environment
from embgeo.errors import InputError, RunFormatError, StorageError
from embgeo.files.atomic import link, remove_orphans, storage_errors, write_text
from embgeo.files.digest import Digest, file_digest
from embgeo.files.ids import Ids, as_ids, stacked_ids
from embgeo.progress import Progress, silent
from embgeo.retrieval.top_k import TopK
from embgeo.scale.engine import Engine
from embgeo.scale.passes import Container, encode, nearest_codes, write_record
from embgeo.scale.shards import shards_of

MANIFEST = "manifest.json"
FORMAT = 1
ADVICE = "Finished shards are kept: free some space, or choose a writable folder with --out, and run it again"
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class ShardedStore:
    """A store in shards, opened: the manifest is read, the containers when they are needed.

    Attributes
    ----------
    containers : one for each shard of the corpus, in order.
    codec_sha256 : checksum of the codec that all of them hold.
    key : of what they were made from.
    """

    folder: Path
    containers: tuple[Container, ...]
    codec_sha256: str
    key: str

    def __len__(self) -> int:
        return sum(one.rows for one in self.containers)

    @property
    def bytes(self) -> int:
        """Of all containers."""
        return sum(one.bytes for one in self.containers)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """(s,) int64: the corpus row of the first document of each container."""
        return np.cumsum([0, *(one.rows for one in self.containers)])[:-1]

    @property
    def codec(self) -> Codec:
        return self.open(0).codec

    def open(self, number: int) -> Store:
        """One container, memory-mapped; raises the errors of `load_store`, which name the file."""
        one = self.containers[number]
        store = load_store(self.folder / one.file)
        if len(store) != one.rows or codec_checksum(store.codec) != self.codec_sha256:
            raise RunFormatError(
                f"{self.folder / one.file} belongs to another store than {MANIFEST} says. Run compress again"
            )
        return store

    def check(self) -> None:
        """Compare every byte with the checksums; raises RunFormatError, which names the first damaged container."""
        for one in self.containers:
            if file_digest(self.folder / one.file) != one.sha256:
                raise RunFormatError(
                    f"{self.folder / one.file} is damaged: its checksum is not that of {MANIFEST}. Run the same "
                    "compress again: it makes only this shard anew"
                )

    def ids(self, rows: np.ndarray) -> list[str]:
        """The ids of these corpus rows (k,), in their order; only the containers that hold them are opened."""
        place = np.searchsorted(self.first_rows, rows, "right") - 1
        opened = {number: self.open(number).doc_ids for number in np.unique(place).tolist()}
        return [
            opened[at][row - int(self.first_rows[at])] for at, row in zip(place.tolist(), rows.tolist(), strict=True)
        ]

    def whole(self) -> Store:
        """All of it as one store in memory, every checksum verified.

        Raises InputError where twice the codes exceed the memory of this machine: what takes them copies them.
        """
        codec = self.codec
        size, memory = len(self) * codec.code_bytes, environment()["memory_bytes"]
        if memory is not None and 2 * size > memory:
            raise InputError(
                f"one index of all {len(self.containers)} shards needs their codes twice in memory, "
                f"{2 * size / 1e9:,.1f} GB; this machine has {memory / 1e9:,.1f} GB. Export it on a larger one"
            )
        self.check()
        codes, ids = np.empty((len(self), codec.code_bytes), np.uint8), list[Ids]()
        for number, first in enumerate(self.first_rows.tolist()):
            part = self.open(number)
            codes[first : first + len(part)] = part.codes
            ids.append(as_ids(part.doc_ids))
        return Store(codec, codes, stacked_ids(ids))


@dataclass(frozen=True)
class ShardedSearcher:
    """Search container after container and merge what each finds; memory holds what one container needs."""

    store: ShardedStore
    engine: Engine
    device: str = "cpu"

    @property
    def name(self) -> str:
        return f"{len(self.store.containers)} shards, merged"

    @property
    def ram_bytes(self) -> int:
        return max(one.bytes for one in self.store.containers)

    def search(self, Q: np.ndarray, k: int) -> Found:
        """Scores (m, k) float32, larger is nearer, and corpus rows (m, k), −1 where there are fewer than k."""
        store, best = self.store, TopK.empty(len(Q), k)
        files = [store.folder / one.file for one in store.containers]
        for found in self.engine.map(
            nearest_codes, zip(files, store.first_rows.tolist(), strict=True), Q, k, self.device
        ):
            best.join(*found)
        return best.scores, best.rows


def write_sharded(
    folder: Path, codec: Codec, embeddings: Embeddings, engine: Engine, key: str, progress: Progress = silent
) -> ShardedStore:
    """Write a store of a corpus into `folder`, one container a shard, each by a task of `engine`.

    Containers of the same `key` (what determines vectors and ids) and codec that are there are kept if all their bytes
    are as they were written; anything else in the folder is removed. Raises StorageError.
    """
    with storage_errors("the store", folder, ADVICE):
        folder.mkdir(parents=True, exist_ok=True)
        remove_orphans(folder)
    shards, checksum = shards_of(embeddings), codec_checksum(codec)
    items = ((one, embeddings.doc_ids[one.first : one.first + one.rows]) for one in shards)
    key = _store_key(key, codec)
    found, made = list[Container](), 0
    for shard, (one, new) in zip(
        shards, engine.map(encode, items, (codec.manifest(), codec.state), folder.absolute(), key), strict=True
    ):
        found.append(one)
        made += new
        kept = len(found) - made
        stage = f"writing the store{f', {kept} of {len(shards)} shards were there' if kept else ''}"
        progress(stage, shard.first + shard.rows, len(embeddings))
    store = ShardedStore(folder, tuple(found), checksum, key)
    facts = {"embgeo_shards": FORMAT, "spec": str(codec.spec), "codec_sha256": checksum, "key": key}
    totals = {"rows": len(store), "bytes": store.bytes, "shards": [asdict(one) for one in found]}
    with storage_errors("the store", folder, ADVICE):
        kept_names = {one.file for one in found}
        for path in folder.iterdir():
            if path.name not in kept_names:
                path.unlink()
        write_text(folder / MANIFEST, json.dumps(facts | totals, indent=1) + "\n")
    return store


def adopt(folder: Path, before: Path, key: str, codec: Codec) -> None:
    """Give `folder` the containers of an earlier store `before` of the same key and codec; none if there is none.

    `write_sharded` then compares their bytes with their checksums.
    """
    try:
        store = _read(before)
    except (OSError, RunFormatError, *_DAMAGE):
        return
    key = _store_key(key, codec)
    if store.key != key:
        return
    with storage_errors("the store", folder, ADVICE):
        folder.mkdir(parents=True, exist_ok=True)
        for one, first in zip(store.containers, store.first_rows.tolist(), strict=True):
            if not (folder / one.file).exists() and link(before / one.file, folder / one.file):
                write_record(folder, one, key, first)


def _store_key(key: str, codec: Codec) -> str:
    return Digest(key, codec_checksum(codec)).hex()


def load_sharded(folder: Path) -> ShardedStore:
    """Open a store in shards; sizes are checked, codes are not read.

    Raises RunFormatError for a damaged or newer manifest, and for a container that is missing or of another size.
    """
    path = folder / MANIFEST
    try:
        store = _read(folder)
    except RunFormatError:
        raise
    except OSError as error:
        raise StorageError(f"the store {path} cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise RunFormatError(
            f"{path} is not the manifest of a store or is damaged: {error}. Run compress again"
        ) from None
    for one in store.containers:
        file = folder / one.file
        size = file.stat().st_size if file.is_file() else None
        if size != one.bytes:
            what = "is missing" if size is None else f"must have {one.bytes} bytes; it has {size}"
            raise RunFormatError(f"{file} {what}. Run the same compress again: it makes only this shard anew")
    return store


def _read(folder: Path) -> ShardedStore:
    """What a manifest says; OSError or one of `_DAMAGE` if it is absent or damaged, RunFormatError if it is newer."""
    held = json.loads((folder / MANIFEST).read_bytes())
    if int(held["embgeo_shards"]) > FORMAT:
        raise RunFormatError(
            f"{folder / MANIFEST} has format {held['embgeo_shards']}; this embgeo reads up to {FORMAT}. Upgrade embgeo"
        )
    containers = tuple(Container(**one) for one in held["shards"])
    store = ShardedStore(folder, containers, str(held["codec_sha256"]), str(held["key"]))
    if not containers or len(store) != held["rows"] or any(Path(one.file).name != one.file for one in containers):
        raise ValueError("its shards and its rows disagree")
    return store
