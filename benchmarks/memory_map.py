"""Can `embgeo compress` process a corpus that does not fit in memory? Decides block sizes and what may be held.

Writes rows × 384 float32 with a decaying spectrum to a temporary .npy in blocks, runs `embgeo compress vectors:FILE
--spec int8` in a separate process, and prints its peak memory beside the limit of 2 GB plus the codes, and seconds by
stage. Resident memory counts pages of the mapped file too, which the system takes back when it needs them;
anonymous memory does not. Linux only (reads /proc).

With --growth it repeats this with 10,000, 100,000 and --rows rows, as one .npy, as 40 .npy shards and as one parquet
file, and prints seconds, processor seconds and peaks of each, with the slope in rows: above 1 it grows faster than the
corpus.

    python benchmarks/memory_map.py [--rows 1000000] [--dimension 384] [--spec int8] [--growth]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

LIMIT_BYTES = 2 * 10**9
BLOCK_ROWS = 20_000
SHARDS = 40
LAYOUTS = ("npy", "shards", "parquet")
# in a separate process: the stages' seconds come from the progress callback
CHILD = """
import json, sys, time
from pathlib import Path
from embgeo.api import compress
last, spent = ("start", time.perf_counter()), {}
def progress(stage, done, total):
    global last
    name, since = last
    now = time.perf_counter()
    # a stage's first call comes when its first step is done: the time before it is the stage's own
    spent[stage.split(":")[0]] = spent.get(stage.split(":")[0], 0.0) + now - since
    last = (stage, now)
started = time.perf_counter()
run = compress(sys.argv[1], specs=sys.argv[3:], out=Path(sys.argv[2]), progress=progress, threads=None)
spent["after the last stage"] = time.perf_counter() - last[1]
best = run.result["recommendation"]
rows = [run.result["baseline"], *run.result["tradeoffs"]]
print(json.dumps({"stages": spent, "seconds": time.perf_counter() - started, "folder": str(run.folder),
    "spec": best["spec"], "rows": [{k: r[k] for k in ("spec", "bytes_per_vector", "fit_seconds", "encode_seconds",
    "recall@10_exact", "searcher")} for r in rows]}))
"""


def write_vectors(path: Path, rows: int, dimension: int, seed: int = 0) -> None:
    """Clustered unit-like rows whose spectrum falls as j^-1, block by block."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** -0.5
    rotation = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
    centres = rng.standard_normal((200, dimension), dtype=np.float32) * scale
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, dimension))
    for start in range(0, rows, BLOCK_ROWS):
        size = min(BLOCK_ROWS, rows - start)
        block = centres[rng.integers(0, 200, size)] + rng.standard_normal((size, dimension), dtype=np.float32) * scale
        block += np.float32(0.3) * scale
        block = block @ rotation
        out[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()


def as_laid(path: Path, layout: str) -> Path:
    """The same rows in another form beside a .npy: 40 shards, or one parquet file of lists."""
    if layout == "npy":
        return path
    X = np.load(path, mmap_mode="r")
    if layout == "shards":
        folder = path.with_suffix("")
        folder.mkdir()
        for number, rows in enumerate(np.array_split(np.arange(len(X)), SHARDS)):
            np.save(folder / f"emb_{number}.npy", X[rows[0] : rows[-1] + 1])
        return folder
    import pyarrow
    import pyarrow.parquet

    file, d = path.with_suffix(".parquet"), X.shape[1]
    schema = pyarrow.schema({"vector": pyarrow.list_(pyarrow.float32())})
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(X), BLOCK_ROWS):
            block = X[start : start + BLOCK_ROWS]
            ends = pyarrow.array(np.arange(0, block.size + 1, d, np.int32))
            lists = pyarrow.ListArray.from_arrays(ends, pyarrow.array(block.ravel()))
            writer.write_table(pyarrow.table([lists], schema))
    return file


