"""The store of a corpus in shards as `compress` writes it: where it is kept until it is whole, and what a run says."""

from __future__ import annotations

import datetime
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embgeo.compression.codecs.codec import Codec
from embgeo.embeddings import Embeddings
from embgeo.files.cache_folder import entry_extent
from embgeo.pipelines.built_store import STORE_FOLDER
from embgeo.progress import Progress
from embgeo.run import folder_name, identity
from embgeo.scale.engine import Engine
from embgeo.scale.shards import is_sharded
from embgeo.scale.store import ShardedStore, adopt, write_sharded

logger = logging.getLogger("embgeo")
UNFINISHED = ".store-"  # the beginning of the name of a folder in which a store is written
KEPT_DAYS = 7  # that an unfinished store is kept for the command that goes on with it
REPEATED = 0.01  # share of a store's bytes that the repeated constants may take without a word


def write_in_shards(
    out: Path, origin: Mapping[str, Any], codec: Codec, embeddings: Embeddings, engine: Engine, progress: Progress
) -> ShardedStore:
    """Write the store of the run that `origin` begins, in a hidden folder of `out` that repeats of the run share.

    Finished shards of a run that was interrupted, or of the same run as it is in `out`, are kept if they are whole.
    Raises StorageError.
    """
    name = identity(origin)
    folder = Path(out) / f"{UNFINISHED}{name[:16]}"
    adopt(folder, Path(out) / folder_name({**origin, "identity": name}) / STORE_FOLDER, name, codec)
    try:
        return write_sharded(folder, codec, embeddings, engine, name, progress)
    except BaseException:
        logger.warning("finished shards are kept in %s for the same command, for %d days", folder, KEPT_DAYS)
        raise


def remove_abandoned(out: Path) -> None:
    """Remove the unfinished stores in `out` that no command has gone on with for `KEPT_DAYS`."""
    for folder in Path(out).glob(f"{UNFINISHED}*"):
        try:
            changed, size = entry_extent(folder)
        except OSError:
            continue  # a file was moved as it was looked at: another command is at work
        if datetime.datetime.now(datetime.UTC) - changed > datetime.timedelta(KEPT_DAYS):
            shutil.rmtree(folder, ignore_errors=True)
            logger.warning("removed %s, an unfinished store of %s bytes that nobody went on with", folder, f"{size:,}")


def shard_notes(store: ShardedStore | None, codec: Codec, embeddings: Embeddings, engine: str) -> list[str]:
    """What a user must know of a store in shards, or of an engine that had nothing to spread."""
    if store is None:
        if engine == "local":
            return []
        why = "an index is built in one piece" if is_sharded(embeddings) else "the corpus is in one piece"
        return [f"--engine {engine} did not write the store: {why}"]
    repeated = (len(store.containers) - 1) * codec.state_bytes
    if repeated <= REPEATED * store.bytes:
        return []
    return [
        f"the store takes {store.bytes:,} bytes in {len(store.containers)} files: {repeated:,} of them are the codec's "
        "constants, which each shard repeats and the other sizes count once; larger shards repeat fewer"
    ]
