"""Residual quantization (`rq24`): a sum of centroids of the whole vector, one byte per stage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from embgeo.compression.codecs.additive_code import AdditiveCode
from embgeo.compression.codecs.codebooks import POINTS_PER_CENTROID, check_rows, training_rows
from embgeo.compression.codecs.cost import CENTROID, LOOP_PRODUCT, PRODUCT, Cost
from embgeo.compression.codecs.part import FittedQuantizer, Quantizer, quantizer
from embgeo.compression.codecs.training import Training
from embgeo.errors import InputError
from embgeo.numeric.compiled import compiled
from embgeo.numeric.kmeans import kmeans

CENTROIDS = 256
PASSES = 10
BEAM = 5
FIT_ROWS = 2 * POINTS_PER_CENTROID * CENTROIDS
MAX_STAGES = 32
TILE = 16


@dataclass(frozen=True)
class FittedResidual(FittedQuantizer):
    """z = Σ_s centroids[s, code_s], summed in the order of the stages.

    Attributes
    ----------
    centroids : (stages, 256, r) float32.
    """

    kind: ClassVar[str] = "FittedResidual"
    centroids: np.ndarray

    @property
    def code_bytes(self) -> int:
        return len(self.centroids)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        codes = np.empty((len(Z), self.code_bytes), np.uint8)
        stages, _, width = self.centroids.shape
        across = np.ascontiguousarray(self.centroids.transpose(0, 2, 1))
        squares = np.einsum("skr,skr->sk", self.centroids, self.centroids)
        flat = self.centroids.reshape(-1, width)
        crosses = np.zeros((stages, stages, CENTROIDS, CENTROIDS), np.float32)
        for stage in range(1, stages):
            crosses[stage, :stage] = (flat[: stage * CENTROIDS] @ across[stage]).reshape(stage, CENTROIDS, CENTROIDS)
        _beam_kernel()(np.ascontiguousarray(Z, np.float32), across, squares, crosses, codes)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        decoded = self.centroids[0][codes[:, 0]]
        for stage in range(1, self.code_bytes):
            decoded += self.centroids[stage][codes[:, stage]]
        return decoded

    def additive_code(self) -> AdditiveCode:
        stages, _, width = self.centroids.shape
        places = np.zeros(stages, np.int64)
        return AdditiveCode(width, np.full(stages, 8), places, self.centroids, np.zeros(width, np.float32))


@quantizer(
    r"rq(\d+)",
    example="rq24",
    summary="residual quantization: that many stages of 256 centroids of the whole vector, one byte per stage",
    fitted=FittedResidual,
)
@dataclass(frozen=True)
class ResidualQuantizer(Quantizer):
    """Each stage quantizes the remainder of earlier ones: k-means per stage in fitting, a beam of 5 paths throughout.

    Fitted on the remainders of all five paths, at most 19,968 of them: those of the best path alone overfit sooner
    (squared error of held-out rows .42 against .27, SciFact × MiniLM). Slow: 60 s of CPU time there.
    State: stages·256·r·4 bytes, 9.4 MB at 24 stages and r = 384: more than a small corpus, which it overfits (SciFact
    × MiniLM, two folds: nDCG@10 .527, float32 .645). Sources: Chen, Guan & Wang 2010, "Approximate nearest neighbor
    search by residual vector quantization"; beam search: Babenko & Lempitsky 2014, §3.
    """

    spelling: ClassVar[str] = "rq{stages}"
    centroids: ClassVar[int] = CENTROIDS
    training_rows_needed: ClassVar[int] = POINTS_PER_CENTROID * CENTROIDS
    stages: int

    def code_bytes(self, width: int) -> int:
        if not 1 <= self.stages <= MAX_STAGES:
            raise InputError(f"{self.name} needs 1 to {MAX_STAGES} stages; got {self.stages}. More bytes: pq{width}")
        return self.stages

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        each = self.stages * self.centroids
        # a path's codes are looked up in the tables of all stages before it
        beam = each * (width * LOOP_PRODUCT + BEAM * self.stages / 2 * LOOP_PRODUCT + BEAM * CENTROID)
        # a pass of k-means, and sorting and summing the rows of its centroids as much again
        return Cost(2 * FIT_ROWS * each * PASSES * (width * PRODUCT + CENTROID), documents * beam)

    def fit(self, Z: np.ndarray, training: Training) -> FittedResidual:
        check_rows(self.name, len(Z), CENTROIDS)
        rng = np.random.default_rng([training.seed, self.stages, 0x4E5])
        rows = np.array(training_rows(Z, rng, FIT_ROWS), np.float32)
        rest = rows[:, None, :]  # (n, beams, r): what each of the best paths of a row leaves
        centroids = np.empty((self.stages, CENTROIDS, Z.shape[1]), np.float32)
        for stage in range(self.stages):
            left = rest.reshape(-1, Z.shape[1])
            centroids[stage] = whole_centroids(training_rows(left, rng, FIT_ROWS), rng)
            rest = best_rests(rest, centroids[stage])
        return FittedResidual(centroids)


def best_rests(rest: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n, beams, r) → (n, BEAM, r): each row's least remainders over its paths and the next centroid."""
    n, beams, width = rest.shape
    gaps = np.einsum("kr,kr->k", centroids, centroids) - 2 * (rest.reshape(-1, width) @ centroids.T)
    errors = gaps.reshape(n, beams, CENTROIDS) + np.einsum("nbr,nbr->nb", rest, rest)[:, :, None]
    best = np.argpartition(errors.reshape(n, -1), BEAM - 1, axis=1)[:, :BEAM]
    parents, choices = np.divmod(best, CENTROIDS)
    left: np.ndarray = np.take_along_axis(rest, parents[:, :, None], axis=1) - centroids[choices]
    return left


