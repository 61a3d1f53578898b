"""The store: our own container for codes, state and ids, whose size is known before it is written.

The file is a safetensors file (any safetensors reader opens it) with the tensors

    codes        (n, code_bytes) uint8; of the tier that is searched
    rescore      (n, code_bytes) uint8; of the tier that rescores, only if the spec has one
    ids          (total id bytes,) uint8, the UTF-8 ids one after another
    id_ends      (n,) uint64, where each id ends
    state.*      the codec's arrays
    index.*      links or lists, only if the spec has an index (int32, uint8, uint64, float32)

and the metadata entries `embgeo_store` (format version), `codec` (JSON), `codec_sha256` (of that JSON and the state: a
codec with one flipped number would still decode, to other vectors) and, with an index, `index` (JSON). It is written in
row blocks, so that a memory-mapped corpus is never held in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import Codec, restore_codec
from embgeo.compression.codecs.part import Structure, restore
from embgeo.compression.search.searcher import metric_of
from embgeo.errors import RunFormatError, StorageError
from embgeo.files.atomic import replacing, storage_errors
from embgeo.files.digest import Digest
from embgeo.files.ids import PackedIds, as_ids
from embgeo.files.tensors import file_header, map_tensor, read_header

STORE_VERSION = 1


@dataclass(frozen=True)
class Store:
    """A store in memory (or memory-mapped).

    Attributes
    ----------
    codec : the frozen codec.
    codes : (n, code_bytes) uint8; both tiers concatenated if there are two.
    doc_ids : one id per row.
    structure : links or lists over the codes, or None.
    """

    codec: Codec
    codes: np.ndarray
    doc_ids: Sequence[str]
    structure: Structure | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def ids(self, rows: np.ndarray) -> list[str]:
        """The ids of these rows (k,), in their order."""
        return [self.doc_ids[row] for row in rows.tolist()]


def predicted_file_bytes(codec: Codec, rows: int, id_bytes: int, structure: Structure | None = None) -> int:
    """Exact size of the file that `write_store` writes for `rows` documents whose ids take `id_bytes` in UTF-8."""
    header, data = _layout(codec, rows, id_bytes, structure)
    return len(header) + data


def write_store(
    path: Path, codec: Codec, blocks: Iterable[np.ndarray], doc_ids: Sequence[str], structure: Structure | None = None
) -> int:
    """Write codes (row blocks in order), state, ids and links or lists; returns the bytes written.

    The file appears whole or not at all. Raises StorageError when the disk is full or the folder cannot be written,
    and ValueError when the blocks do not hold one row per id.
    """
    ids = as_ids(doc_ids)
    header, data_bytes = _layout(codec, len(ids), ids.encoded_bytes, structure)
    advice = "Free some space, or choose a writable folder with --out"
    with storage_errors("the store", path, advice), replacing(path) as file:
        file.write(header)
        # state first: float arrays stay aligned whatever the length of codes and ids
        for array in codec.state.values():
            file.write(np.ascontiguousarray(array).data)
        end = np.uint64(0)
        for _, sizes in ids.packed():
            ends = end + np.cumsum(sizes, dtype=np.uint64)
            file.write(ends.data)
            end = ends[-1]
        for array in _structure_arrays(structure).values():
            file.write(np.ascontiguousarray(array).data)
        start, rows = file.tell(), 0
        for block in blocks:
            for offset, part in _tiers(codec, block, start, len(doc_ids)):
                file.seek(offset + rows * part.shape[1])
                file.write(np.ascontiguousarray(part).data)
            rows += len(block)
        file.seek(start + len(doc_ids) * codec.code_bytes)
        for data, _ in ids.packed():
            file.write(np.ascontiguousarray(data).data)
        if rows != len(doc_ids):
            raise ValueError(f"the store needs one row of codes per id; got {rows} rows for {len(doc_ids)} ids")
    return len(header) + data_bytes


def load_store(path: Path) -> Store:
    """Open a store; codes stay memory-mapped. Raises RunFormatError for a damaged, foreign or newer file."""
    try:
        metadata, tensors = read_header(path)
        version = int(metadata["embgeo_store"])
        if version > STORE_VERSION:
            raise RunFormatError(
                f"{path} has store format {version}; this embgeo reads up to {STORE_VERSION}. Upgrade embgeo"
            )
        arrays = {name: map_tensor(path, tensor) for name, tensor in tensors.items()}
        state = {name.removeprefix("state."): np.array(a) for name, a in arrays.items() if name.startswith("state.")}
        if metadata["codec_sha256"] != _checksum(metadata["codec"], state):
            raise ValueError("its codec does not match its checksum")
        codec = restore_codec(json.loads(metadata["codec"]), state)
        ids = PackedIds(arrays["ids"], arrays["id_ends"])
        tiers = [arrays[name] for name, _ in _widths(codec)]
        codes = tiers[0] if len(tiers) == 1 else np.hstack(tiers)
        structure = _restored(metadata, arrays, codec, len(codes))
        if len(ids) != len(codes) or codes.shape[1:] != (codec.code_bytes,):
            raise ValueError("codes, ids and codec disagree")
    except RunFormatError:
        raise
    except OSError as error:
        raise StorageError(f"the store {path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise RunFormatError(f"{path} is not an embgeo store or is damaged: {error}. Run compress again") from error
    return Store(codec, codes, ids, structure)


def _structure_arrays(structure: Structure | None) -> dict[str, np.ndarray]:
    """The arrays of an index in the order of the file: wide numbers first, so that all stay aligned."""
    found = {} if structure is None else structure.state
    return dict(sorted(found.items(), key=lambda item: -item[1].dtype.itemsize))


def _restored(
    metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray], codec: Codec, rows: int
) -> Structure | None:
    """The structure that a store holds; ValueError, KeyError or TypeError if it does not belong to this codec."""
    if "index" not in metadata:
        return None
    held = {name.removeprefix("index."): array for name, array in arrays.items() if name.startswith("index.")}
    structure: Structure = restore(json.loads(metadata["index"]), held)
    structure.check(rows, codec.tiers[0].width)
    if structure.metric != metric_of(codec.similarity):
        raise ValueError(f"its index has metric {structure.metric}, its vectors are compared by {codec.similarity}")
    return structure


def _layout(codec: Codec, rows: int, id_bytes: int, structure: Structure | None = None) -> tuple[bytes, int]:
    """The header (8-byte length included) and the number of data bytes after it."""
    tensors: list[tuple[str, np.dtype, tuple[int, ...]]] = [
        *((f"state.{name}", array.dtype, array.shape) for name, array in codec.state.items()),
        ("id_ends", np.dtype(np.uint64), (rows,)),
        *((f"index.{name}", array.dtype, array.shape) for name, array in _structure_arrays(structure).items()),
        *((name, np.dtype(np.uint8), (rows, width)) for name, width in _widths(codec)),
        ("ids", np.dtype(np.uint8), (id_bytes,)),
    ]
    manifest = _manifest(codec)
    metadata = {"embgeo_store": str(STORE_VERSION), "codec": manifest, "codec_sha256": _checksum(manifest, codec.state)}
    if structure is not None:
        facts = {"kind": structure.kind, **structure.numbers}
        metadata["index"] = json.dumps(facts, separators=(",", ":"))
    return file_header(tensors, metadata)


def codec_checksum(codec: Codec) -> str:
    """SHA-256 of a codec, as its stores record it."""
    return _checksum(_manifest(codec), codec.state)


def _manifest(codec: Codec) -> str:
    return json.dumps(codec.manifest(), separators=(",", ":"))


def _checksum(manifest: str, state: Mapping[str, np.ndarray]) -> str:
    digest = Digest(manifest)
    for name in sorted(state):
        digest.add(name, np.ascontiguousarray(state[name]).tobytes())
    return digest.hex()


def _widths(codec: Codec) -> list[tuple[str, int]]:
    """Names and code bytes of the tensors that hold the tiers, in the order of the file."""
    return [(name, tier.code_bytes) for name, tier in zip(("codes", "rescore"), codec.tiers, strict=False)]


def _tiers(codec: Codec, block: np.ndarray, start: int, rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """(where its tensor begins, columns) of each tier of a block of codes."""
    at = 0
    for _, width in _widths(codec):
        yield start + at * rows, block[:, at : at + width]
        at += width
