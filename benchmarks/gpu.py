"""Is a CUDA device worth using? Prints the CPU and the device side by side: searches and geometry.

Decides what `--device auto` picks, and which paths are worth their lines. Searches: the same codes through
the CPU's searcher and the device's, milliseconds for one query and for a batch, and whether ids agree up to scores that
are equal within float32 rounding. Geometry: measures that share the distance matrix at n = 5,000 and 20,000 (aim: 10×).

    python benchmarks/gpu.py [--rows 200000] [--dimension 768] [--queries 1000] [--device cuda]

With `--device cpu` torch's CPU device stands in, which shows that the paths work and nothing about their speed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.searcher import Searcher
from embgeo.embeddings import check_embeddings, normalise
from embgeo.metrics.signature import SignatureRequest, compute_signature

# each path: as numbers, as 8-bit floats, as whole numbers of a byte, by tables of several kinds, by lists
SPECS = (
    *("f32", "f16", "fp8", "fp8e5m2", "int8", "binary", "hamming", "rot,int4", "rot,rabitq1", "rot,lvq8", "rot,tq4"),
    *("fp4b16", "adaptive@96B", "trellis@48B", "pq96", "pq96x4", "ivf64,f32", "ivf64,int8", "ivf64,pq96"),
)
MEASURES = ["spread_euclidean", "avg_pair_sim_euclidean", "uniformity", "twonn_dim", "mag_area", "silhouette"]
K = 10


def milliseconds(searcher: Searcher, Q: np.ndarray, repeats: int) -> float:
    """The least of several runs, after one that compiles and warms."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        searcher.search(Q, K)
        taken.append(time.perf_counter() - started)
    return 1e3 * min(taken[1:])


def searches(X: np.ndarray, Q: np.ndarray, device: str) -> None:
    columns = (*("one, CPU", "device", "ratio"), *(f"{len(Q)}, CPU", "device", "ratio"), "equal ids", "agree")
    print(f"\n{'ms for queries':16s}" + "".join(f"{title:>11s}" for title in columns) + "   searcher of the device")
    for text in SPECS:
        training = Training(X[:50_000], "cosine")
        codec = fit_codec(parse(text), training)
        codes = np.concatenate([codec.encode(X[start : start + 8192]) for start in range(0, len(X), 8192)])
        index = codec.spec.index
        structure = None if index is None else build_structure(index, codec, codes, training)
        pair = [build_searcher(codec, codes, where, structure) for where in ("cpu", device)]
        (scores, rows), (found, places) = (searcher.search(Q, K) for searcher in pair)
        line = f"{text:16s}"
        for asked, repeats in ((Q[:1], 10), (Q, 3)):
            cpu, other = (milliseconds(searcher, asked, repeats) for searcher in pair)
            line += f"{cpu:11.2f}{other:11.2f}{cpu / other:10.1f}×"
        equal = np.mean([len(set(a) & set(b)) / K for a, b in zip(rows, places, strict=True)])
        agree = "yes" if np.allclose(found, scores, atol=1e-5 * np.abs(scores).max(), rtol=0) else "NO"
        print(f"{line}{equal:11.4f}{agree:>11s}   {pair[1].name}", flush=True)


def geometry(X: np.ndarray, other: str) -> None:
    print(f"\n{'n':>7s}{'CPU s':>9s}{'device s':>9s}{'ratio':>8s}   largest relative difference")
    for n in (n for n in (5_000, 20_000) if n <= len(X)):
        embeddings = check_embeddings(X[:n])
        taken, values = [], []
        for device in ("cpu", other):
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
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    asked = parser.parse_args()
    import torch

    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here: nothing to compare. `--device cpu` runs the same paths on torch's CPU device")
        return
    name = torch.cuda.get_device_name() if asked.device == "cuda" else "DRY RUN on torch's CPU device"
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} CPU threads, {asked.rows} × {asked.dimension}")
    rng = np.random.default_rng(0)
    spread = ((1 + np.arange(asked.dimension)) ** -0.4).astype(np.float32)
    X = normalise(rng.standard_normal((asked.rows, asked.dimension), np.float32) * spread)
    Q = normalise(rng.standard_normal((asked.queries, asked.dimension), np.float32) * spread)
    device = {"cpu": "torch"}.get(asked.device, asked.device)
    searches(X, Q, device)
    geometry(X, device)


if __name__ == "__main__":
    main()
