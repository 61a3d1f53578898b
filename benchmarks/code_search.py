"""How fast is search over codes, compared with FAISS's own quantizers of the same size?

Decides what `build_searcher` takes for 4-bit alphabets (bar: 3× as fast as FAISS's 4-bit scalar quantizer) and for
float8 (bar: at most 1.2× the time of FAISS's 8-bit quantizer in batches, 2× for one query). Synthetic unit rows with a
decaying spectrum; rounds are interleaved; median and quartiles over the rounds are printed, and for fast-scan how many
of the true top 10 (of decoded rows) it finds with and without rescoring.

Lower bound for one query: every byte of the codes is read once, so n · bytes / (memory bandwidth), printed from a copy
of the codes timed in the same run; the rest is arithmetic. In batches: 2 · n · d · queries operations.

    python benchmarks/code_search.py [--rows 100000] [--dimension 384] [--threads 2] [--rounds 7]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.fast_scan import OVERSAMPLING, search_by_fast_scan
from embgeo.compression.search.flat import BlockSearcher
from embgeo.compression.search.on_faiss import FaissSearcher, code_index
from embgeo.compression.search.searcher import Searcher
from embgeo.embeddings import normalise
from embgeo.threads import limited_threads

K = 10
BATCH = 200


def fitted(text: str, X: np.ndarray) -> tuple[Codec, np.ndarray]:
    codec = fit_codec(parse(text), Training(X[:20_000], "cosine"))
    return codec, codec.encode(X)


def interleaved(pairs: dict[str, Searcher], Q: np.ndarray, rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds of every round but the first, each searcher in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in pairs}
    for number in range(rounds + 1):
        for name, searcher in pairs.items():
            started = time.perf_counter()
            searcher.search(Q, K)
            if number:
                seconds[name].append(1e3 * (time.perf_counter() - started))
    return {name: np.array(taken) for name, taken in seconds.items()}


def compare(pairs: dict[str, Searcher], Q: np.ndarray, rounds: int, code_bytes: Sequence[np.ndarray]) -> None:
    """Print both searchers for a batch and for one query, and ours ÷ theirs."""
    for queries in (BATCH, 1):
        taken = interleaved(pairs, Q[:queries], rounds)
        for name, milliseconds in taken.items():
            low, middle, high = np.percentile(milliseconds, [25, 50, 75])
            print(f"{queries:4d} queries  {name:28s} {middle:9.2f} ms  ({low:.2f} to {high:.2f})")
        ours, theirs = (float(np.median(milliseconds)) for milliseconds in taken.values())
        faster = f", {theirs / ours:.1f}× as fast" if ours < theirs else ""
        print(f"              ours / theirs: {ours / theirs:.2f}{faster}")
    buffers = [np.empty_like(codes) for codes in code_bytes]
    for _ in range(2):  # the first touches the pages
        started = time.perf_counter()
        for buffer, codes in zip(buffers, code_bytes, strict=True):
            np.copyto(buffer, codes)
        copied = 1e3 * (time.perf_counter() - started)
    print(f"              copying the codes once takes {copied:.2f} ms on one thread\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    spread = ((1 + np.arange(asked.dimension)) ** -0.4).astype(np.float32)
    make = lambda n: normalise(rng.standard_normal((n, asked.dimension), np.float32) * spread)  # noqa: E731
    X, Q = make(asked.rows), make(BATCH)
    print(f"{asked.rows} × {asked.dimension}, {asked.threads} threads, {asked.rounds} interleaved rounds after one\n")

    nibbles, nibble_codes = fitted("rot,int4", X)
    fast = search_by_fast_scan(nibbles.tiers[0], nibble_codes)
    assert fast is not None, "this FAISS packs half bytes in another order"
    truth = BlockSearcher(nibbles.tiers[0], nibble_codes).search(Q, K)[1]
    rough = fast.index.search(np.ascontiguousarray(nibbles.queries(Q)[0], np.float32), K)[1]
    for name, rows in (("tables of 8 bits", rough), (f"{OVERSAMPLING}k rescored", fast.search(Q, K)[1])):
        found = np.mean([len(set(a) & set(b)) / K for a, b in zip(truth, rows, strict=True)])
        print(f"fast-scan, {name}: {found:.4f} of the top {K} of decoded rows")
    plain = FaissSearcher(nibbles.tiers[0], nibble_codes, code_index(nibbles.tiers[0]))
    floats, float_codes = fitted("fp8", X)
    levels, level_codes = fitted("int8", X)
    with limited_threads(asked.threads):
        print("\n4 bits: rot,int4 by fast-scan with rescoring, against FAISS SQ4 (bar: 3× as fast)")
        compare({"fast-scan + rescoring": fast, "FAISS SQ4": plain}, Q, asked.rounds, [nibble_codes])
        print("8 bits: fp8 as build_searcher serves it, against FAISS SQ8 (bar: 1.2 in batches, 2 for one query)")
        ours, theirs = (
            build_searcher(floats, float_codes),
            FaissSearcher(levels.tiers[0], level_codes, code_index(levels.tiers[0])),
        )
        compare({f"fp8, {ours.name}": ours, "FAISS SQ8": theirs}, Q, asked.rounds, [float_codes])


if __name__ == "__main__":
    main()
