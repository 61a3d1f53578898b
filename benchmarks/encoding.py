"""Does the cache slow down encoding? Decides whether encoding with resume may stay on by default.

Plain `SentenceTransformer.encode` and `encode_texts` (a fresh cache, so every shard is written and the matrix assembled
and verified) encode the same texts in one run, block by block in alternating order, so that a busy machine slows both;
CPU seconds are printed beside wall-clock seconds.
The bar is a ratio of at least 0.95 in throughput.

    python benchmarks/encoding.py [--texts 300] [--blocks 6] [--device cpu] [--corpus corpus.jsonl]

Without a corpus the texts are docstrings of the running Python's standard library.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from embgeo.encoders.cache import encode_texts
from embgeo.encoders.resolve import resolve_encoder
from embgeo.requests import EncoderOptions

MODULES = (
    "argparse", "asyncio", "collections", "csv", "datetime", "decimal", "email", "http", "inspect", "json", "logging",
)  # fmt: skip


def docstrings() -> list[str]:
    """Docstrings of public classes and functions, in a fixed order."""
    found: dict[str, None] = {}
    for module in map(importlib.import_module, MODULES):
        for _, item in sorted(vars(module).items()):
            for part in (item, *(vars(item).values() if inspect.isclass(item) else ())):
                text = inspect.getdoc(part) if callable(part) else None
                if text and len(text) > 80:
                    found[text] = None
    return list(found)


def corpus(path: Path) -> list[str]:
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [(row.get("title", "") + " " + row["text"]).strip() for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    texts = (corpus(given.corpus) if given.corpus else docstrings())[: given.texts]
    encoder = resolve_encoder("minilm", EncoderOptions(device=given.device))
    model = encoder.model  # type: ignore[attr-defined]
    model.encode(texts[:32], batch_size=32)  # warm-up

    wall: dict[str, list[float]] = {"plain": [], "embgeo": []}
    work: dict[str, list[float]] = {"plain": [], "embgeo": []}
    worst = 0.0
    for block in range(given.blocks):
        part = texts[block :: given.blocks]
        results = {}
        for way in ("plain", "embgeo") if block % 2 else ("embgeo", "plain"):
            with tempfile.TemporaryDirectory() as folder:
                start, start_work = time.perf_counter(), time.process_time()
                if way == "plain":
                    results[way] = model.encode(part, batch_size=32, show_progress_bar=False)
                else:
                    results[way] = np.array(encode_texts(encoder, part, "document", Path(folder)))
                wall[way].append(time.perf_counter() - start)
                work[way].append(time.process_time() - start_work)
        worst = max(worst, float(np.abs(results["plain"] - results["embgeo"]).max()))
    for way, taken in wall.items():
        print(f"{way:8} {len(texts) / sum(taken):7.1f} texts/s  {sum(taken):6.2f} s, {sum(work[way]):6.2f} s of CPU")
    ratio, work_ratio = (sum(taken["plain"]) / sum(taken["embgeo"]) for taken in (wall, work))
    print(f"throughput with resume / plain: {ratio:.3f} by wall clock, {work_ratio:.3f} by CPU")
    print("by block:", ", ".join(f"{plain / ours:.3f}" for plain, ours in zip(*wall.values(), strict=True)))
    print(f"largest difference of a component: {worst:.1e}")
    sys.exit(0 if ratio >= 0.95 else 1)


if __name__ == "__main__":
    main()
