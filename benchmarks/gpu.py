"""Is a CUDA device worth using? Prints CPU and GPU side by side on a machine that has one, otherwise says that
there is none.

Decides what `--device auto` picks. Searches: the same codes through the CPU's searcher and the device's, seconds for a
batch, and the share of equal ids (they may differ where scores are equal up to float32 rounding). Geometry: measures
that share the distance matrix at n = 5,000 and 20,000 (aim: 10×).

    python benchmarks/gpu.py [--rows 200000] [--dimension 768] [--queries 1000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.embeddings import check_embeddings, normalise
from embgeo.metrics.signature import SignatureRequest, compute_signature

SPECS = ("f32", "f16", "fp8", "int8", "rot,int4", "binary", "adaptive@96B")
MEASURES = ["spread_euclidean", "avg_pair_sim_euclidean", "uniformity", "twonn_dim", "mag_area", "silhouette"]
K = 10


def searches(X: np.ndarray, Q: np.ndarray) -> None:
    print(f"\n{'spec':14s}{'CPU s':>9s}{'GPU s':>9s}{'ratio':>8s}{'equal ids':>11s}   GPU searcher")
    for text in SPECS:
        codec = fit_codec(parse(text), Training(X[:50_000], "cosine"))
        codes = np.concatenate([codec.encode(X[start : start + 8192]) for start in range(0, len(X), 8192)])
        seconds, found = [], []
        for device in ("cpu", "cuda"):
            searcher = build_searcher(codec, codes, device)
            searcher.search(Q[:32], K)  # compiled, copied, warm
            started = time.perf_counter()
            found.append(searcher.search(Q, K)[1])
            seconds.append(time.perf_counter() - started)
        equal = np.mean([len(set(a) & set(b)) / K for a, b in zip(*found, strict=True)])
        cpu, gpu = seconds
        print(f"{text:14s}{cpu:9.3f}{gpu:9.3f}{cpu / gpu:7.1f}×{equal:11.4f}   {searcher.name}")


def geometry(X: np.ndarray) -> None:
    print(f"\n{'n':>7s}{'CPU s':>9s}{'GPU s':>9s}{'ratio':>8s}   largest relative difference")
    for n in (5_000, 20_000):
        embeddings = check_embeddings(X[:n])
        taken, values = [], []
        for device in ("cpu", "cuda"):
            compute_signature(
                check_embeddings(X[:400]), SignatureRequest(names=MEASURES, intervals=False, device=device)
            )
            started = time.perf_counter()
            signature = compute_signature(
                embeddings, SignatureRequest(names=MEASURES, intervals=False, cap=n, device=device)
            )
            taken.append(time.perf_counter() - started)
            values.append({name: value.value for name, value in signature.values.items()})
        gaps = {
            name: abs(values[1][name] - value) / max(abs(value), 1e-12)
            for name, value in values[0].items()
            if value is not None and values[1][name] is not None
        }
        worst = max(gaps, key=lambda name: gaps[name])
        print(f"{n:7d}{taken[0]:9.2f}{taken[1]:9.2f}{taken[0] / taken[1]:7.1f}×   {worst} {gaps[worst]:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--queries", type=int, default=1000)
    asked = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device here: nothing to compare. The GPU paths run on torch's CPU device in the tests only")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    rng = np.random.default_rng(0)
    spread = ((1 + np.arange(asked.dimension)) ** -0.4).astype(np.float32)
    X = normalise(rng.standard_normal((asked.rows, asked.dimension), np.float32) * spread)
    Q = normalise(rng.standard_normal((asked.queries, asked.dimension), np.float32) * spread)
    searches(X, Q)
    geometry(X)


if __name__ == "__main__":
    main()
