"""How often do the intervals of the signature contain the true value? Decides which measures may have one.

Draws samples from a population with a known spectrum (Gaussian, variances 1/i) and counts how often the 95 % interval
of a sample contains the mean value over fresh samples of the same size, which is what such an interval estimates.
Prints coverage per measure with its own binomial error; well below 95 % means that the interval is too short.

    python benchmarks/interval_coverage.py [--rows 500] [--dimension 32] [--samples 60] [--measures NAME ...]
"""

from __future__ import annotations

import argparse

import numpy as np

from embgeo import check_embeddings
from embgeo.metrics.registry import measures
from embgeo.metrics.signature import SignatureRequest, compute_signature


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--dimension", type=int, default=32)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--measures", nargs="*")
    options = parser.parse_args()
    names = options.measures or [m.name for m in measures().values() if m.interval and not m.needs]
    scales = np.arange(1, options.dimension + 1) ** -0.5
    rng = np.random.default_rng(0)

    def draw() -> np.ndarray:
        return (rng.standard_normal((options.rows, options.dimension)) * scales + 0.3 * scales).astype(np.float32)

    truth: dict[str, list[float]] = {name: [] for name in names}
    intervals: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for sample in range(2 * options.samples):
        fresh = sample >= options.samples
        found = compute_signature(
            check_embeddings(draw()), SignatureRequest(names=names, seed=sample, intervals=not fresh)
        ).values
        for name in names:
            value, ci = found[name].value, found[name].ci
            if fresh and value is not None:
                truth[name].append(value)
            elif ci is not None:
                intervals[name].append(ci)
    print(f"n = {options.rows}, d = {options.dimension}, {options.samples} samples")
    for name in names:
        if not intervals[name] or not truth[name]:
            print(f"{name:32s} no interval")
            continue
        centre = float(np.mean(truth[name]))
        held = np.mean([low <= centre <= high for low, high in intervals[name]])
        error = np.sqrt(held * (1 - held) / len(intervals[name]))
        print(f"{name:32s} {100 * held:5.1f} % ± {100 * error:.1f}   mean value {centre:.5g}")


if __name__ == "__main__":
    main()
