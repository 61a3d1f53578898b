"""Search on a torch device: codes stay there as bytes, a block at a time is decoded and multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.searcher import Found, any_norm, best_of

BLOCK_ROWS = 65536


class TorchSearcher:
    """The same scores as the CPU paths up to float32 rounding; ids agree up to ties within it.

    A codec without a torch decoder is decoded on the CPU, block by block, and multiplied on the device.
    """

    def __init__(self, tier: Tier, codes: np.ndarray, device: str) -> None:
        import torch

        self.tier = tier
        self.device = device
        self.decode = tier.quantizer.torch_decoder(device)
        self.name = f"torch {device}, decode by block"
        self.ram_bytes = int(codes.nbytes) + tier.state_bytes
        self._host_codes = codes
        self._codes = torch.as_tensor(np.ascontiguousarray(codes), device=device) if self.decode else None

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        import torch

        Z, bias = self.tier.queries(Q)
        queries = torch.as_tensor(np.ascontiguousarray(Z, np.float32), device=self.device)
        n = len(self._host_codes)
        scores = torch.full((len(Q), 0), 0.0, device=self.device)
        rows = torch.full((len(Q), 0), 0, dtype=torch.int64, device=self.device)
        for start in range(0, n, BLOCK_ROWS):
            block = self._block(start, min(start + BLOCK_ROWS, n))
            if self.tier.similarity == "euclidean":
                centre = block.mean(0)  # centred: far from the origin the squares would cancel
                near, asked = block - centre, queries - centre
                products = 2 * (asked @ near.T) - (near * near).sum(1) - (asked * asked).sum(1, keepdim=True)
                products.clamp_(max=0)
            else:
                products = queries @ block.T
            top = torch.topk(products, min(k, products.shape[1]), dim=1)
            scores = torch.cat([scores, top.values], dim=1)
            rows = torch.cat([rows, top.indices + start], dim=1)
            if scores.shape[1] > k:
                best = torch.topk(scores, k, dim=1)
                scores, rows = best.values, rows.gather(1, best.indices)
        found, places = best_of(scores.cpu().numpy(), rows.cpu().numpy(), k)
        return found + bias[:, None], places

    def _block(self, start: int, stop: int) -> Any:
        import torch

        if self._codes is not None and self.decode is not None:
            return self.decode(self._codes[start:stop])
        return torch.as_tensor(self.tier.decode(self._host_codes[start:stop]), device=self.device)
