"""The header of a safetensors file: written, read, and its tensors mapped without being read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

_INTEGERS = {"U8": "|u1", "U16": "<u2", "U64": "<u8", "I32": "<i4", "I64": "<i8"}
_FLOATS = {"BF16": ml_dtypes.bfloat16, "F16": "<f2", "F32": "<f4", "F64": "<f8"}
DTYPES: Mapping[str, np.dtype] = {name: np.dtype(dtype) for name, dtype in {**_INTEGERS, **_FLOATS}.items()}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Tensor:
    """The location of a tensor: `dtype` by the format's name, bytes `begin` … `end` − 1 of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def file_header(
    tensors: Iterable[tuple[str, np.dtype, tuple[int, ...]]], metadata: Mapping[str, str]
) -> tuple[bytes, int]:
    """The header (8-byte length included) of a file of these (name, dtype, shape), and the number of bytes after it.

    The header is padded to a multiple of 8 bytes, so that 8-byte numbers after it are aligned.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    at = 0
    for name, dtype, shape in tensors:
        size = _size(dtype, shape)
        header[name] = {"dtype": _NAMES[dtype], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, at


def read_header(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors by name. `map_tensor` checks the sizes; a malformed header raises ValueError,
    LookupError, TypeError or AttributeError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= path.stat().st_size - 8:
            raise ValueError("its header does not fit the file")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if begin < 0:
            raise ValueError("a tensor lies outside the file")
        tensors[name] = Tensor(entry["dtype"], tuple(entry["shape"]), 8 + length + begin, 8 + length + end)
    return metadata, tensors


def map_tensor(path: Path, tensor: Tensor) -> np.ndarray:
    """The tensor as a read-only memory map; raises ValueError unless its shape, dtype and offsets fit the file."""
    dtype = DTYPES.get(tensor.dtype)
    if dtype is None:
        raise ValueError(f"a tensor must be one of {', '.join(DTYPES)}; got {tensor.dtype}")
    size = _size(dtype, tensor.shape)
    if tensor.end - tensor.begin != size or tensor.end > path.stat().st_size:
        raise ValueError("a tensor lies outside the file")
    if size == 0:
        return np.empty(tensor.shape, dtype)
    return np.memmap(path, dtype, "r", offset=tensor.begin, shape=tensor.shape)


def _size(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    return dtype.itemsize * math.prod(shape)
