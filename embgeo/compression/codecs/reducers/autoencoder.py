"""A small autoencoder (`ae96`): PCA plus a learned nonlinear term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from embgeo.compression.codecs.cost import PRODUCT, Cost
from embgeo.compression.codecs.part import FittedReducer, Narrowing, reducer
from embgeo.compression.codecs.training import Training, principal_axes, second_moment
from embgeo.errors import MissingExtraError
from embgeo.threads import limited_threads

HIDDEN = 128
STEPS = 200
PASSES = 10
BATCH = 256
RATE = 1e-3


@dataclass(frozen=True)
class FittedAutoencoder(FittedReducer):
    """z = x @ linear + tanh(x @ inner + bias) @ outer, for documents and queries alike.

    Attributes
    ----------
    linear : (d, r) float32. inner : (d, h), bias : (h,), outer : (h, r) float32.
    """

    kind: ClassVar[str] = "FittedAutoencoder"
    linear: np.ndarray
    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray

    @property
    def input_width(self) -> int:
        return len(self.linear)

    def documents(self, X: np.ndarray) -> np.ndarray:
        encoded: np.ndarray = X @ self.linear + np.tanh(X @ self.inner + self.bias) @ self.outer
        return encoded

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        return self.documents(Q), np.zeros(len(Q), np.float32)


@reducer(
    r"ae(\d+)",
    example="ae192",
    summary="autoencoder with one hidden layer, trained to keep rows and their scores; evaluate it out of sample",
    fitted=FittedAutoencoder,
)
@dataclass(frozen=True)
class Autoencoder(Narrowing):
    """An encoder and a decoder with 128 tanh units each beside a linear path that starts as PCA.

    Loss: squared error of the reconstructed row plus, since search sees only encoded vectors, squared error of the
    inner products within a batch. Ten passes (at most 200 Adam steps of 256 rows) on one thread, seeded: rerunning a
    row gives the same codec. The decoder is discarded. Without the second term the encoded inner products mean nothing,
    and with a linear decoder the optimum would be PCA (Baldi & Hornik 1989). State: (d + h)·r·4 + (d + 1)·h·4 bytes.
    Source: Hinton & Salakhutdinov 2006.
    """

    spelling: ClassVar[str] = "ae{dimensions}"
    one_matrix: ClassVar[bool] = False

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        weights = 2 * (width * (self.dimensions + HIDDEN) + HIDDEN * self.dimensions)
        seen = min(STEPS * BATCH, PASSES * rows)
        # forward, and twice as much backward
        return Cost(3 * seen * (weights + BATCH * width) * PRODUCT, documents * weights / 2 * PRODUCT)

    def fit(self, Z: np.ndarray, training: Training) -> FittedAutoencoder:
        axes = training.principal[1] if Z is training.X else principal_axes(second_moment(Z))[1]
        start = np.ascontiguousarray(axes[:, : self.dimensions], dtype=np.float32)
        hidden = min(HIDDEN, 2 * Z.shape[1])
        rng = np.random.default_rng([training.seed, Z.shape[1], self.dimensions, 0xAE])
        return FittedAutoencoder(*_train(Z, start, hidden, rng))


def _train(
    Z: np.ndarray, start: np.ndarray, hidden: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Encoder weights (linear, inner, bias, outer) after training on Z (n, d) from the projection `start` (d, r)."""
    try:
        import torch
    except ImportError:
        raise MissingExtraError("an autoencoder (ae) is trained with torch: pip install torch") from None

    n, d = Z.shape
    r = start.shape[1]
    # a tanh unit should be nonlinear: its input gets unit size whatever the norm of the rows
    size = float(np.sqrt(np.mean(np.einsum("ij,ij->i", Z, Z, dtype=np.float64)))) or 1.0

    def weights(*shape: int, scale: float = 0.0) -> torch.Tensor:
        values = scale * rng.standard_normal(shape) if scale else np.zeros(shape)
        return torch.tensor(values, dtype=torch.float32, requires_grad=True)

    linear = torch.tensor(start, requires_grad=True)
    inner, bias, outer = weights(d, hidden, scale=1.0), weights(hidden), weights(hidden, r)
    back = torch.tensor(np.ascontiguousarray(start.T), requires_grad=True)
    back_inner, back_bias, back_outer = weights(r, hidden, scale=1.0), weights(hidden), weights(hidden, d)
    with limited_threads(1):  # a fixed order of summation
        parameters = [linear, inner, bias, outer, back, back_inner, back_bias, back_outer]
        adam = torch.optim.Adam(parameters, lr=RATE)
        steps = min(STEPS, -(-PASSES * n // BATCH))
        for step in range(steps):
            X = torch.from_numpy(np.ascontiguousarray(Z[rng.integers(0, n, min(BATCH, n))])) / size
            code = X @ linear + torch.tanh(X @ inner + bias) @ outer
            rebuilt = code @ back + torch.tanh(code @ back_inner + back_bias) @ back_outer
            loss = ((rebuilt - X) ** 2).sum(1).mean() + ((code @ code.T - X @ X.T) ** 2).mean() * d**0.5
            for group in adam.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            adam.zero_grad()
            loss.backward()
            adam.step()
    first, second, third, last = (p.detach().numpy().copy() for p in (linear, inner, bias, outer))
    return first, second / np.float32(size), third, last * np.float32(size)
