"""Can a million vectors of 768 dimensions be fitted, encoded and searched within 2 GB plus the codes?

Decides block sizes and what a codec may keep. Writes rows × 768 float32 with a decaying spectrum to a temporary .npy,
then runs each spec in a separate process from the memory-mapped file: fit on the usual sample, encode by block, build
the searcher over the codes, search 200 queries at once and one at a time. Prints seconds by stage and peak memory
beside the limit. Anonymous memory is what the process holds; resident memory counts pages of the mapped file too, which
the system takes back when it needs them. Lower bound of encoding: the file is read once. Linux only (reads /proc).

    python benchmarks/million.py [--rows 1000000] [--dimension 768] [--spec int8 ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory_map import LIMIT_BYTES, measure, write_vectors

SPECS = ("int8", "fp8", "rot,int4", "binary", "pq96")
K = 10
QUERIES = 200


def run(path: Path, spec: str) -> None:
    """One spec, in this process; one JSON line."""
    from embgeo.compression.codecs.codec import encode_all, fit_codec
    from embgeo.compression.codecs.spec import parse
    from embgeo.compression.codecs.training import Training
    from embgeo.compression.judging.folds import fit_sample
    from embgeo.compression.search.build import build_searcher
    from embgeo.embeddings import check_embeddings

    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def stage(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = now - last, now

    docs = np.load(path, mmap_mode="r")
    embeddings = check_embeddings(docs, np.array(docs[:QUERIES]))
    stage("open and check")
    training = Training(embeddings.rows(fit_sample(embeddings, 0)), embeddings.similarity)
    codec = fit_codec(parse(spec), training)
    del training
    stage("fit")
    codes = encode_all(codec, embeddings)
    stage("encode")
    searcher = build_searcher(codec, codes)
    Q = embeddings.query_matrix()
    searcher.search(Q[:1], K)
    stage("build")
    rows = searcher.search(Q, K)[1]
    stage(f"search {QUERIES} at once")
    for query in range(5):
        searcher.search(Q[query : query + 1], K)
    stage("search one, 5 times")
    own = float(np.mean(rows[:, 0] == np.arange(QUERIES)))
    facts = {"seconds": seconds, "bytes": codec.code_bytes, "searcher": searcher.name, "own_first": own}
    print(json.dumps(facts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--spec", action="append", help="repeatable")
    parser.add_argument("--folder", type=Path, help="where the temporary file goes (needs rows × dimension × 4 bytes)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        run(Path(asked.one[0]), asked.one[1])
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "vectors.npy"
        started = time.perf_counter()
        write_vectors(path, asked.rows, asked.dimension)
        size = path.stat().st_size / 1e9
        print(f"{asked.rows} × {asked.dimension}: {size:.2f} GB written in {time.perf_counter() - started:.0f} s\n")
        for spec in asked.spec or SPECS:
            text, seconds, peaks = measure([sys.executable, __file__, "--one", str(path), spec])
            facts = json.loads(text.splitlines()[-1])
            codes = asked.rows * facts["bytes"]
            resident, anonymous = peaks["VmRSS"], peaks["RssAnon"]
            verdict = "within" if resident <= LIMIT_BYTES + codes else "OVER"
            stages = ", ".join(f"{name} {taken:.1f}" for name, taken in facts["seconds"].items())
            print(f"{spec}: {facts['bytes']} B a vector, {seconds:.0f} s ({stages})")
            print(f"    peak resident {resident / 1e9:.2f} GB, {verdict} 2 GB + {codes / 1e9:.2f} GB of codes; "
                  f"anonymous {anonymous / 1e9:.2f} GB; {facts['searcher']}; "
                  f"a query's own document first {100 * facts['own_first']:.0f} %", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
