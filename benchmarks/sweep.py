"""Seconds per spec of `embgeo compress`, against the obvious pipeline: is the sweep fast enough to run by default?

The obvious pipeline does what most scripts do, for each spec on its own: fit on the documents of the other folds,
encode and decode each fold, score with one torch matrix product and `topk` (as sentence-transformers'
`semantic_search` does), five folds and then the whole; nothing is shared between specs. Both use the same codecs, folds
and threads, on the same vectors in one run, so the ratio shows what the loop saves (shared fits, axes, reduced rows,
passes and rankings), not what the codecs do. Ours also evaluates against judgements, builds the real index, predicts
bytes and times searches; `timing` is printed separately.

Lower bound: out of sample and in sample every spec scores all documents, a product of 2·n·m·d flops each, which nothing
can reduce. Gap: printed as our seconds over those of that many float32 products; the difference is fitting, encoding,
decoding and selecting, mostly for codebooks.

    python benchmarks/sweep.py [DOCS.npy QUERIES.npy] [--documents 1500] [--queries 100] [--spec S]...

Without files: clustered synthetic vectors, 1,500 × 192, 100 queries, in under two minutes on two cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from embgeo.compression.choosing.grid import default_grid
from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import document_folds
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.threads import limited_threads

K = 32


def synthetic(documents: int, queries: int, dimension: int, seed: int = 0) -> Embeddings:
    """Clusters with a spectrum that falls as 1/j; queries are noisy documents."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** -0.5
    centres = rng.standard_normal((50, dimension), dtype=np.float32) * scale
    X = centres[rng.integers(0, 50, documents)] + rng.standard_normal((documents, dimension), dtype=np.float32) * scale
    X = X @ np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
    Q = X[rng.choice(documents, queries, replace=False)]
    return check_embeddings(X, Q + 0.05 * rng.standard_normal(Q.shape, dtype=np.float32))


def obvious(embeddings: Embeddings, spec: Spec, folds: np.ndarray) -> float:
    """Seconds of the pipeline above for one spec."""
    started = time.perf_counter()
    X, Q = embeddings.matrix(), embeddings.query_matrix()
    if folds.max() > 0:
        for fold in range(int(folds.max()) + 1):
            mine = folds == fold
            codec = fit_codec(spec, Training(X[~mine], embeddings.similarity))
            ranked(codec, X[mine], Q)
    ranked(fit_codec(spec, Training(X, embeddings.similarity)), X, Q)
    return time.perf_counter() - started


def ranked(codec: Codec, X: np.ndarray, Q: np.ndarray) -> torch.Tensor:
    """Decode all documents, one matrix product, topk; candidates are scored again if there is a second code."""
    search, *second = codec.tiers
    Z, bias = search.queries(Q)
    decoded = search.decode(search.encode(X))
    scores = torch.from_numpy(Z) @ torch.from_numpy(decoded).T + torch.from_numpy(bias)[:, None]
    depth = min(10 * codec.spec.factor if second else K, len(X))
    rows = torch.topk(scores, depth, dim=1).indices
    for rescore in second:
        Z, _ = rescore.queries(Q)
        whole = torch.from_numpy(rescore.decode(rescore.encode(X)))
        again = torch.einsum("mcr,mr->mc", whole[rows], torch.from_numpy(Z))
        rows = torch.gather(rows, 1, torch.topk(again, min(10, depth), dim=1).indices)
    return rows


def ours(embeddings: Embeddings, specs: Sequence[Spec]) -> tuple[dict[str, float], float, float]:
    """Seconds by spec between calls of the progress callback, seconds of timing, seconds in all.

    What a group shares (the pass over the folds) is charged to its spec that is built first.
    """
    seconds: dict[str, float] = {}
    started = since = time.perf_counter()
    timing = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal since, timing
        now = time.perf_counter()
        name, _, spec = stage.partition("\n")[0].partition(": ")
        if name == "trade-offs":
            seconds[spec] = seconds.get(spec, 0.0) + now - since
        elif name == "timing":
            timing += now - since
        since = now

    sweep(SweepInput(embeddings, None), specs, progress=progress)
    return seconds, timing, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="documents and queries, .npy")
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=192)
    parser.add_argument("--spec", action="append", help="repeatable; default: the default grid")
    asked = parser.parse_args()
    if len(asked.files) not in (0, 2):
        parser.error("give documents and queries, or neither")
    if asked.files:
        embeddings = check_embeddings(*(np.load(path, mmap_mode="r") for path in asked.files))
    else:
        embeddings = synthetic(asked.documents, asked.queries, asked.dimension)
    n, d, m = len(embeddings), embeddings.dimension, len(embeddings.query_ids)
    specs = [parse(text) for text in asked.spec] if asked.spec else default_grid(d, n).specs
    if str(specs[0]) != "f32":
        specs.insert(0, parse("f32"))
    with limited_threads(None) as threads:
        torch.set_num_threads(threads)
        print(f"{n} × {d}, {m} queries, {len(specs)} specs, {threads} threads")
        few = Training(embeddings.rows(slice(600)), embeddings.similarity)
        for spec in specs:  # compiles what is compiled once
            ranked(fit_codec(spec, few), few.X, few.X[:5])
        sweep(SweepInput(embeddings, None), [parse("int8")])
        folds = document_folds(embeddings, 0)
        theirs = {str(spec): obvious(embeddings, spec, folds) for spec in specs}
        seconds, timing, whole = ours(embeddings, specs)
        X, Q = embeddings.matrix(), embeddings.query_matrix()
        started = time.perf_counter()
        for _ in range(5):
            Q @ X.T
        product = (time.perf_counter() - started) / 5
    print(f"\n{'spec':24s} {'obvious':>8s} {'embgeo':>8s} {'ratio':>6s}")
    for spec in map(str, specs):
        print(f"{spec:24s} {theirs[spec]:8.3f} {seconds[spec]:8.3f} {theirs[spec] / seconds[spec]:6.1f}")
    mine, other = sum(seconds.values()), sum(theirs.values())
    print(f"{'all specs':24s} {other:8.1f} {mine:8.1f} {other / mine:6.1f}")
    print(f"\nembgeo in all {whole:.1f} s, of which {timing:.1f} s are the timing of {len(specs)} searchers in rounds")
    floor = 2 * product * len(specs)
    print(f"lower bound: {2 * len(specs)} such products, {floor:.2f} s; embgeo takes {mine / floor:.0f} times that")


if __name__ == "__main__":
    main()
