"""Codes as torch tensors: what of them lies on a device, and how rows are decoded there.

Rows are decoded to float32 by tables, a block at a time (`DeviceCodes`). Evenly spaced levels, among them signs, and
8-bit floats are values of a narrow type as they are: products of that type find candidates (`Narrow`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.codecs.part import FittedQuantizer
from embgeo.compression.codecs.summed_code import LEVELS, SummedCode
from embgeo.compression.codecs.table_code import PlainCode
from embgeo.compression.search.cells import Cells

Tensor: TypeAlias = torch.Tensor
Operand = Callable[[Tensor], Tensor]
Products = Callable[[int, int], Tensor]
BLOCK_ROWS = 32_768  # sent or measured at a time
SHARE = 0.5  # of the device's free memory that codes may take; the rest is for blocks of scores
ODD = 16  # narrow products take multiples of it
MIN_ROWS = 32  # of queries, padded: `torch._int_mm` wants more than 16
PART_BYTES = 8  # of a table's row, looked up at a time: for 16 or more a GPU takes a block of threads each
ROUNDING = 2.0**-10  # of a narrow product, relative: 8-bit floats are summed in few bits


def free_bytes(device: str) -> float:
    """Free memory of a CUDA device; without bound for torch's CPU device, where the codes are in memory anyway."""
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else float("inf")


def put(array: np.ndarray, device: str) -> Tensor:
    """A copy on the device: torch must not share the caller's memory, which may be read-only."""
    return torch.from_numpy(np.array(array)).to(device)


class Rows:
    """An array with a row for each document: on the device if it fits there, else sent as it is asked for.

    Rows that only `decode` can decode are decoded by it and sent as float32.
    """

    def __init__(
        self, array: np.ndarray, device: str, decode: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        self.array: Any = array
        self.device, self.decode, self.held = device, decode, None
        if decode is None and array.nbytes <= SHARE * free_bytes(device):
            self.held = torch.empty(array.shape, dtype=put(array[:0], device).dtype, device=device)
            for first in range(0, len(array), BLOCK_ROWS):
                self.held[first : first + BLOCK_ROWS] = put(array[first : first + BLOCK_ROWS], device)
            self.array = self.held

    def __getitem__(self, places: slice | Tensor) -> Tensor:
        """The rows from one number to before another, or those whose numbers (c,) are given."""
        if self.held is not None:
            return self.held[places]
        rows = self.array[places if isinstance(places, slice) else places.cpu().numpy()]
        return put(rows if self.decode is None else self.decode(rows), self.device)


@dataclass
class DeviceCodes:
    """Documents as rows (columns,) and queries as such columns: scores are their products and a constant of the query.

    Attributes
    ----------
    rows : bytes of each document; `numbers` (n, 2) float32, factor and offset of each, None: 1 and 0.
    decode : bytes and numbers of some rows → (rows, columns) float32; under euclidean similarity what codes decode to.
    ask : Z (m, r) → (m, columns) and constants (m,).
    narrow : their values in a narrow type, if they have one and the device multiplies it.
    """

    rows: Rows
    decode: Callable[[Tensor, Tensor | None], Tensor]
    numbers: Rows | None = None
    ask: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] = lambda Z: (Z, np.zeros(len(Z), np.float32))
    narrow: Narrow | None = None

    def __getitem__(self, places: slice | Tensor) -> Tensor:
        """(c, columns) float32 of some documents."""
        return self.decode(self.rows[places], None if self.numbers is None else self.numbers[places])

    @property
    def nbytes(self) -> int:
        return int(self.rows.array.nbytes + (0 if self.numbers is None else self.numbers.array.nbytes))


