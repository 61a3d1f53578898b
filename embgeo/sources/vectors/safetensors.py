"""safetensors: tensors memory-mapped, ids as JSON in the metadata or in a uint8 tensor, bfloat16 widened in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from embgeo.errors import DataError
from embgeo.files.tensors import map_tensor, read_header
from embgeo.sources.vector_files import ID_KEYS, vectors

DTYPES = ("F16", "F32", "F64", "BF16", "I8", "U8")


@vectors(".safetensors")
def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors by name as read-only memory maps."""
    from safetensors import safe_open

    # its own reader checks header, offsets and sizes; the tensors are then mapped, not read
    with safe_open(path, framework="numpy"):
        pass
    metadata, tensors = read_header(path)
    arrays = {}
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise DataError(f"tensor {name!r} in {path} must be one of {', '.join(DTYPES)}; got {tensor.dtype}")
        X = map_tensor(path, tensor)
        # NumPy does not treat bfloat16 as a float: later code could not distinguish it from a record
        arrays[name] = X.astype(np.float32) if tensor.dtype == "BF16" else X
    for key in ID_KEYS:
        if key in arrays:
            arrays[key] = _json_ids(path, key, arrays[key].tobytes())
        elif key in metadata:
            arrays[key] = _json_ids(path, key, metadata[key].encode())
    return arrays


def _json_ids(path: Path, key: str, data: bytes) -> np.ndarray:
    ids = json.loads(data.decode("utf-8"))
    if not isinstance(ids, list) or not all(isinstance(name, str | int) for name in ids):
        raise DataError(f"{key} in {path} must be a JSON list of strings or integers")
    return np.array([str(name) for name in ids], dtype=np.str_)
