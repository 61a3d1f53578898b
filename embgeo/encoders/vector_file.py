"""Reading arrays from files that strangers made: nothing is unpickled, and no size is believed before it is checked."""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from embgeo.errors import DataError
from embgeo.files.tensors import map_tensor, read_header

TENSOR_DTYPES = ("F16", "F32", "F64", "BF16", "U8")
ID_KEYS = ("doc_ids", "query_ids")


def read_npy(path: Path) -> dict[str, np.ndarray]:
    """The array of a .npy file as a read-only memory map."""
    with _malformed(path, ".npy"):
        with path.open("rb") as file:
            shape, dtype = _npy_header(file, path, "the array")
            left = path.stat().st_size - file.tell()
        _check_size(path, "the array", shape, dtype, left)
        if 0 in shape:  # nothing to map
            return {"": np.empty(shape, dtype)}
        return {"": np.load(path, mmap_mode="r", allow_pickle=False)}


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, in memory; an array larger than its archive entry says is refused before reading."""
    arrays = {}
    with _malformed(path, ".npz"), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as file:
                shape, dtype = _npy_header(file, path, name)
                _check_size(path, name, shape, dtype, info.file_size - file.tell())
            with archive.open(info) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a .safetensors file as read-only memory maps; ids decoded from JSON, bfloat16 widened."""
    from safetensors import SafetensorError, safe_open

    with _malformed(path, ".safetensors"):
        try:
            # its own reader checks header, offsets and sizes; the tensors are then mapped, not read
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        metadata, tensors = read_header(path)
        arrays = {}
        for name, tensor in tensors.items():
            if tensor.dtype not in TENSOR_DTYPES:
                known = ", ".join(TENSOR_DTYPES)
                raise DataError(f"tensor {name!r} in {path} must be one of {known}; got {tensor.dtype}")
            X = map_tensor(path, tensor)
            # NumPy does not take bfloat16 for a float: nothing downstream could tell it from a record
            arrays[name] = X.astype(np.float32) if tensor.dtype == "BF16" else X
        for key in ID_KEYS:
            if key in arrays:
                arrays[key] = _json_ids(path, key, arrays[key].tobytes())
            elif key in metadata:
                arrays[key] = _json_ids(path, key, metadata[key].encode())
        return arrays


def _npy_header(file: IO[bytes], path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} is not read")
    if dtype.hasobject:
        plain = f"{name}.astype(str)" if name in ID_KEYS else "numpy.array(X.tolist(), numpy.float32)"
        raise DataError(f"{name} in {path} must not be Python objects (they would be unpickled); save {plain} instead")
    return shape, dtype


def _check_size(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype, found: int) -> None:
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed != found:
        raise ValueError(f"{name} says it has {needed} bytes (shape {shape}, {dtype}), the file has {found}")


def _json_ids(path: Path, key: str, data: bytes) -> np.ndarray:
    ids = json.loads(data.decode("utf-8"))
    if not isinstance(ids, list) or not all(isinstance(name, str | int) for name in ids):
        raise DataError(f"{key} in {path} must be a JSON list of strings or integers")
    return np.array([str(name) for name in ids], dtype=np.str_)


@contextlib.contextmanager
def _malformed(path: Path, kind: str) -> Iterator[None]:
    """Whatever a malformed file makes the readers raise, as one `DataError`."""
    try:
        yield
    except DataError:
        raise
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied") from None
    except Exception as error:
        # broad on purpose: NumPy's header parser alone raises six kinds on damaged bytes (found by hypothesis)
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not a whole {kind} file: {line[:200]}") from error
