"""What does an engine cost and save? Decides that tasks of Ray are one a shard, and where a corpus is cut.

Writes rows × dimension float32 as .npy shards to a temporary folder, runs `embgeo compress vectors:FOLDER --spec int8`
by `--engine local --threads 1` and by `--engine ray` with a task a processor, and prints seconds, processor seconds of
the command (Ray's own processes and workers not counted), the peak resident memory of the command and of the largest
worker, mapped pages included, and whether the stores are equal. Then the passes by themselves, per row. Linux only
(reads /proc); needs embgeo[ray].

    python benchmarks/shards.py [--rows 200000] [--dimension 384] [--shards 20 200]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import fit_sample
from embgeo.embeddings import check_embeddings
from embgeo.files.digest import file_digest
from embgeo.files.rows import StackedRows
from embgeo.retrieval.top_k import tie_order
from embgeo.scale.passes import encode, nearest, nearest_codes
from embgeo.scale.shards import shards_of
from embgeo.threads import limited_threads

QUERIES = 200


def write(folder: Path, rows: int, dimension: int, shards: int) -> None:
    """Clustered rows with a decaying spectrum, and queries beside the folder."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** -0.35
    centres = rng.standard_normal((200, dimension)).astype(np.float32) * scale

    def draw(count: int) -> np.ndarray:
        X = rng.standard_normal((count, dimension), dtype=np.float32) * scale
        return X + np.float32(0.7) * centres[rng.integers(0, 200, count)]

    for number in range(shards):
        np.save(folder / f"emb_{number}.npy", draw(rows * (number + 1) // shards - rows * number // shards))
    np.save(folder.parent / "queries.npy", draw(QUERIES))


def descendants(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, children) for one in (child, *descendants(child))]


def peak(process: int) -> tuple[bool, int]:
    """Whether a process is a worker of Ray, and its peak resident bytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::"), 1024 * int(
            status.partition("VmHWM:")[2].split()[0]
        )
    except (OSError, IndexError):
        return False, 0


def measure(folder: Path, engine: str, threads: int, out: Path) -> tuple[float, dict[str, str]]:
    """Run the command, print what it took, and return its seconds and the checksums of its store."""
    words = ["compress", f"vectors:{folder}", "--queries-vectors", str(folder.parent / "queries.npy"), "--spec", "int8"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    running = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "embgeo.cli",
            *words,
            "--no-html",
            "--quiet",
            "--out",
            str(out),
            "--engine",
            engine,
            "--threads",
            str(threads),
        ],
        env={**os.environ, "EMBGEO_CACHE_DIR": str(out / "cache")},
    )
    command = worker = 0
    while running.poll() is None:
        command = max(command, peak(running.pid)[1])
        worker = max([worker, *(size for is_worker, size in map(peak, descendants(running.pid)) if is_worker)])
        time.sleep(0.2)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert running.returncode == 0
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    beside = f", worker {worker / 1e6:,.0f} MB" if worker else ""
    print(
        f"  {engine:5} {seconds:6.1f} s, processor {processor:6.1f} s, peak {command / 1e6:,.0f} MB{beside}", flush=True
    )
    return seconds, {path.name: file_digest(path) for path in out.glob("compress-*/store/*")}


def passes(folder: Path, out: Path) -> None:
    """Processor microseconds a row of every pass, one thread."""
    parts = [np.load(path, mmap_mode="r") for path in folder.glob("*.npy")]
    e = check_embeddings(StackedRows(parts), np.load(folder.parent / "queries.npy"))
    codec = fit_codec(parse("int8"), Training(e.rows(fit_sample(e, 0)), e.similarity))
    shards, asked, places = shards_of(e), e.query_matrix(), tie_order(e.doc_ids)
    out.mkdir()
    facts = codec.manifest(), codec.state
    files = [out / f"shard-{one.number:05}.safetensors" for one in shards]
    work = {
        "encode": lambda at, one: encode((one, [str(row) for row in range(one.rows)]), facts, out, "key"),
        "exact": lambda at, one: nearest((one, places[one.first : one.first + one.rows]), asked, 116),
        "codes": lambda at, one: nearest_codes((files[at], one.first), asked, 10, "cpu"),
    }
    for name, run in work.items():
        run(0, shards[0])  # compiles
        if name == "encode":
            files[0].unlink()
        started = time.process_time()
        for at, one in enumerate(shards):
            run(at, one)
        print(f"  {name:7} {(time.process_time() - started) / len(e) * 1e6:.2f} µs a row", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--shards", type=int, nargs="+", default=[20, 200])
    asked = parser.parse_args()
    for count in asked.shards:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "vectors"
            write(folder, asked.rows, asked.dimension, count)
            print(f"{asked.rows:,} × {asked.dimension} in {count} shards, {QUERIES} queries", flush=True)
            ways = [("local", 1), ("ray", os.cpu_count() or 1)]
            (one, first), (many, second) = [measure(folder, *way, Path(place) / way[0]) for way in ways]
            print(f"  {'equal' if first == second else 'DIFFERENT'} stores, {one / many:.2f} times as fast")
            with limited_threads(1):
                passes(folder, Path(place) / "passes")


if __name__ == "__main__":
    main()
