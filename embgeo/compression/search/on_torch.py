"""Search on a torch device: blocks of codes are decoded and multiplied there, or multiplied as narrow numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.searcher import Found, any_norm, best_of
from embgeo.compression.search.torch_codes import Narrow, Products, Tensor, device_codes, free_bytes, put
from embgeo.errors import InputError

QUERY_BLOCK = 1024
OVERSAMPLING = 4
MIN_CANDIDATES = 64  # of a narrow search
RESCORED = 2**26  # coordinates decoded at a time for candidates
AREA = 2**28  # coordinates, or scores, of a block: few blocks, since a device is idle while work is handed to it
MIN_BLOCK = 1024  # rows
BYTES = 128  # of free memory for each of them, of which a block takes several copies


class TorchSearcher:
    """The same scores as the CPU paths up to float32 rounding; ids agree up to ties within it.

    Evenly spaced levels, signs and 8-bit floats are first multiplied as they are. Float32 products of decoded codes
    rescore the candidates, and search all rows for a query whose candidates might lack one.
    """

    def __init__(self, tier: Tier, codes: np.ndarray, device: str) -> None:
        self.tier, self.device, self.count = tier, device, len(codes)
        with full_precision(device):
            self.codes = device_codes(tier, codes, device)
        narrow = self.codes.narrow
        how = "decode by block" if narrow is None else f"{narrow.kind} products, rescored".removeprefix("torch.")
        self.name = f"torch {device}, {how}"
        self.area = int(min(AREA, free_bytes(device) / BYTES))
        self.ram_bytes = self.codes.nbytes + tier.state_bytes

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        Z, bias = self.tier.queries(Q)
        kept = min(k, self.count)
        scores, rows = np.empty((len(Q), kept), np.float32), np.empty((len(Q), kept), np.int64)
        with full_precision(self.device):
            for first in range(0, len(Q), QUERY_BLOCK):
                part = slice(first, first + QUERY_BLOCK)
                scores[part], rows[part] = self._search(np.ascontiguousarray(Z[part], np.float32), kept)
        return best_of(scores + bias[:, None], rows, k)

    def _search(self, Z: np.ndarray, k: int) -> Found:
        asked, constant = self.codes.ask(Z)
        A = put(np.asarray(asked, np.float32), self.device)
        if self.codes.narrow is None:
            scores, rows = self._all_products(A, k)
        else:
            scores, rows, sure = self._candidates(self.codes.narrow, A, k)
            if len(left := torch.nonzero(~sure).flatten()):
                scores[left], rows[left] = self._all_products(A[left], k)
        return scores.cpu().numpy() + constant[:, None], rows.cpu().numpy()

    def _all_products(self, A: Tensor, k: int) -> tuple[Tensor, Tensor]:
        def products(first: int, last: int) -> Tensor:
            block = self.codes[first:last]
            if self.tier.similarity != "euclidean":
                return A @ block.T
            centre = block.mean(0)  # centred: far from the origin the squares would cancel
            near, asked = block - centre, A - centre
            found = 2 * (asked @ near.T) - (near * near).sum(1) - (asked * asked).sum(1, keepdim=True)
            return found.clamp_(max=0)

        return self._best(products, A, k)

    def _candidates(self, narrow: Narrow, A: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Exact scores (m, k) and rows of the candidates of narrow products, and whether no other row belongs here."""
        rough = narrow.ask(A, self.codes)
        count = min(self.count, max(OVERSAMPLING * k, MIN_CANDIDATES))
        found, rows = self._best(rough.products, A, count)
        last = rough.base + rough.unit * found[:, -1:] + rough.error  # the highest that any other row can have
        rows = rows.sort(dim=1).values
        scores, step = torch.empty_like(found), max(1, RESCORED // (count * A.shape[1]))
        for first in range(0, len(A), step):
            part = slice(first, first + step)
            decoded = self.codes[rows[part].flatten()].view(*rows[part].shape, -1)
            scores[part] = (decoded @ A[part, :, None]).squeeze(2)
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
        scores, rows = scores.gather(1, order), rows.gather(1, order)
        return scores, rows, (last < scores[:, -1:]).all(1) | (count == self.count)

    def _best(self, products: Products, A: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k largest (m, k) for the queries A (m, columns), falling, equal ones in row order, and their rows."""
        scores = torch.empty((len(A), 0), device=self.device)
        rows = torch.empty((len(A), 0), dtype=torch.int64, device=self.device)
        step = max(MIN_BLOCK, self.area // max(A.shape))
        for first in range(0, self.count, step):
            block = products(first, min(first + step, self.count))
            places = largest(block, k)
            scores, rows = torch.cat([scores, block.gather(1, places)], 1), torch.cat([rows, places + first], 1)
            order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
            scores, rows = scores.gather(1, order), rows.gather(1, order)
        return scores, rows


def largest(scores: Tensor, k: int) -> Tensor:
    """(m, k) ascending places of the k largest of each row; of equal ones the first."""
    if k >= scores.shape[1]:
        return torch.arange(scores.shape[1], device=scores.device).expand(len(scores), -1)
    values, places = torch.topk(scores, k + 1, dim=1)
    places = places[:, :k]
    tied = torch.nonzero((values[:, -1:] == values[:, k - 1 : k]).any(1)).flatten()
    if len(tied):  # `topk` takes any of them
        places[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    return places.sort(dim=1).values


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Float32 products of full precision; InputError if the device lacks memory."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(f"search on {device} needs more memory than is free there; use --device cpu") from None
    finally:
        torch.set_float32_matmul_precision(precision)
