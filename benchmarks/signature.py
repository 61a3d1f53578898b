"""Is the signature fast and accurate enough to be computed on every run? Decides whether `analyze` needs a `--quick`.

The published study's own libraries (uts_reference.py, kept beside the shared data) and embgeo measure the same vectors
in one run, at the published sample sizes, one seed, without intervals on both sides. The bar is 20× in total.

    python benchmarks/signature.py VECTORS.npy --reference uts_reference.py --reference-python REFERENCE/bin/python
    python benchmarks/signature.py VECTORS.npy --stored uts_minilm_scifact.json      ours beside stored values only
    python benchmarks/signature.py --growth 2000 5000 10000 20000 50000 --dimensions 384 768 1536 3072

The reference's packages cannot share an environment with embgeo. Make one for them with
`pip install ripser scikit-dimension IsoScore vendi-score magnipy scikit-learn torch==2.13.0` and name its interpreter.
"alone" is a measure on a fresh space, with everything it shares with others computed for it; the total is one pass in
which measures share. Compiled kernels are loaded before the clock starts, on both sides.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.embeddings import check_embeddings
from embgeo.metrics.registry import measures
from embgeo.metrics.signature import SignatureRequest, compute_signature, evaluate
from embgeo.space.space import Space

ROWS, CAP, SAMPLE_SEED = 5182, 5000, 1234
CAPPED = ("ph_dim_", "lifetime_", "midlife_", "mag_", "euler_")
STORED_NAMES = {f"vendi_score_{metric}": f"vendi_score_distance_{metric}" for metric in ("euclidean", "cosine")}
PUBLISHED = [
    "uniformity", "effective_rank", "avg_pair_sim_euclidean", "avg_pair_sim_cosine", "iso_score", "pca_dim",
    "twonn_dim", "silhouette", "ph_dim_euclidean", "ph_entr_euclidean", "spread_euclidean",
    "vendi_score_distance_euclidean", "lifetime_mean_euclidean", "midlife_mean_euclidean", "ph_dim_cosine",
    "ph_entr_cosine", "spread_cosine", "vendi_score_distance_cosine", "lifetime_mean_cosine", "midlife_mean_cosine",
    "mag_dim", "mag_area", "euler_characteristic",
]  # fmt: skip


def samples(vectors: Path) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the published run, its capped sample as row numbers)."""
    X = np.load(vectors).astype(np.float32)[:ROWS]
    if len(X) <= CAP:
        return X, np.arange(len(X))
    return X, np.random.RandomState(SAMPLE_SEED).choice(len(X), CAP, replace=False)  # the reference's generator


def run_reference(args: argparse.Namespace) -> dict[str, Any] | None:
    """The reference's results, computed now; None (and the reason, printed) when it cannot run."""
    if args.reference is None or args.reference_python is None:
        print("reference not run: name it with --reference and --reference-python; stored values stand in for it\n")
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "reference.json"
        command = [str(args.reference_python), str(args.reference), str(args.vectors), "--json", str(target)]
        print("reference:", " ".join(command), flush=True)
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"reference failed with code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}\n")
            return None
        return json.loads(target.read_text())["measures"]