def growth(rows: int, dimension: int, specs: list[str], folder: Path | None) -> None:
    """Seconds, processor seconds (which other processes change little) and peaks by number of rows and layout."""
    sizes = sorted({min(10_000, rows), min(100_000, rows), rows})
    spent: dict[tuple[str, int], float] = {}
    print(f"{'layout':8s} {'rows':>10s} {'seconds':>8s} {'CPU s':>8s} {'resident':>9s} {'anonymous':>9s}")
    for size in sizes:
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                path = Path(place) / "vectors.npy"
                write_vectors(path, size, dimension)
                laid, before = as_laid(path, layout), resource.getrusage(resource.RUSAGE_CHILDREN)
                command = [sys.executable, "-c", CHILD, f"vectors:{laid}", str(Path(place) / "runs"), *specs]
                _, seconds, peaks = measure(command)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent[layout, size] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            shown = " ".join(f"{peaks[name] / 1e6:6.0f} MB" for name in ("VmRSS", "RssAnon"))
            print(f"{layout:8s} {size:10,d} {seconds:8.1f} {spent[layout, size]:8.1f} {shown}", flush=True)
    for layout in LAYOUTS if len(sizes) > 1 else ():
        slope = np.log(spent[layout, sizes[-1]] / spent[layout, sizes[-2]]) / np.log(sizes[-1] / sizes[-2])
        print(f"{layout:8s} slope of CPU seconds in rows, last step: {slope:.2f}")


def watch(pid: int, peaks: dict[str, int], done: threading.Event) -> None:
    """Largest resident and anonymous memory seen, in bytes; sampled 20 times a second.

    Not the system's own maximum for a child, which starts from what this process held when it forked.
    """
    while not done.wait(0.05):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in ("RssAnon", "VmRSS"):
                peaks[name] = max(peaks.get(name, 0), int(value.split()[0]) * 1024)


def measure(command: list[str]) -> tuple[str, float, dict[str, int]]:
    """Run a command; its stdout, seconds, and the sampled peaks."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: dict[str, int] = {}
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(child.pid, peaks, done))
    watcher.start()
    assert child.stdout is not None
    text = child.stdout.read()
    child.wait()
    done.set()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"{' '.join(command[:3])} … ended with {child.returncode}")
    return text, time.perf_counter() - started, peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--spec", action="append", help="repeatable; default int8")
    parser.add_argument("--folder", type=Path, help="where the temporary file goes (needs rows × dimension × 4 bytes)")
    parser.add_argument("--growth", action="store_true", help="several numbers of rows, in several layouts")
    chosen = parser.parse_args()
    specs = chosen.spec or ["int8"]
    if chosen.growth:
        growth(chosen.rows, chosen.dimension, specs, chosen.folder)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder) / "vectors.npy"
        started = time.perf_counter()
        write_vectors(path, chosen.rows, chosen.dimension)
        print(f"{chosen.rows} × {chosen.dimension} written in {time.perf_counter() - started:.0f} s, "
              f"{path.stat().st_size / 1e9:.2f} GB")  # fmt: skip
        text, seconds, peaks = measure(
            [sys.executable, "-c", CHILD, f"vectors:{path}", str(Path(folder) / "runs"), *specs]
        )
        facts = json.loads(text.splitlines()[-1])
        store = sum(file.stat().st_size for file in Path(facts["folder"]).glob("store*"))
    codes = chosen.rows * max(row["bytes_per_vector"] for row in facts["rows"] if row["spec"] in specs)
    limit = LIMIT_BYTES + codes
    print(f"\n{'stage':40s} {'seconds':>8s}")
    for stage, spent in facts["stages"].items():
        print(f"{stage:40s} {spent:8.1f}")
    print(f"{'whole process':40s} {seconds:8.1f}\n")
    for row in facts["rows"]:
        print(f"{row['spec']:12s} fit {row['fit_seconds']:.1f} s, encode {row['encode_seconds']:.1f} s, "
              f"recall@10 {row['recall@10_exact']:.3f}, {row['searcher']}")  # fmt: skip
    print(f"recommended {facts['spec']}, store {store / 1e6:.0f} MB\n")
    for name, value in (("peak resident (mapped file included)", peaks["VmRSS"]), ("peak anonymous", peaks["RssAnon"])):
        verdict = "within" if value <= limit else "OVER"
        print(f"{name:40s} {value / 1e9:6.2f} GB   {verdict} 2 GB + {codes / 1e9:.2f} GB of codes")


if __name__ == "__main__":
    main()
