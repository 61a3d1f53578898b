"""The container: exact bytes, readable by safetensors itself, and a clear refusal of anything else."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from embgeo.compression.codecs.codec import Codec, Tier, fit_codec
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.quantizers.casts import FittedCast
from embgeo.compression.codecs.quantizers.itq import haar_rotation
from embgeo.compression.codecs.reducers.structured_projection import FittedStructured
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search import store as module
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import load_store, predicted_file_bytes, write_store
from embgeo.embeddings import normalise
from embgeo.errors import EmbgeoError, RunFormatError, StorageError

N, D = 30, 16
IDS = [f"doc-{row}" for row in range(N)]
X = normalise(np.random.default_rng(0).standard_normal((N, D)).astype(np.float32))


def codec_of(text: str, similarity: str = "cosine") -> Codec:
    return fit_codec(parse(text), Training(X, similarity))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "store.safetensors"
    codec = codec_of("pcac8,int8")
    write_store(path, codec, [codec.encode(X)], IDS)
    return path


def header_of(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    return json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Put another header before the same data."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header = change(header) or header
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def codec_changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    def through(header: dict[str, Any]) -> None:
        codec = json.loads(header["__metadata__"]["codec"])
        change(codec)
        header["__metadata__"]["codec"] = json.dumps(codec)

    rewritten(path, through)


def resigned(path: Path) -> None:
    """Recompute the checksum after a change, as the writer of that version did."""
    with safe_open(path, framework="numpy") as file:
        state = {n.removeprefix("state."): file.get_tensor(n) for n in file.keys() if n.startswith("state.")}  # noqa: SIM118

    def sign(header: dict[str, Any]) -> None:
        metadata = header["__metadata__"]
        metadata["codec_sha256"] = module._checksum(metadata["codec"], state)

    rewritten(path, sign)


# ---- bytes ----------------------------------------------------------------------------------------------------------


def test_safetensors_itself_opens_the_store(good: Path) -> None:
    codec = codec_of("pcac8,int8")
    with safe_open(good, framework="numpy") as file:
        assert set(file.keys()) == {"codes", "ids", "id_ends", *(f"state.{name}" for name in codec.state)}
        np.testing.assert_array_equal(file.get_tensor("codes"), codec.encode(X))
        assert bytes(file.get_tensor("ids")).decode() == "".join(IDS)
        assert file.metadata()["embgeo_store"] == "1"


def test_float_tensors_are_aligned(good: Path) -> None:
    raw = good.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    for name, entry in header_of(good).items():
        if name != "__metadata__":
            width = {"F32": 4, "U64": 8, "U8": 1}[entry["dtype"]]
            assert (start + entry["data_offsets"][0]) % width == 0, name


@pytest.mark.parametrize("ids", [["a", "b"], ["", "é"], ["\udcff", "x" * 5000], ["日本", "\u0000"]])
def test_any_ids_come_back_and_cost_what_was_predicted(ids: list[str], tmp_path: Path) -> None:
    codec = codec_of("int4")
    path = tmp_path / "s.safetensors"
    write_store(path, codec, [codec.encode(X[:2])], ids)
    assert list(load_store(path).doc_ids) == ids
    total = sum(len(name.encode("utf-8", "surrogatepass")) for name in ids)
    assert path.stat().st_size == predicted_file_bytes(codec, 2, total)


def test_loaded_codes_stay_on_disk(good: Path) -> None:
    assert isinstance(load_store(good).codes, np.memmap)


def test_blocks_are_taken_one_after_another(tmp_path: Path) -> None:
    """A store is never held whole: the next block is requested once the last one is in the file."""
    codec, alive = codec_of("int8"), []

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, N, 7):
            alive.append(start)
            yield codec.encode(X[start : start + 7])

    write_store(tmp_path / "s.safetensors", codec, blocks(), IDS)
    assert alive == [0, 7, 14, 21, 28]
    np.testing.assert_array_equal(load_store(tmp_path / "s.safetensors").codes, codec.encode(X))


def test_codes_for_fewer_rows_than_ids_are_refused_and_nothing_stays(tmp_path: Path) -> None:
    codec = codec_of("int8")
    with pytest.raises(ValueError, match="29 rows for 30 ids"):
        write_store(tmp_path / "s.safetensors", codec, [codec.encode(X[:-1])], IDS)
    assert list(tmp_path.iterdir()) == []


# ---- stores of 0.1.0 ------------------------------------------------------------------------------------------------


def test_a_store_with_a_dense_rotation_is_searched_as_it_was(tmp_path: Path) -> None:
    """0.1.0 stored the matrix of `rot` and of `grp` under the kind that PCA still has."""
    for text, columns in (("rot,int4", D), ("grp5,int4", 5)):
        spec, matrix = parse(text), np.ascontiguousarray(haar_rotation(D, 0)[:, :columns])
        Z = X @ matrix
        quantizer = spec.quantizer.fit(Z, Training(Z, "cosine"))
        old = Codec(spec, (Tier(spec, "cosine", (Linear(matrix),), quantizer, N),))
        assert old.manifest()["parts"][0] == {"kind": "Linear", "mean": None}
        path = tmp_path / "s.safetensors"
        write_store(path, old, [old.encode(X)], IDS)
        store = load_store(path)
        assert store.codec.state_bytes == 4 * (D * columns + 2 * columns)
        np.testing.assert_array_equal(store.codec.encode(X), store.codes)
        exact = Z @ quantizer.decode(store.codes).T
        scores, rows = build_searcher(store.codec, store.codes).search(X[:4], 3)
        np.testing.assert_array_equal(rows, np.argsort(-exact[:4], axis=1)[:, :3])
        np.testing.assert_allclose(scores, -np.sort(-exact[:4], axis=1)[:, :3], atol=1e-6)


def test_a_store_with_four_rounds_of_signs_is_searched_as_it_was(tmp_path: Path) -> None:
    """0.1.0 wrote `srp` with four rounds and dealt no coordinates; it did not say so."""
    spec = parse("srp13,f32")
    wide = normalise(np.random.default_rng(1).standard_normal((N, 13)).astype(np.float32))
    signs = np.random.default_rng(2).integers(0, 256, (4, 2), dtype=np.uint8)
    turned = np.array(wide, np.float64)
    hadamard = np.array([[1]])
    while len(hadamard) < 8:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    for number, row in enumerate(signs):
        turned *= 1 - 2.0 * np.unpackbits(row, count=13, bitorder="little")
        part = slice(0, 8) if number % 2 == 0 else slice(5, 13)
        turned[:, part] = turned[:, part] @ hadamard / np.sqrt(8)
    codec = Codec(spec, (Tier(spec, "cosine", (FittedStructured(13, 13, signs),), FittedCast("f32", 13), N),))
    path = tmp_path / "s.safetensors"
    write_store(path, codec, [np.ascontiguousarray(turned, np.float32).view(np.uint8)], IDS)
    codec_changed(path, lambda facts: facts["parts"][0].pop("dealt"))
    resigned(path)
    store = load_store(path)
    np.testing.assert_allclose(store.codec.tiers[0].reduce(wide), turned, atol=1e-6)
    assert (build_searcher(store.codec, store.codes).search(wide, 1)[1][:, 0] == np.arange(N)).all()


# ---- a disk that is full, a folder that is closed -------------------------------------------------------------------


class FullDisk(io.FileIO):
    """Takes 1,000 bytes, then has no space left."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_a_full_disk_leaves_the_old_store_and_nothing_else(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = good.read_bytes()
    real = Path.open

    def opened(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        return FullDisk(str(self), "x+") if "x" in mode else real(self, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", opened)
    codec = codec_of("f32")
    with pytest.raises(StorageError, match="No space left on device"):
        write_store(good, codec, [codec.encode(X)], IDS)
    monkeypatch.undo()
    assert good.read_bytes() == before
    assert [path.name for path in good.parent.iterdir()] == [good.name]


def test_a_failed_flush_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", fail)
    codec = codec_of("int8")
    with pytest.raises(StorageError, match="quota"):
        write_store(tmp_path / "s.safetensors", codec, [codec.encode(X)], IDS)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    codec = codec_of("int8")
    with pytest.raises(StorageError, match="gone"):
        write_store(tmp_path / "gone" / "s.safetensors", codec, [codec.encode(X)], IDS)


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.safetensors"):
        load_store(tmp_path / "none.safetensors")


# ---- hostile files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_store_is_refused(good: Path, share: float) -> None:
    raw = good.read_bytes()
    good.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(RunFormatError, match="damaged"):
        load_store(good)


@pytest.mark.parametrize("length", [0, 2**20, 2**31, 2**63, 2**64 - 1])
def test_a_header_that_does_not_fit_is_refused(good: Path, length: int) -> None:
    raw = good.read_bytes()
    good.write_bytes(struct.pack("<Q", length) + raw[8:])
    with pytest.raises(RunFormatError, match="header"):
        load_store(good)


@pytest.mark.parametrize(
    "text", [b"\xff" * 64, b"[1, 2]", b'"x"', b"{}", b"null", b"[" * 100_000, b'{"__metadata__":3}']
)
def test_an_invalid_header_is_refused(good: Path, text: bytes) -> None:
    good.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(RunFormatError):
        load_store(good)


ENTRIES = {
    "negative offset": {"data_offsets": [-8, N * 8 - 8]},
    "offsets reversed": {"data_offsets": [N * 8, 0]},
    "beyond the end": {"data_offsets": [10**9, 10**9 + N * 8]},
    "size and shape disagree": {"shape": [N, 9]},
    "negative shape": {"shape": [-N, -8]},
    "shape of 2^70": {"shape": [2**70]},
    "product that overflows": {"shape": [2**32, 2**32]},
    "shape of fractions": {"shape": [N + 0.5]},
    "shape is no list": {"shape": 7},
    "unknown dtype": {"dtype": "F7"},
    "dtype is a list": {"dtype": ["U8"]},
    "no offsets": {"data_offsets": None},
    "offsets of text": {"data_offsets": ["0", "8"]},
    "three offsets": {"data_offsets": [0, 1, 2]},
}


@pytest.mark.parametrize("tensor", ["codes", "ids", "id_ends", "state.0.matrix"])
@pytest.mark.parametrize("fault", ENTRIES)
def test_an_inconsistent_tensor_is_refused(good: Path, tensor: str, fault: str) -> None:
    rewritten(good, lambda header: header[tensor].update(ENTRIES[fault]))
    with pytest.raises(RunFormatError, match="damaged"):
        load_store(good)


@pytest.mark.parametrize("tensor", ["codes", "ids", "id_ends", "state.0.matrix", "state.1.low"])
def test_a_missing_tensor_is_refused(good: Path, tensor: str) -> None:
    rewritten(good, lambda header: header.pop(tensor) and None)
    with pytest.raises(RunFormatError, match="damaged"):
        load_store(good)


@pytest.mark.parametrize("ends", [[5, 3], [10**6], [2**64 - 1]], ids=["falling", "beyond", "huge"])
def test_a_damaged_id_table_is_refused(good: Path, ends: list[int]) -> None:
    raw = bytearray(good.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little") + header_of(good)["id_ends"]["data_offsets"][0]
    values = np.array(ends, "<u8").tobytes()
    raw[start : start + len(values)] = values
    good.write_bytes(bytes(raw))
    with pytest.raises(RunFormatError, match="id table"):
        load_store(good)


def test_ids_that_are_not_utf8_are_refused(good: Path) -> None:
    raw = bytearray(good.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little") + header_of(good)["ids"]["data_offsets"][0]
    raw[start : start + 2] = b"\xff\xfe"
    good.write_bytes(bytes(raw))
    with pytest.raises(RunFormatError, match="damaged"):
        load_store(good)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.ones((3, 3), np.float32)}, path)
    with pytest.raises(RunFormatError, match="not an embgeo store"):
        load_store(path)
    save_file({"weight": np.ones((3, 3), np.float32)}, path, metadata={"format": "pt"})
    with pytest.raises(RunFormatError, match="not an embgeo store"):
        load_store(path)


def test_a_newer_store_asks_for_an_upgrade(good: Path) -> None:
    rewritten(good, lambda header: header["__metadata__"].update(embgeo_store="2"))
    with pytest.raises(RunFormatError, match=r"format 2.*Upgrade embgeo"):
        load_store(good)


FLIPS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another similarity": lambda codec: codec.update(similarity="euclidean"),
    "no similarity": lambda codec: codec.update(similarity="cosin"),
    "another spec": lambda codec: codec.update(spec="pcac8,int4"),
    "no spec": lambda codec: codec.update(spec="pcac8,int9"),
    "spec is a number": lambda codec: codec.update(spec=8),
    "rows are text": lambda codec: codec.update(fit_rows="many"),
    "parts gone": lambda codec: codec.pop("parts"),
    "no parts": lambda codec: codec.update(parts=[]),
    "reducer gone": lambda codec: codec["parts"].pop(0),
    "parts swapped": lambda codec: codec["parts"].reverse(),
    "unknown kind": lambda codec: codec["parts"][1].update(kind="Os"),
    "other kind": lambda codec: codec["parts"][1].update(kind="FittedSigns"),
    "bits": lambda codec: codec["parts"][1].update(bits=7),
    "bits are text": lambda codec: codec["parts"][1].update(bits="8"),
    "extra field": lambda codec: codec["parts"][1].update(low=3),
}


@pytest.mark.parametrize("flip", FLIPS)
def test_a_flipped_codec_is_refused(good: Path, flip: str) -> None:
    codec_changed(good, FLIPS[flip])
    with pytest.raises(RunFormatError):
        load_store(good)


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_byte_gives_a_store_or_a_typed_error(good: Path, seed: int) -> None:
    """Anywhere before the codes: never another exception, never a codec that cannot decode."""
    raw = bytearray(good.read_bytes())
    rng = np.random.default_rng(seed)
    at = int(rng.integers(0, 8 + int.from_bytes(raw[:8], "little")))
    raw[at] ^= 1 << int(rng.integers(0, 8))
    good.write_bytes(bytes(raw))
    try:
        store = load_store(good)
    except EmbgeoError:
        return
    assert store.codec.decode(np.asarray(store.codes)).shape == (N, 8)