def stored_reference(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    stored = json.loads(path.read_text())["measured_with_reference_libraries"]
    return {STORED_NAMES.get(name, name): row for name, row in stored.items()}


def run_ours(
    X: np.ndarray, rows: np.ndarray, alone: bool
) -> tuple[dict[str, dict[str, float]], float, dict[str, float]]:
    """({measure: value, own seconds, seconds alone}, seconds of one pass, {shared quantity: seconds})."""
    known = measures()
    small = Space(X[:300])
    for name in PUBLISHED:
        evaluate(known[name], small, seed=0)

    def capped(name: str) -> bool:
        return name.startswith(CAPPED)

    start = time.perf_counter()
    whole = Space(X)
    part = whole if len(rows) == len(X) else whole.subset(rows)
    results = {}
    for name in PUBLISHED:
        outcome = evaluate(known[name], part if capped(name) else whole, seed=0)
        value = outcome.reading.value if outcome.reading else math.nan
        results[name] = {"value": value, "own": outcome.seconds}
        if outcome.reason:
            print(f"{name}: {outcome.status}, {outcome.reason}")
    total = time.perf_counter() - start
    shared = {key: whole.ledger.get(key, 0) + (part.ledger.get(key, 0) if part is not whole else 0)
              for key in {**whole.ledger, **part.ledger}}  # fmt: skip
    if alone:
        for name in PUBLISHED:
            start = time.perf_counter()
            evaluate(known[name], Space(X[rows] if capped(name) else X), seed=0)
            results[name]["alone"] = time.perf_counter() - start
    return results, total, shared


def compare(args: argparse.Namespace) -> None:
    X, rows = samples(args.vectors)
    passes = [run_ours(X, rows, alone=repeat == 0) for repeat in range(args.repeats)]
    ours = passes[0][0]
    total, shared = min(((t, s) for _, t, s in passes), key=lambda one: one[0])
    fresh = run_reference(args)
    theirs = fresh if fresh is not None else stored_reference(args.stored)
    which = "now" if fresh is not None else "stored"
    print(f"{len(X)} rows × {X.shape[1]}, {len(rows)} where the published cap is {CAP}; reference: {which}\n")
    header = ("measure", "reference", "embgeo", "relative", "ref s", "alone s", "own s", "alone ×")
    print("{:31s}{:>14s}{:>14s}{:>10s}{:>9s}{:>9s}{:>9s}{:>9s}".format(*header))
    for name, row in ours.items():
        other = theirs.get(name)
        left = f"{name:31s}{other['value'] if other else math.nan:14.6g}{row['value']:14.6g}"
        relative = row["value"] / other["value"] - 1 if other else math.nan
        seconds = other["seconds"] if other else math.nan
        print(f"{left}{relative:10.1e}{seconds:9.2f}{row['alone']:9.3f}{row['own']:9.3f}{seconds / row['alone']:9.1f}")
    for name, seconds in sorted(shared.items(), key=lambda item: -item[1]):
        print(f"{'  shared: ' + name:31s}{'':56s}{seconds:9.3f}")
    reference_total = sum(theirs[name]["seconds"] for name in ours if name in theirs)
    ratio = reference_total / total if reference_total else math.nan
    spread = " ".join(f"{t:.2f}" for _, t, _ in passes)
    print(
        f"\ntotal: reference {reference_total:.1f} s ({which}), embgeo {total:.2f} s (passes: {spread}): {ratio:.1f}×"
    )
    print(f"peak memory of this process: {peak_gb():.2f} GB")


def peak_gb() -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9


def synthetic(n: int, d: int) -> np.ndarray:
    """Unit rows around 50 topics with a decaying spectrum: about what an encoder gives, for any n and d."""
    rng = np.random.default_rng(0)
    scales = np.arange(1, d + 1, dtype=np.float32) ** -0.4
    topics = rng.standard_normal((50, d), dtype=np.float32) * scales
    X = topics[rng.integers(0, 50, n)] + 1.5 * rng.standard_normal((n, d), dtype=np.float32) * scales + 0.02
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def measure_one(n: int, d: int) -> None:
    """One size, in this process, so that its peak memory is its own; one JSON line."""
    compute_signature(
        check_embeddings(synthetic(300, 32)), SignatureRequest(intervals=False)
    )  # imports and compiled kernels
    embeddings = check_embeddings(synthetic(n, d))
    start = time.perf_counter()
    signature = compute_signature(embeddings, SignatureRequest(intervals=False, cap=n))
    seconds = time.perf_counter() - start
    slowest = {name: value.seconds for name, value in signature.values.items()} | dict(signature.shared_seconds)
    top = dict(sorted(slowest.items(), key=lambda item: -item[1])[:4])
    undefined = [name for name, value in signature.values.items() if value.status in ("undefined", "failed")]
    print(json.dumps({"seconds": seconds, "peak_gb": peak_gb(), "slowest": top, "undefined": undefined}))


def growth(sizes: list[int], dimensions: list[int]) -> None:
    print("every measure at cap = n (a measure's own cap still holds), no intervals; one process a row\n")
    print(f"{'n':>7s}{'d':>6s}{'seconds':>10s}{'peak GB':>9s}  slowest (s)")
    for n, d in [(n, 384) for n in sizes] + [(5000, d) for d in dimensions if d != 384]:
        command = [sys.executable, __file__, "--one", str(n), str(d)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{n:7d}{d:6d}  failed with code {done.returncode}")
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        slowest = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["slowest"].items())
        print(f"{n:7d}{d:6d}{row['seconds']:10.1f}{row['peak_gb']:9.2f}  {slowest}", flush=True)
        if row["undefined"]:
            print(f"{'':13s}without a value: {', '.join(row['undefined'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, nargs="?")
    parser.add_argument("--reference", type=Path, help="the reference script")
    parser.add_argument("--reference-python", type=Path, help="an interpreter that has its packages")
    parser.add_argument("--stored", type=Path, help="stored reference values, used when it cannot run")
    parser.add_argument("--repeats", type=int, default=3, help="passes of embgeo; the fastest counts")
    parser.add_argument("--growth", type=int, nargs="+", default=[])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[])
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure_one(*args.one)
        return
    if args.vectors:
        compare(args)
    if args.growth or args.dimensions:
        growth(args.growth, args.dimensions)
    if not (args.vectors or args.growth or args.dimensions):
        parser.error("name a file of vectors, or sizes with --growth")


if __name__ == "__main__":
    main()