def whole_centroids(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's k-means with 256 centroids of whole rows: (256, r) float32."""
    squared = np.einsum("ij,ij->i", X, X)
    rows = np.arange(len(X))

    def assign(centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gaps = np.einsum("ij,ij->i", centroids, centroids) - 2 * (X @ centroids.T)
        own = gaps.argmin(axis=1)
        return own, gaps[rows, own] + squared

    def move(centroids: np.ndarray, own: np.ndarray, distances: np.ndarray) -> np.ndarray:
        members = np.bincount(own, minlength=CENTROIDS)
        order = np.argsort(own, kind="stable")
        filled, empty = np.flatnonzero(members), np.flatnonzero(members == 0)
        starts = np.concatenate([[0], np.cumsum(members)[:-1]])[filled]
        centroids[filled] = np.add.reduceat(X[order], starts, axis=0, dtype=np.float64) / members[filled, None]
        # a centroid without rows takes a row that is far from its own, which is unassigned until the next pass
        far = np.argsort(-distances, kind="stable")[: len(empty)]
        centroids[empty], own[far] = X[far], -1
        return centroids

    found = X[np.sort(rng.choice(len(X), CENTROIDS, replace=False))].copy()
    return kmeans(found, assign, move, PASSES)[0]


@cache
def _beam_kernel() -> Any:
    import numba

    @compiled(parallel=True)
    def kernel(Z, across, squares, crosses, codes):  # type: ignore[no-untyped-def]
        n, width = Z.shape
        stages, _, count = across.shape
        for tile in numba.prange((n + TILE - 1) // TILE):
            first = tile * TILE
            rows = min(TILE, n - first)
            paths = np.zeros((TILE, BEAM, stages), np.uint8)
            errors = np.zeros((TILE, BEAM))
            beams = 1
            products = np.empty((TILE, count), np.float32)
            errors_next = np.empty(BEAM)
            parents = np.empty(BEAM, np.int64)
            choices = np.empty(BEAM, np.int64)
            paths_next = np.empty((BEAM, stages), np.uint8)
            scores = np.empty(count, np.float32)
            for s in range(stages):
                products[:] = 0
                for t in range(width):
                    for i in range(rows):
                        z = Z[first + i, t]
                        for c in range(count):
                            products[i, c] += z * across[s, t, c]
                for i in range(rows):
                    kept = 0
                    for b in range(beams):
                        # ‖rest − c‖² − ‖rest‖² = ‖c‖² − 2⟨z, c⟩ + 2 Σ⟨earlier centroids, c⟩
                        for c in range(count):
                            scores[c] = squares[s, c] - np.float32(2) * products[i, c]
                        for p in range(s):
                            code = paths[i, b, p]
                            for c in range(count):
                                scores[c] += np.float32(2) * crosses[s, p, code, c]
                        for c in range(count):
                            error = errors[i, b] + scores[c]
                            if kept == BEAM and error >= errors_next[BEAM - 1]:
                                continue
                            at = min(kept, BEAM - 1)
                            while at > 0 and errors_next[at - 1] > error:
                                errors_next[at] = errors_next[at - 1]
                                parents[at] = parents[at - 1]
                                choices[at] = choices[at - 1]
                                at -= 1
                            errors_next[at] = error
                            parents[at] = b
                            choices[at] = c
                            kept = min(kept + 1, BEAM)
                    for b in range(kept):
                        paths_next[b, :s] = paths[i, parents[b], :s]
                        paths_next[b, s] = choices[b]
                        errors[i, b] = errors_next[b]
                    paths[i, :kept, : s + 1] = paths_next[:kept, : s + 1]
                beams = BEAM
            for i in range(rows):
                codes[first + i] = paths[i, 0]

    return kernel
