"""Scalar codecs written the obvious way, a value at a time, from their papers: (n, r) → decoded (n, r) float64."""

from __future__ import annotations

import math

import numpy as np

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


def nearest(value: float, levels: list[float]) -> float:
    """The nearest level; on a tie the one with the even place in the list of its sign."""
    ranked = sorted(range(len(levels)), key=lambda at: (abs(levels[at] - abs(value)), at % 2))
    return math.copysign(levels[ranked[0]], value)


def e4m3(value: float) -> float:
    """A non-negative value rounded to 3 mantissa bits, exponents −6 … 8, largest 448, half to even."""
    if value == 0:
        return 0.0
    exponent = max(math.floor(math.log2(value)), -6)
    step = 2.0 ** (exponent - 3)
    return min(round(value / step) * step, 448.0)


def float4(X: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    """e2m1, each dimension's largest magnitude at 6."""
    out = np.zeros(X.shape)
    for j in range(X.shape[1]):
        scale = max(abs(float(v)) for v in fitted_on[:, j]) / 6 or 1.0
        for i in range(len(X)):
            out[i, j] = nearest(float(X[i, j]) / scale, E2M1) * scale
    return out


def nvfp4(X: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    """Blocks of 16: two levels of scale, float32 over all and e4m3 over a block."""
    unit = float(np.abs(fitted_on).max()) / (6 * 448)
    out = np.zeros(X.shape)
    for i in range(len(X)):
        for start in range(0, X.shape[1], 16):
            block = X[i, start : start + 16].astype(float)
            scale = e4m3(float(np.abs(block).max()) / 6 / unit) * unit
            out[i, start : start + 16] = [nearest(v / scale, E2M1) * scale if scale else 0.0 for v in block]
    return out


def mxfp4(X: np.ndarray) -> np.ndarray:
    """Blocks of 32: scale 2^(⌊log₂ max⌋ − 2), as the OCP format says."""
    out = np.zeros(X.shape)
    for i in range(len(X)):
        for start in range(0, X.shape[1], 32):
            block = X[i, start : start + 32].astype(float)
            peak = float(np.abs(block).max())
            scale = 2.0 ** (math.floor(math.log2(peak)) - 2) if peak else 1.0
            out[i, start : start + 32] = [nearest(v / scale, E2M1) * scale for v in block]
    return out


def best_direction(block: np.ndarray, levels: list[float], trials: int = 4000) -> float:
    """The largest cosine between a block and any scaling of it rounded to the alphabet."""
    block = np.abs(block.astype(float))
    values = np.array(levels)
    best = 0.0
    for reach in np.linspace(0.5, 30.0, trials):
        scaled = block / block.max() * reach
        rounded = values[np.abs(scaled[:, None] - values).argmin(axis=1)]
        if rounded.any():
            best = max(best, float(block @ rounded / np.linalg.norm(block) / np.linalg.norm(rounded)))
    return best


def lvq(X: np.ndarray, fitted_on: np.ndarray, bits: int) -> np.ndarray:
    """Aguerrebere et al. 2023: Q(x_j) = Δ⌊(x_j − ℓ)/Δ + ½⌋ + ℓ Δ = (u − ℓ)/(2^B − 1), the mean removed."""
    mean = fitted_on.astype(float).mean(axis=0)
    out = np.zeros(X.shape)
    for i in range(len(X)):
        row = X[i].astype(float) - mean
        low, high = row.min(), row.max()
        step = (high - low) / (2**bits - 1)
        out[i] = mean + low + step * np.floor((row - low) / step + 0.5)
    return out


def gaussian_nearest(value: float, bits: int) -> float:
    """The nearest level of a Lloyd–Max quantizer of the standard normal; the tables are those of Max 1960."""
    levels = {1: [0.7979], 2: [0.4528, 1.5104], 3: [0.2451, 0.7560, 1.3439, 2.1520]}[bits]
    return math.copysign(min(levels, key=lambda level: abs(level - abs(value))), value)


def turboquant(X: np.ndarray, fitted_on: np.ndarray, bits: int) -> np.ndarray:
    scale = math.sqrt(float((fitted_on.astype(float) ** 2).mean()))
    return np.array([[scale * gaussian_nearest(float(v) / scale, bits) for v in row] for row in X])


def eden(X: np.ndarray, bits: int) -> np.ndarray:
    """Vargaftik et al. 2022: y = Q(√d·x/‖x‖), scaled by ‖x‖² / ⟨x, y⟩."""
    out = np.zeros(X.shape)
    for i, row in enumerate(X.astype(float)):
        norm = math.sqrt(float(row @ row))
        y = np.array([gaussian_nearest(math.sqrt(len(row)) * v / norm, bits) for v in row])
        out[i] = norm**2 / float(row @ y) * y
    return out


def calibrated_turboquant(X: np.ndarray, fitted_on: np.ndarray, bits: int) -> np.ndarray:
    """Every coordinate standardised, quantized as a normal, brought back; unit rows."""
    mean, deviation = fitted_on.astype(float).mean(axis=0), fitted_on.astype(float).std(axis=0)
    out = np.array([[gaussian_nearest(v, bits) for v in row] for row in (X.astype(float) - mean) / deviation])
    out = mean + deviation * out
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def calibrated_eden(X: np.ndarray, fitted_on: np.ndarray, bits: int) -> np.ndarray:
    """The same of directions, then the row's own length."""
    lengths = np.linalg.norm(X.astype(float), axis=1, keepdims=True)
    directions = fitted_on / np.linalg.norm(fitted_on.astype(float), axis=1, keepdims=True)
    return lengths * calibrated_turboquant(X / lengths, directions, bits)


def itq_loss(V: np.ndarray, R: np.ndarray) -> float:
    """Gong & Lazebnik 2011, eq. 2, per bit, at the best common size s: ‖B − sVR‖²."""
    Y = V.astype(float) @ R.astype(float)
    B = np.where(Y > 0, 1.0, -1.0)
    s = float((B * Y).sum() / (Y**2).sum())
    return float(((B - s * Y) ** 2).mean())


def adjust(row: np.ndarray, levels: list[int], tables: list[np.ndarray], passes: int) -> list[int]:
    """Coordinate descent of the levels by ±1 towards the row's direction, trying −1 first."""

    def cosine(trial: list[int]) -> float:
        decoded = np.array([table[level] for table, level in zip(tables, trial, strict=True)], float)
        return float(row.astype(float) @ decoded / np.linalg.norm(decoded))

    levels = list(levels)
    for _ in range(passes):
        for j in range(len(levels)):
            for way in (-1, 1):
                trial = [*levels[:j], levels[j] + way, *levels[j + 1 :]]
                if 0 <= trial[j] < len(tables[j]) and cosine(trial) > cosine(levels) * (1 + 1e-9):
                    levels = trial
                    break
    return levels
