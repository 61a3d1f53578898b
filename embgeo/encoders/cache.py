"""The disk cache for any encoder: after a kill at any moment, the same call resumes where it stopped."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embgeo.encoders.batch_plan import BatchPlan, plan_batches
from embgeo.encoders.cache_entry import CacheEntry
from embgeo.encoders.encoder import Encoder, Role
from embgeo.errors import InputError, StorageError
from embgeo.files.cache_folder import cache_directory, entry_extent, entry_folders, remove_entry
from embgeo.files.digest import Digest
from embgeo.progress import Progress, silent

FORMAT = 1
SHARD_SECONDS = 5.0
SHARD_BYTES = 1 << 26
ATTEMPTS = 3
STAGES: dict[Role, str] = {"document": "encoding documents", "query": "encoding queries"}


@dataclass(frozen=True)
class CachedEncoding:
    """A line of `embgeo cache`: one set of texts encoded by one model; `finished` or still growing."""

    key: str
    model: str
    role: str
    texts: int
    dimension: int
    bytes: int
    modified: datetime.datetime
    finished: bool


def encode_texts(
    encoder: Encoder,
    texts: Sequence[str],
    role: Role,
    cache_dir: Path | None,
    progress: Progress = silent,
    *,
    shard_seconds: float = SHARD_SECONDS,
) -> np.ndarray:
    """Vectors of `texts` in their order, (n, d) float32; a read-only memory map when cached, a new array when not.

    One call has one batch plan, sorted by length. Batches are kept on disk in shards, a shard every `shard_seconds` of
    work and at least every 64 MiB, each with a checksum. After a kill the same call encodes only what is missing; with
    as many threads on the same processor its matrix is bit-identical to the uninterrupted one. Damaged shards and
    matrices are encoded again with a warning.
    A text that occurs twice is encoded twice: leaving it out would change the batches of its neighbours.

    Raises
    ------
    StorageError
        Disk full or no permission; the batches kept so far stay.
    InputError
        The encoder returned something other than float rows of shape (batch, dimension).
    """
    texts = list(texts)
    plan = plan_batches(texts, int(encoder.identity["batch_size"]))
    if not texts:
        return np.empty((0, encoder.dimension), np.float32)
    if cache_dir is None:
        vectors = np.empty((len(texts), encoder.dimension), np.float32)
        for batch, found in enumerate(_encoded(encoder, texts, plan, range(plan.batches), role)):
            vectors[plan.rows(batch)] = found
            progress(STAGES[role], min((batch + 1) * plan.batch_size, len(texts)), len(texts))
        return vectors
    key = cache_key(encoder, texts, role)
    entry = CacheEntry(_encodings(cache_dir) / key, plan, encoder.dimension)
    if (done := entry.finished()) is not None:
        return done
    held = {"model": encoder.name, "role": role, "texts": len(texts), "dimension": encoder.dimension}
    entry.prepare({"format": FORMAT, **held, "identity": dict(encoder.identity)})
    for _ in range(ATTEMPTS):
        _encode_missing(encoder, texts, role, entry, progress, shard_seconds)
        entry.assemble()
        # checked even if our own assembly failed: another process may have finished and dropped the shards
        if (done := entry.finished()) is not None:
            entry.drop_shards()
            return done
    raise StorageError(
        f"the cache must read back what it wrote; {entry.folder} was damaged {ATTEMPTS} times in a row. "
        "Check the disk or point EMBGEO_CACHE_DIR elsewhere."
    )


def cache_key(encoder: Encoder, texts: Sequence[str], role: Role) -> str:
    """SHA-256 of canonical JSON over the encoder's identity, the role and the ordered texts."""
    what = {
        "format": FORMAT,
        "identity": dict(encoder.identity),
        "role": role,
        "texts": Digest().add_texts(texts).hex(),
    }
    # not `canonical_json`, which does not escape non-ASCII text: the keys of existing entries must stay valid
    canonical = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Digest(canonical).hex()