def device_codes(tier: Tier, codes: np.ndarray, device: str) -> DeviceCodes:
    """The codes (n, code_bytes) of a tier for a device; decoded here, a block at a time, if nothing says how else."""
    part, by_sums = tier.quantizer, tier.similarity != "euclidean"
    found = DeviceCodes(Rows(codes, device, tier.decode), lambda rows, _: rows)
    if not len(codes) or tier.spec.centred:
        return found
    if (plain := part.plain_code()) is not None:
        found = _of_numbers(plain, codes, device)
    elif (code := part.summed_code()) is not None:
        found = _of_sums(code, codes, device, by_sums)
    elif (look_up := _whole_bytes(part, device)) is not None:
        found = DeviceCodes(Rows(codes, device), lambda rows, _: look_up(rows))
    if found.narrow is not None and not (by_sums and found.narrow.multiplies(found)):
        found.narrow = None
    return found


def _of_numbers(plain: PlainCode, codes: np.ndarray, device: str) -> DeviceCodes:
    kind, low, step = getattr(torch, plain.type), put(plain.low, device), put(plain.step, device)
    moved = bool((low != 0).any() or (step != 1).any() or plain.scale != 1)

    def decode(rows: Tensor, _: Tensor | None) -> Tensor:
        values = rows.view(kind).float()
        return low + step * (values / plain.scale) if moved else values

    found = DeviceCodes(Rows(codes, device), decode)
    if kind == torch.uint8:
        found.narrow = Narrow(torch.int8, lambda rows: (rows ^ 128).view(torch.int8), step, low + 128 * step)
    elif kind.itemsize == 1:
        found.narrow = Narrow(kind, lambda rows: rows.view(kind), step / plain.scale, low)
    return found


