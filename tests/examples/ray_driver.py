"""A program that writes or searches a corpus in shards, or encodes texts, by a Ray cluster whose tasks take their time.

    python ray_driver.py MODE FOLDER OUT ADDRESS PAUSE

MODE is `encode`, `search`, `texts` or `absent`. Every task notes its shard, or every batch of texts its number, and its
process in OUT/tasks before it begins, and pauses for PAUSE seconds. Functions of the program that was started are sent
to the workers by value.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.encoders.cache import encode_texts
from embgeo.errors import DataError
from embgeo.files.rows import StackedRows
from embgeo.requests import EncoderOptions
from embgeo.retrieval.exact import exact_search
from embgeo.scale.engine import Engine, Local, Ray
from embgeo.scale.reader import ShardedReader
from embgeo.scale.store import write_sharded
from embgeo.scale.texts import Recipe, SpreadEncoder

SPEC = "pca8,int8"
ROWS = 400
SHARDS = 8
BATCH = 4
TEXT_BATCHES = 60


def corpus(folder: Path) -> Embeddings:
    parts = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
    docs = StackedRows(parts)
    return check_embeddings(docs, docs[:30] + np.float32(0.1), None, None, "cosine")


def make(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(SHARDS):
        np.save(folder / f"emb_{number}.npy", rng.standard_normal((ROWS, 16)).astype(np.float32))


def slowly(function: Callable[..., Any], out: Path, pause: float, item: Any, *constants: Any) -> Any:
    """The pass `function` with a pause between its blocks."""
    shard, rest = item
    with (out / "tasks").open("a") as tasks:
        tasks.write(f"{shard.number} {os.getpid()}\n")

    class Slow:
        number, first, rows = shard.number, shard.first, shard.rows

        def blocks(self) -> Iterator[np.ndarray]:
            for block in shard.blocks():
                yield block
                time.sleep(pause)

        def embeddings(self) -> Embeddings:
            time.sleep(pause)
            return shard.embeddings()

    return function((Slow(), rest), *constants)


class Slowly:
    """An engine whose tasks take their time."""

    name = "slow"

    def __init__(self, engine: Engine, out: Path, pause: float) -> None:
        self.engine, self.out, self.pause = engine, out, pause

    def map(self, function: Callable[..., Any], items: Iterable[Any], *constants: Any) -> Iterator[Any]:
        return self.engine.map(partial(slowly, function, self.out, self.pause), items, *constants)


class Letters:
    """Row = (number of the text, its length, the lengths in its batch, 1 for a query)."""

    name, similarity, dimension, max_length = "letters", "dot", 4, None
    identity: Mapping[str, Any] = {"model": name, "batch_size": BATCH}

    def __init__(self, out: Path, pause: float) -> None:
        self.out, self.pause = out, pause

    def encode_batch(self, texts: Sequence[str], role: str) -> np.ndarray:
        with (self.out / "tasks").open("a") as tasks:
            tasks.write(f"{int(texts[0][:4]) // BATCH} {os.getpid()}\n")
        time.sleep(self.pause)
        mates = sum(map(len, texts)) / 7
        return np.array([(int(text[:4]), len(text), mates, role == "query") for text in texts], np.float32)

    def encode_batches(self, batches: Iterable[Sequence[str]], role: str) -> Iterator[np.ndarray]:
        return (self.encode_batch(batch, role) for batch in batches)

    def token_lengths(self, texts: Sequence[str], role: str = "document") -> None: ...

    def token_embeddings(self) -> None: ...


def encode(out: Path, engine: Engine, pause: float) -> None:
    """OUT/vectors.npy, by the cache in OUT/cache; a shard is a batch."""
    texts = [f"{number:04}".ljust(BATCH * TEXT_BATCHES - number, ".") for number in range(BATCH * TEXT_BATCHES)]
    with engine.holding(lambda device: Letters(out, pause), "auto") as held:
        encoder = SpreadEncoder(Letters(out, pause), held)
        np.save(out / "vectors.npy", encode_texts(encoder, texts, "document", out / "cache", shard_seconds=0))


def work(mode: str, folder: Path, out: Path, engine: Engine) -> None:
    """`encode`: a store in OUT/store. `search`: what is found in OUT/found.npz."""
    e = corpus(folder)
    if mode == "encode":
        codec = fit_codec(parse(SPEC), Training(e.matrix(), e.similarity))
        write_sharded(out / "store", codec, e, engine, "key")
    else:
        scores, rows = exact_search(e, 10, scan=ShardedReader(engine).scan)
        np.savez(out / "found.npz", scores=scores, rows=rows)


def noted(item: int, out: Path) -> int:
    """A task that notes when it begins and ends in OUT/tasks; it raises if the item is odd, and 4 ends its process."""
    if item == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    for what in ("begins", "ends"):
        with (out / "tasks").open("a") as tasks:
            tasks.write(f"{item} {what}\n")
        time.sleep(0.5)
    if item % 2:
        raise DataError(f"{item} is odd")
    return item


if __name__ == "__main__":
    if sys.argv[1] == "order":
        out, ray = Path(sys.argv[3]), Ray(sys.argv[4], 1)
        ended = ray.as_ended(noted, [0, 1, 2, 3, 4], out, after={1: 0, 3: 1})
        (out / "ended").write_text("".join(f"{place}: {end}\n" for place, end in ended))
        sys.exit()
    mode, folder, out, address, pause = sys.argv[1:]
    cluster = Ray(address, 1) if address else Local()
    if mode == "texts":
        encode(Path(out), cluster, float(pause))
    elif mode == "absent":
        with cluster.holding(Recipe(folder, EncoderOptions(), None), "cpu") as held:
            list(held.map(print, [1]))
    else:
        work(mode, Path(folder), Path(out), Slowly(cluster, Path(out), float(pause)))