def cached_matrix(key: str, rows: int, dimension: int, cache_dir: Path | None = None) -> np.ndarray | None:
    """The finished (rows, dimension) matrix of an entry as a read-only memory map; None if the cache has none.

    Nothing is encoded. `key` is a value that `cache_key` returned; anything else finds nothing.
    """
    folder = _encodings(cache_dir or cache_directory()) / key
    if re.fullmatch("[0-9a-f]{64}", key) is None or not folder.is_dir():
        return None
    return CacheEntry(folder, BatchPlan(np.arange(rows), 1), dimension).finished()


def cache_entries(cache_dir: Path | None = None) -> list[CachedEncoding]:
    """What the cache holds, newest first; folders it cannot read are listed with an empty model."""
    entries = [_describe(folder) for folder in entry_folders(_encodings(cache_dir or cache_directory()))]
    return sorted(entries, key=lambda entry: entry.modified, reverse=True)


def clear_cache(cache_dir: Path | None = None, keys: Iterable[str] | None = None) -> list[CachedEncoding]:
    """Remove the entries of these keys (all if None) and return them; unknown keys are ignored."""
    root = cache_dir or cache_directory()
    wanted = None if keys is None else set(keys)
    removed = [entry for entry in cache_entries(root) if wanted is None or entry.key in wanted]
    for entry in removed:
        remove_entry(_encodings(root) / entry.key)
    return removed


def _encode_missing(
    encoder: Encoder, texts: Sequence[str], role: Role, entry: CacheEntry, progress: Progress, shard_seconds: float
) -> None:
    """Encode the batches that no shard holds; consecutive ones share a shard until it is due."""
    missing = entry.missing_batches()
    plan, total = entry.plan, len(texts)
    done = total - sum(len(plan.rows(batch)) for batch in missing)
    kept: list[np.ndarray] = []
    first, size, due = -1, 0, time.monotonic() + shard_seconds
    if missing and done:
        progress(STAGES[role], done, total)

    def flush() -> None:
        nonlocal kept, size, due
        ready, kept, size, due = kept, [], 0, time.monotonic() + shard_seconds
        if ready:
            entry.write_shard(first, np.concatenate(ready))

    try:
        for batch, vectors in zip(missing, _encoded(encoder, texts, plan, missing, role), strict=True):
            if kept and first + len(kept) != batch:
                flush()
            first = first if kept else batch
            kept.append(vectors)
            size += vectors.nbytes
            done += len(vectors)
            if size >= SHARD_BYTES or time.monotonic() >= due:
                flush()
            progress(STAGES[role], done, total)
    except BaseException:
        # Ctrl-C, or an encoder that failed: the finished batches are kept
        flush()
        raise
    flush()


def _encoded(
    encoder: Encoder, texts: Sequence[str], plan: BatchPlan, batches: Sequence[int], role: Role
) -> Iterator[np.ndarray]:
    """The vectors of these batches of the plan, in their order."""
    asked = ([texts[row] for row in plan.rows(batch)] for batch in batches)
    for batch, found in zip(batches, encoder.encode_batches(asked, role), strict=True):
        vectors, rows = np.asarray(found), len(plan.rows(batch))
        if vectors.shape != (rows, encoder.dimension) or vectors.dtype.kind != "f":
            raise InputError(
                f"encoder {encoder.name} must return float rows of shape ({rows}, {encoder.dimension}); "
                f"got {vectors.dtype} of shape {vectors.shape}"
            )
        yield vectors.astype(np.float32, copy=False)


def _encodings(cache_dir: Path) -> Path:
    return cache_dir / "encodings"


def _describe(folder: Path) -> CachedEncoding:
    modified, size = entry_extent(folder)
    try:
        facts = json.loads((folder / "entry.json").read_text("utf-8"))
        model, role, texts, dimension = facts["model"], facts["role"], int(facts["texts"]), int(facts["dimension"])
    except (OSError, ValueError, KeyError, TypeError):
        model, role, texts, dimension = "", "", 0, 0
    finished = (folder / "finished.json").is_file()
    return CachedEncoding(folder.name, model, role, texts, dimension, size, modified, finished)
