"""The torch side of the device interface: the same kernels on a GPU (or, for tests, on torch's CPU device)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from embgeo.errors import InputError
from embgeo.space.kernels import CANCELLED, MAX_PAIRS_PER_ROW, Reduction

ROWS_AT_ONCE = 2048


class TorchKernels:
    """Kernels on a torch device; handles are tensors, so that an (n, n) matrix never leaves the GPU unless asked."""

    def __init__(self, device: str) -> None:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError(f"device {device!r} needs a CUDA device and a CUDA build of torch; none found. Use cpu.")
        self.device = torch.device(device)

    def get(self, handle: torch.Tensor) -> np.ndarray:
        return handle.cpu().numpy()

    def scatter(self, X: np.ndarray, mean: np.ndarray) -> np.ndarray:
        middle = self._put(mean)
        total = torch.zeros((X.shape[1], X.shape[1]), dtype=torch.float64, device=self.device)
        for start in range(0, X.shape[0], 8192):
            block = self._put(X[start : start + 8192]) - middle
            total += block.T @ block
        return total.cpu().numpy()

    def squared_distances(self, V: np.ndarray, groups: np.ndarray) -> torch.Tensor:
        # float32 products must be float32: TF32 keeps only ten bits
        X, ids = self._put(V), self._put(groups)
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            D = X @ X.T
        finally:
            torch.set_float32_matmul_precision(precision)
        norms = X.double().square().sum(1).float()
        n, cancelled = len(X), []
        for rows in self._blocks(n):
            both = norms[rows, None] + norms[None, :]
            D[rows] = (both - 2 * D[rows]).clamp_(min=0)
            low, high = torch.nonzero(D[rows] < CANCELLED * both, as_tuple=True)
            low = low + rows.start
            keep = (low < high) & (ids[low] != ids[high])
            cancelled.append((low[keep], high[keep]))
            D[rows].masked_fill_(ids[rows, None] == ids[None, :], 0)
        low = torch.cat([pair[0] for pair in cancelled])
        high = torch.cat([pair[1] for pair in cancelled])
        if len(low) > MAX_PAIRS_PER_ROW * n:
            self._recompute_all(D, X, ids)
        else:
            for start in range(0, len(low), 8192):
                i, j = low[start : start + 8192], high[start : start + 8192]
                D[i, j] = (X[i].double() - X[j].double()).square().sum(1).float()
        for rows in self._blocks(n):  # the product need not be symmetric: the upper triangle decides
            D[rows, : rows.stop] = torch.where(
                torch.arange(rows.stop, device=self.device)[None, :]
                < torch.arange(rows.start, rows.stop, device=self.device)[:, None],
                D[: rows.stop, rows].T,
                D[rows, : rows.stop],
            )
        return D

    def scaled_root(self, handle: torch.Tensor, factor: float) -> torch.Tensor:
        return handle.sqrt_().mul_(factor)

    def row_sums(
        self, handle: torch.Tensor, reduction: Reduction, scale: float = 1.0, half_square: bool = False
    ) -> np.ndarray:
        apply = {"exp_minus": lambda D: torch.exp(-D), "inverse_one_plus": lambda D: 1 / (1 + D)}[reduction]
        blocks = (handle[rows] for rows in self._blocks(len(handle)))
        parts = [apply((D.square() / 2 if half_square else D) * scale).sum(1, dtype=torch.float64) for D in blocks]
        return torch.cat(parts).cpu().numpy()

    def nearest(self, handle: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
        distances, indices = [], []
        for rows in self._blocks(len(handle)):
            block = handle[rows].clone()
            block[torch.arange(len(block)), torch.arange(rows.start, rows.stop)] = torch.inf
            values, chosen = torch.topk(block, k, dim=1, largest=False, sorted=True)
            distances.append(values.cpu().numpy())
            indices.append(chosen.cpu().numpy())
        D, chosen_rows = np.concatenate(distances), np.concatenate(indices)
        order = np.lexsort((chosen_rows, D), axis=1)
        return np.take_along_axis(D, order, axis=1), np.take_along_axis(chosen_rows, order, axis=1)

    def product(self, handle: torch.Tensor, M: np.ndarray) -> np.ndarray:
        return (handle @ self._put(M.astype(np.float32))).double().cpu().numpy()

    def _put(self, X: np.ndarray) -> torch.Tensor:
        return torch.tensor(X, device=self.device)  # a copy: torch must never share the caller's memory

    def _blocks(self, n: int) -> list[slice]:
        return [slice(start, min(start + ROWS_AT_ONCE, n)) for start in range(0, n, ROWS_AT_ONCE)]

    def _recompute_all(self, D: Any, X: Any, ids: Any) -> None:
        wide = X.double()
        norms = wide.square().sum(1)
        for rows in self._blocks(len(X)):
            exact = (norms[rows, None] + norms[None, :] - 2 * (wide[rows] @ wide.T)).clamp_(min=0)
            D[rows] = exact.masked_fill_(ids[rows, None] == ids[None, :], 0).float()
