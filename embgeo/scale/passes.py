"""The passes over a corpus, each a pure function of a shard and constants: what an engine runs.

A pass that writes may run twice, on two machines even: what it writes appears whole, and is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Codec, restore_codec
from embgeo.compression.judging.held_out import rank_blocks
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.searcher import Found
from embgeo.compression.search.store import load_store, write_store
from embgeo.files.atomic import write_text
from embgeo.files.digest import Digest, file_digest
from embgeo.retrieval.exact import scan_blocks
from embgeo.retrieval.top_k import TopK
from embgeo.scale.shards import Shard


@dataclass(frozen=True)
class Container:
    """One file of a store in shards: its name, documents, size and SHA-256."""

    file: str
    rows: int
    bytes: int
    sha256: str


def nearest(item: tuple[Shard, np.ndarray], asked: np.ndarray, depth: int) -> Found:
    """Scores and corpus rows (m, depth) of the exact neighbours of `asked` (m, d) in a shard, −inf and −1 beyond it.

    The item has the shard and the precedence (rows,) of its documents among equal scores.
    """
    shard, precedence = item
    best = TopK.empty(len(asked), depth, precedence)
    scan_blocks(shard.embeddings(), np.array(asked), best)
    return best.scores, np.where(best.rows < 0, -1, best.rows + shard.first)


CodecFacts = tuple[Mapping[str, Any], Mapping[str, np.ndarray]]  # what `restore_codec` takes


def rank(
    item: tuple[Shard, np.ndarray], asked: np.ndarray, facts: Sequence[CodecFacts], depths: Sequence[int]
) -> list[Found]:
    """Scores and corpus rows (m, depth) of the documents of a shard that each codec ranks first for `asked` (m, d).

    The item has the shard and the precedence (rows,) of its documents among equal scores; `facts` are of codecs of one
    tier. The documents are read once and encoded by block for all of them.
    """
    shard, precedence = item
    codecs = [_restored(one).tiers[0] for one in facts]
    tiers = {str(place): what for place, what in enumerate(zip(codecs, depths, strict=True))}
    best = rank_blocks(shard.embeddings(), np.array(asked), tiers, precedence)
    return [(top.scores, np.where(top.rows < 0, -1, top.rows + shard.first)) for top in best.values()]


def encode(item: tuple[Shard, Sequence[str]], facts: CodecFacts, folder: Path, key: str) -> tuple[Container, bool]:
    """Write the container of a shard and its ids into `folder`, and whether it had to be: False if it is there, whole.

    `facts` are the codec's manifest and state, as a store holds them. Beside the container lies a record with its
    checksum, and `key`, by which a container of other vectors or another codec is known. Raises StorageError if the
    disk is full.
    """
    shard, ids = item
    path = folder / f"shard-{shard.number:05}.safetensors"
    mine = _key(key, shard.first, shard.rows)
    if (there := _finished(path, mine)) is not None:
        return there, False
    codec = _restored(facts)
    size = write_store(path, codec, (codec.encode(block) for block in shard.blocks()), ids)
    made = Container(path.name, shard.rows, size, file_digest(path))
    write_record(folder, made, key, shard.first)
    return made, True


def write_record(folder: Path, one: Container, key: str, first: int) -> None:
    """Note beside a container that it holds the documents from `first` on, of this key, and its checksum."""
    write_text(_record(folder / one.file), json.dumps({"key": _key(key, first, one.rows), **asdict(one)}))


def nearest_codes(item: tuple[Path, int], asked: np.ndarray, k: int, device: str) -> Found:
    """Scores and corpus rows (m, k) of what a search of a container finds, −inf and −1 where it has fewer.

    The item has its path and the corpus row of its first document. Raises the errors of `load_store`.
    """
    path, first = item
    store = load_store(path)
    searcher = build_searcher(store.codec, store.codes, device)
    best = TopK.empty(len(asked), k)
    scores, rows = searcher.search(np.array(asked), min(k, len(store)))
    best.join(scores, np.where(rows < 0, -1, rows + first))
    return best.scores, best.rows


def _restored(facts: CodecFacts) -> Codec:
    """The codec; arrays that an engine sends may be read-only, for which kernels would be compiled anew: copied."""
    manifest, state = facts
    return restore_codec(manifest, {name: np.array(array) for name, array in state.items()})


def _key(key: str, first: int, rows: int) -> str:
    return Digest(f"{key} {first} {rows}").hex()


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _finished(path: Path, key: str) -> Container | None:
    """The container of this key, every byte of which is verified; None if it is absent or damaged."""
    try:
        held = json.loads(_record(path).read_bytes())
        found = Container(*(held[name] for name in ("file", "rows", "bytes", "sha256")))
        if held["key"] != key or path.stat().st_size != found.bytes or file_digest(path) != found.sha256:
            return None
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found
