"""Other ways to spend the bits of 24 bytes: a dynamic programme over segments, and triplets on an octahedron."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.quantizers.adaptive import FittedAdaptive
from embgeo.compression.codecs.training import Training
from embgeo.numeric.lloyd_max import MAX_BITS, allocate_bits, gaussian_distortion
from embgeo.reproductions.mteb_scifact import SCIFACT, SciFact
from embgeo.reproductions.registry import at_least, near, reproduction
from embgeo.results.reproduce import Compared

BUDGET = 24  # bytes
SEGMENT = 8  # coordinates that share a number of bits
TRIPLETS = 30_000


@reproduction(
    "saq-allocation",
    title="Squared error of SciFact × MiniLM at 24 bytes: bits by dynamic programming over segments, and greedily",
    source="Li et al. 2025, SAQ, bit allocation; numbers by embgeo",
    needs=SCIFACT,
    verdict="The dynamic programme finds what greedy allocation finds, up to its segments: the gain of one bit falls "
    "with each bit, so that greedy is optimal.",
)
def saq_allocation(data: Path) -> Iterator[Compared]:
    """PCA about the origin, Lloyd–Max levels with each coordinate's mean and deviation, error in units of E‖x‖² = 1."""
    X = SciFact.stored(data).embeddings.matrix()
    axes = Training(X, "cosine", 0).principal[1].astype(np.float32)
    Z = X @ axes
    variance = Z.var(axis=0, dtype=np.float64)
    greedy = _error(Z, allocate_bits(variance, 8 * BUDGET))
    programmed = _error(Z, _programme(variance, 8 * BUDGET))
    yield near("greedy", 0.2518, greedy, within=0.002)
    yield near("dynamic programme", 0.2523, programmed, within=0.002)
    yield near("dynamic programme − greedy", 0.0, programmed - greedy, within=0.0005)


@reproduction(
    "octahedral-triplets",
    title="Squared error of normal triplets: direction on an octahedron and a radius, against three scalars",
    source="idea of octahedral encodings of triplets, as in OCTOPUS; numbers by embgeo",
    verdict="At no rate that an embedding is stored with do triplets on an octahedron beat three Lloyd–Max scalars.",
)
def octahedral_triplets(data: Path) -> Iterator[Compared]:
    """The best split of 3·b bits between the two coordinates of the unfolded octahedron and the radius."""
    Z = np.random.default_rng(0).standard_normal((TRIPLETS, 3))
    for bits in (2, 3, 4):
        splits = [(a, b, 3 * bits - a - b) for a, b in product(range(1, 3 * bits), repeat=2) if a + b < 3 * bits]
        errors = [_octahedral(Z, split) for split in splits if max(split) <= MAX_BITS and abs(split[0] - split[1]) < 2]
        yield at_least(f"{bits} bits a coordinate, against scalars", gaussian_distortion(bits), min(errors))


def _error(Z: np.ndarray, bits: np.ndarray) -> float:
    """Mean ‖z − decoded‖² with these bits a coordinate; rows have unit length."""
    mean, scale = Z.mean(axis=0, dtype=np.float64).astype(np.float32), Z.std(axis=0, dtype=np.float64)
    fitted = FittedAdaptive(False, mean, scale.astype(np.float32), bits)
    return float(np.square(Z - fitted.decode(fitted.encode(Z)), dtype=np.float64).sum(axis=1).mean())


def _programme(variance: np.ndarray, bits: int) -> np.ndarray:
    """Bits by exact dynamic programming over segments of `SEGMENT` coordinates, which share a number of bits."""
    shares = variance.reshape(-1, SEGMENT).sum(axis=1)
    room = bits // SEGMENT
    least = np.zeros(room + 1)  # the error of the segments so far, by the bits left
    taken = np.zeros((len(shares), room + 1), np.int64)
    for at in range(len(shares) - 1, -1, -1):
        options = np.full((MAX_BITS + 1, room + 1), np.inf)
        for b in range(min(MAX_BITS, room) + 1):
            options[b, b:] = shares[at] * gaussian_distortion(b) + least[: room + 1 - b]
        taken[at], least = options.argmin(axis=0), options.min(axis=0)
    chosen = np.zeros(len(shares), np.uint8)
    for at in range(len(shares)):
        chosen[at] = taken[at, room]
        room -= int(chosen[at])
    return np.repeat(chosen, SEGMENT)


def _octahedral(Z: np.ndarray, split: tuple[int, int, int]) -> float:
    """Mean squared error a coordinate of a grid of 2^split[0] × 2^split[1] on the square and 2^split[2] radii."""
    p = Z / np.abs(Z).sum(axis=1, keepdims=True)
    cells = 2.0 ** np.array(split[:2])
    # the middle of the cell of each coordinate of the unfolded octahedron, from −1 to 1
    square = (np.clip(np.floor((_turned(p[:, :2], p[:, 2] < 0) + 1) / 2 * cells), 0, cells - 1) + 0.5) / cells * 2 - 1
    height = 1 - np.abs(square).sum(axis=1)
    direction = np.column_stack([_turned(square, height < 0), height])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # the best length along the decoded direction is the projection; its levels are those of a k-means in one dimension
    along = np.einsum("ij,ij->i", Z, direction)
    levels = np.quantile(along, (np.arange(2 ** split[2]) + 0.5) / 2 ** split[2])
    for _ in range(20):
        cell = np.searchsorted((levels[1:] + levels[:-1]) / 2, along)
        levels = np.bincount(cell, along, len(levels)) / np.maximum(np.bincount(cell, minlength=len(levels)), 1)
    decoded = direction * levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, along)][:, None]
    return float(np.square(Z - decoded).mean())


def _turned(uv: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(n, 2) points of the square; those of the lower half (n,) turned out of the upper half's diamond, or back."""
    return np.where(below[:, None], (1 - np.abs(uv[:, ::-1])) * np.where(uv < 0, -1, 1), uv)
