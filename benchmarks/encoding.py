"""Does the cache cost anything while encoding? Decides whether encoding with resume may stay on by default.

Plain `SentenceTransformer.encode` and `encode_texts` (a fresh cache, so every shard is written and the matrix assembled
and verified) encode the same texts in one run, block by block in alternating order, so that a busy machine slows both.
The bar is a ratio of at least 0.95 in throughput.

    python benchmarks/encoding.py [--texts 300] [--blocks 3] [--device cpu] [--corpus corpus.jsonl]

Without a corpus the texts are docstrings of the running Python's standard library.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from embgeo.encoders.cache import encode_texts
from embgeo.encoders.encoder import EncoderOptions
from embgeo.encoders.resolve import resolve_encoder

MODULES = [
    "argparse",
    "asyncio",
    "collections",
    "csv",
    "datetime",
    "decimal",
    "email",
    "functools",
    "http",
    "inspect",
    "json",
    "logging",
    "pathlib",
]


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
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    texts = (corpus(given.corpus) if given.corpus else docstrings())[: given.texts]
    encoder = resolve_encoder("minilm", EncoderOptions(device=given.device))
    model = encoder.model  # type: ignore[attr-defined]
    model.encode(texts[:32], batch_size=32)  # warm-up

    seconds: dict[str, list[float]] = {"plain": [], "embgeo": []}
    worst = 0.0
    for block in range(given.blocks):
        part = texts[block :: given.blocks]
        results = {}
        for way in ("plain", "embgeo") if block % 2 else ("embgeo", "plain"):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                if way == "plain":
                    results[way] = model.encode(part, batch_size=32, show_progress_bar=False)
                else:
                    results[way] = np.array(encode_texts(encoder, part, "document", Path(folder)))
                seconds[way].append(time.perf_counter() - start)
        worst = max(worst, float(np.abs(results["plain"] - results["embgeo"]).max()))
    for way, taken in seconds.items():
        print(f"{way:8} {len(texts) / sum(taken):8.1f} texts/s   {sum(taken):7.2f} s for {len(texts)} texts")
    ratios = [plain / ours for plain, ours in zip(seconds["plain"], seconds["embgeo"], strict=True)]
    total = sum(seconds["plain"]) / sum(seconds["embgeo"])
    print(f"throughput with resume / plain: {total:.3f} (per block: {', '.join(f'{r:.3f}' for r in ratios)}; "
          f"median {statistics.median(ratios):.3f}); largest difference of a component {worst:.1e}")  # fmt: skip
    sys.exit(0 if total >= 0.95 else 1)


if __name__ == "__main__":
    main()