def _whole_bytes(part: FittedQuantizer, device: str) -> Operand | None:
    """Bytes (n, b) → (n, r) float32 for product codes, whose bytes give coordinates of their own, and for sums of
    codewords of a byte each; None for others."""
    table, additive = part.table_code(), part.additive_code()
    if table is not None and table.bits in (4, 8):
        parts, count, width = table.centroids.shape
        each = 8 // table.bits
        whole = np.zeros((-(-parts // each), LEVELS, each, width), np.float32)
        for one, centroids in enumerate(table.centroids):
            whole[one // each, :, one % each] = centroids[np.arange(LEVELS) >> table.bits * (one % each) & (count - 1)]
        tables = put(whole.reshape(len(whole) * LEVELS, -1), device)
        return lambda rows: looked_up(rows, tables)[:, : parts * width]
    if additive is None or additive.lengths is not None or (additive.bits != 8).any() or additive.places.any():
        return None
    words, constant = put(additive.tables, device).flatten(0, 1), put(additive.constant, device)
    return lambda rows: functional.embedding_bag(_entries(rows), words, mode="sum") + constant


def _entries(rows: Tensor) -> Tensor:
    """Where each byte (n, b) stands in tables one after another."""
    return rows.int() + torch.arange(rows.shape[1], dtype=torch.int32, device=rows.device) * LEVELS


def looked_up(rows: Tensor, tables: Tensor) -> Tensor:
    """Bytes (n, b) and the tables (b · 256, w) of each → (n, b · w)."""
    entries = _entries(rows)
    parts = tables.split(max(1, PART_BYTES // tables.element_size()), dim=1)
    return _beside([part.contiguous()[entries] for part in parts]).flatten(1)


def _beside(parts: list[Tensor]) -> Tensor:
    """Joined along the last dimension; one alone as it is, uncopied."""
    return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def coordinates(cells: Cells, values: np.ndarray, device: str) -> tuple[Operand, np.ndarray]:
    """Cells (n, cells) → the values (n, c) of their levels, of any type, by `values` (r, 256); and the coordinates that
    have bits (c,), cell by cell: columns are cheaper to order in the queries."""
    counts, groups = np.bincount(cells.cell[cells.cell >= 0], minlength=cells.count), []
    order = [np.zeros(0, np.int64)]
    for width in np.unique(counts[counts > 0])[::-1]:
        mine = np.flatnonzero(counts == width)
        places = np.stack([np.flatnonzero(cells.cell == cell) for cell in mine])[:, None]
        masks = (1 << cells.code.bits[places].astype(int)) - 1
        tables = values[places, np.arange(LEVELS)[:, None] >> cells.shift[places] & masks].reshape(-1, width)
        groups.append((slice(None) if len(mine) == cells.count else put(mine, device), put(tables, device)))
        order.append(places.ravel())

    def decode(rows: Tensor) -> Tensor:
        return _beside([looked_up(rows[:, mine], tables) for mine, tables in groups])

    return decode, np.concatenate(order)


def _of_sums(code: SummedCode, codes: np.ndarray, device: str, by_sums: bool) -> DeviceCodes:
    """The cells of the codes; without `by_sums` rows are what they decode to, products with the unit vectors.

    With it columns are the coordinates that have bits, 1 for the sum of all others, and the offset."""
    cells = Cells.of(code, codes)
    values, order = coordinates(cells, code.tables, device)
    scales = None if code.blocks is None else put(code.blocks.values, device)
    rest = np.flatnonzero(cells.cell < 0)
    fixed, places = put(code.tables[:, 0], device), put(order, device)
    basis = [put(array, device) for array in code.ask(np.eye(len(code.bits), dtype=np.float32))]
    straight = bool((basis[0] == torch.eye(len(code.bits), device=device)).all())
    assert code.blocks is None or (order == np.arange(len(code.bits))).all()

    def decode(rows: Tensor, numbers: Tensor | None) -> Tensor:
        out = values(rows[:, : cells.count])
        if scales is not None and code.blocks is not None:
            out *= scales[rows[:, cells.count :].int()].repeat_interleave(code.blocks.size, 1)[:, : out.shape[1]]
        if by_sums:
            out = _with_one(out) if len(rest) else out
            return out if numbers is None else torch.cat([out * numbers[:, :1], numbers[:, 1:]], 1)
        whole = fixed.repeat(len(rows), 1)
        whole[:, places] = out
        if numbers is not None:
            whole *= numbers[:, :1]
        whole = basis[2] + (whole if straight else whole @ basis[0].T)
        return whole if numbers is None else whole + numbers[:, 1:] * basis[1]

    def ask(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights, along, constant = code.ask(Z)
        others = [weights[:, rest] @ code.tables[rest, 0]] if len(rest) else []
        return np.column_stack([weights[:, order], *others, *([along] if len(cells.numbers) else [])]), constant

    found = DeviceCodes(Rows(cells.by_row(), device), decode)
    if len(cells.numbers):
        found.numbers = Rows(cells.numbers, device)
    if not by_sums:
        return found
    found.ask = ask
    if code.blocks is None and (even := evenly_spaced(code)) is not None:
        units, step, middle = even
        operand, _ = coordinates(cells, units, device)
        one = np.ones(min(1, len(rest)), np.float32)
        step, middle = np.append(step[order], one), np.append(middle[order], 0 * one)
        of_rows = (lambda rows: _with_one(operand(rows))) if len(rest) else operand
        found.narrow = Narrow(torch.int8, of_rows, put(step, device), put(middle, device))
    return found


def _with_one(columns: Tensor) -> Tensor:
    return torch.cat([columns, torch.ones_like(columns[:, :1])], 1)


def evenly_spaced(code: SummedCode) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Whole numbers (r, 256) int8, steps and middles (r,), of which levels are middle + step · number; None if they are
    not evenly spaced. Signs are −1 and 1."""
    bits = code.bits.astype(np.int64)[:, None]
    level, last = np.arange(LEVELS)[None], (1 << bits) - 1
    units = np.where(bits == 8, level - 128, np.where(level <= last, 2 * level - last, 0))
    low, high = code.tables[:, :1], np.take_along_axis(code.tables, last, 1)
    step = (high - low) / np.maximum(np.where(bits == 8, 255, 2 * last), 1)
    middle = low - step * units[:, :1]
    apart = np.abs(middle + step * units - code.tables) > 1e-3 * np.abs(step)
    if (apart & (level <= last)).any():
        return None
    return units.astype(np.int8), step[:, 0].astype(np.float32), middle[:, 0].astype(np.float32)


class Narrow:
    """Documents of which `operand` makes values of int8 or an 8-bit float: coordinates are middle + step · value.

    A query is the sum of two digits of the type, each with a size; both are rows of one product. What rounding leaves
    bounds the error, by Cauchy and Schwarz.
    """

    def __init__(self, kind: torch.dtype, operand: Operand, step: Tensor, middle: Tensor) -> None:
        self.kind, self.operand, self.step, self.middle = kind, operand, step, middle
        self.radius = 0.0  # the length of the longest row, times its factor

    def multiplies(self, codes: DeviceCodes) -> bool:
        """Whether the device has these products, and they are right; measures the longest row."""
        for first in range(0, len(codes.rows.array), BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            lengths = self.operand(codes.rows[part]).float().norm(dim=1)
            lengths = lengths if codes.numbers is None else lengths * codes.numbers[part][:, 0].abs()
            self.radius = max(self.radius, float(lengths.max()))
        exact = codes[slice(0, MIN_ROWS)]
        A = put(np.random.default_rng(0).standard_normal((2, exact.shape[1]), np.float32), codes.rows.device)
        try:
            rough = self.ask(A, codes)
            found = rough.base + rough.unit * rough.products(0, len(exact))
        except RuntimeError:  # 8-bit floats need a GPU of compute capability 8.9
            return False
        expected = A @ exact.T
        return bool(((found - expected).abs() <= rough.error + 1e-5 * expected.abs().max()).all())

    def ask(self, A: Tensor, codes: DeviceCodes) -> Rough:
        """The products of the queries A (m, columns)."""
        weights, along = (A, None) if codes.numbers is None else (A[:, :-1], A[:, -1:])
        digit, top = (torch.int8, 127.0) if self.kind == torch.int8 else (torch.float8_e4m3fn, 448.0)
        rest, digits, sizes = weights * self.step, [], []
        for _ in range(2):
            size = rest.abs().amax(1, keepdim=True) / top
            size = torch.where(size > 0, size, 1)
            whole = (rest / size).clamp(-top, top)
            digits.append((whole.round() if digit == torch.int8 else whole).to(digit))
            sizes.append(size)
            rest = rest - size * digits[-1].float()
        asked, one = _padded(torch.cat(digits), MIN_ROWS), torch.ones((), device=A.device)
        (large, unit), base = sizes, weights @ self.middle.expand(weights.shape[1])[:, None]
        ratio = large / unit

        def products(first: int, last: int) -> Tensor:
            X = _padded(self.operand(codes.rows[first:last]), ODD).T
            if digit == torch.int8:
                product = torch._int_mm(asked, X)
            else:
                product = torch._scaled_mm(asked, X, scale_a=one, scale_b=one, out_dtype=torch.float32)
            high, low = product[: 2 * len(A), : last - first].split(len(A))
            out = high * ratio
            out += low
            if codes.numbers is not None and along is not None:
                factor, offset = codes.numbers[first:last].T
                out += base / unit
                out *= factor
                out += along / unit * offset
            return out

        error = self.radius * (rest.norm(dim=1) + ROUNDING * (weights * self.step).norm(dim=1))
        return Rough(products, unit, base if along is None else torch.zeros_like(base), error[:, None])


@dataclass(frozen=True)
class Rough:
    """Scores of m queries nearly: base + unit · products(first row, last row), which err by at most `error`; the rest
    (m, 1) is the same for all rows, so that the largest products are the best."""

    products: Products
    unit: Tensor
    base: Tensor
    error: Tensor


def _padded(X: Tensor, multiple: int) -> Tensor:
    """X (n, r) of a type of one byte, with zeros up to multiples of `multiple` rows and of `ODD` columns."""
    X = X.contiguous()
    if not X.shape[1] % ODD and not X.shape[0] % multiple:
        return X
    return functional.pad(X.view(torch.int8), (0, -X.shape[1] % ODD, 0, -X.shape[0] % multiple)).view(X.dtype)
