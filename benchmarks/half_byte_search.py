"""Which searcher serves 4-bit codes: FAISS fast-scan with rescoring, or FAISS's own 4-bit scalar quantizer?

Decides what `build_searcher` takes for int4 and the other 16-level alphabets. Synthetic unit rows with a falling
spectrum; both hold the same int4 codes. Rounds are interleaved; median and quartiles over the rounds are printed, and
how many of the true top 10 (of decoded rows) fast-scan finds with and without rescoring.

    python benchmarks/half_byte_search.py [--rows 100000] [--dimension 384] [--threads 2] [--rounds 7]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from embgeo.compression.codec import fit_codec
from embgeo.compression.faiss_codebooks import OVERSAMPLING, fast_scan
from embgeo.compression.index import BlockSearcher, FaissSearcher, _faiss_index
from embgeo.compression.spec import parse
from embgeo.compression.training import Training
from embgeo.embeddings import normalise
from embgeo.threads import limited_threads

K = 10


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
    X, Q = make(asked.rows), make(200)
    codec = fit_codec(parse("rot,int4"), Training(X[:20_000], "cosine"))
    codes = codec.encode(X)
    fast, plain = fast_scan(codec, codes), FaissSearcher(codec, codes, _faiss_index(codec))
    assert fast is not None, "this FAISS packs half bytes in another order"
    _, truth = BlockSearcher(codec, codes).search(Q, K)
    rough = fast.index.search(np.ascontiguousarray(codec.queries(Q)[0], np.float32), K)[1]
    for name, rows in (("tables of 8 bits", rough), (f"{OVERSAMPLING}k rescored", fast.search(Q, K)[1])):
        found = np.mean([len(set(a) & set(b)) / K for a, b in zip(truth, rows, strict=True)])
        print(f"fast-scan, {name}: {found:.4f} of the top {K} of decoded rows")
    shape = f"{asked.rows} × {asked.dimension}, {asked.threads} threads"
    print(f"{shape}, {asked.rounds} interleaved rounds after one to warm up")
    with limited_threads(asked.threads):
        for queries in (200, 1):
            seconds: dict[str, list[float]] = {"fast-scan + rescoring": [], "FAISS SQ4": []}
            for number in range(asked.rounds + 1):
                for name, searcher in zip(seconds, (fast, plain), strict=True):
                    started = time.perf_counter()
                    searcher.search(Q[:queries], K)
                    if number:
                        seconds[name].append(1e3 * (time.perf_counter() - started))
            for name, taken in seconds.items():
                low, middle, high = np.percentile(taken, [25, 50, 75])
                print(f"{queries:4d} queries  {name:22s} {middle:9.2f} ms  ({low:.2f} to {high:.2f})")
            fast_ms, plain_ms = (float(np.median(taken)) for taken in seconds.values())
            print(f"             ratio {plain_ms / fast_ms:.1f}")


if __name__ == "__main__":
    main()
