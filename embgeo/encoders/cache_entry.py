"""One entry of the encoding cache: shards while it grows, one matrix when it is whole.

    KEY/entry.json                what it holds, for people
    KEY/batches-F-L.shard         batches F … L−1 of the plan: SHA-256, then float32 rows in plan order
    KEY/vectors-SUM.npy           the finished matrix in row order
    KEY/finished.json             its name and SHA-256; written after it, so that it exists only when the matrix does

A file's checksum covers the entry's key too, so a file from another entry is refused.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embgeo.encoders.batch_plan import BatchPlan
from embgeo.files.atomic import publish, replacing, temporary_file, write_text
from embgeo.files.cache_folder import cache_errors, make_entry
from embgeo.files.digest import Digest

logger = logging.getLogger("embgeo")
SHARD = re.compile(r"batches-(\d+)-(\d+)\.shard")


class CacheEntry:
    """The folder of one (encoder, role, texts); methods never return bytes whose checksum they have not verified."""

    def __init__(self, folder: Path, plan: BatchPlan, dimension: int) -> None:
        self.folder = folder
        self.plan = plan
        self.dimension = dimension

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.plan.order), self.dimension

    def prepare(self, description: Mapping[str, Any]) -> None:
        """Create the folder, so that an unwritable location is detected before any work is done."""
        make_entry(self.folder)
        with cache_errors(self.folder):
            write_text(self.folder / "entry.json", json.dumps(description, indent=1, sort_keys=True))

    def write_shard(self, first: int, vectors: np.ndarray) -> None:
        """Keep the vectors of whole batches from `first` on, in plan order."""
        last = first + -(-len(vectors) // self.plan.batch_size)
        payload = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
        path = self.folder / f"batches-{first:08d}-{last:08d}.shard"
        with cache_errors(path), replacing(path) as file:
            file.write(self._shard_checksum(first, last, payload))
            file.write(payload)

    def shards(self) -> dict[Path, tuple[int, int]]:
        """Shard files → their (first, last) batch, ordered; the bytes are not verified here."""
        found = {}
        for path in sorted(self.folder.glob("batches-*.shard")):
            match = SHARD.fullmatch(path.name)
            if match and 0 <= int(match[1]) < int(match[2]) <= self.plan.batches:
                found[path] = (int(match[1]), int(match[2]))
        return found

    def missing_batches(self) -> list[int]:
        covered = {batch for first, last in self.shards().values() for batch in range(first, last)}
        return [batch for batch in range(self.plan.batches) if batch not in covered]

    def read_shard(self, path: Path, first: int, last: int) -> np.ndarray | None:
        """The rows of a shard; None, after removing the file with a warning, when its bytes are not those written."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        checksum, payload = data[:32], data[32:]
        rows = len(self.plan.rows(first, last))
        if checksum != self._shard_checksum(first, last, payload) or len(payload) != rows * self.dimension * 4:
            logger.warning("the cache shard %s is damaged; its %d texts are encoded again", path, rows)
            path.unlink(missing_ok=True)
            return None
        return np.frombuffer(payload, "<f4").reshape(rows, self.dimension)

    def assemble(self) -> bool:
        """Write the finished matrix from the shards; False when a shard was damaged or is gone."""
        with cache_errors(self.folder), temporary_file(self.folder) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            start, width = file.tell(), self.dimension * 4
            covered: set[int] = set()
            for path, (first, last) in self.shards().items():
                vectors = self.read_shard(path, first, last)
                if vectors is None:
                    return False
                # written, not mapped, so that a full disk raises an error and does not kill the process
                for row, vector in zip(self.plan.rows(first, last), vectors, strict=True):
                    _write_at(file.fileno(), vector.tobytes(), start + int(row) * width)
                covered.update(range(first, last))
            if len(covered) < self.plan.batches:
                return False
            checksum = self._checksum(file)
            matrix = f"vectors-{checksum[:16]}.npy"
            publish(file, self.folder / matrix)
            write_text(self.folder / "finished.json", json.dumps({"matrix": matrix, "sha256": checksum}))
        return True

    def drop_shards(self) -> None:
        for path in self.shards():
            path.unlink(missing_ok=True)

    def finished(self) -> np.ndarray | None:
        """The whole matrix as a read-only memory map, every byte checked.

        None when there is none, or when it is damaged; it is then removed with a warning.
        """
        note = self.folder / "finished.json"
        with cache_errors(self.folder):
            if not note.exists():
                return None
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                facts = json.loads(note.read_text("utf-8"))
                matrix = self.folder / Path(facts["matrix"]).name
                with matrix.open("rb") as file:
                    sound = self._checksum(file) == facts["sha256"]
                if sound:
                    vectors = np.load(matrix, mmap_mode="r", allow_pickle=False)
                    if vectors.shape == self.shape and vectors.dtype == np.float32:
                        return vectors
            logger.warning("the cached matrix in %s is damaged; its texts are encoded again", self.folder)
            note.unlink(missing_ok=True)
            for path in self.folder.glob("vectors-*.npy"):
                path.unlink(missing_ok=True)
        return None

    def _shard_checksum(self, first: int, last: int, payload: bytes) -> bytes:
        return Digest(f"{self.folder.name} {first} {last} {self.dimension}\n", payload).bytes()

    def _checksum(self, file: BinaryIO) -> str:
        return Digest(f"{self.folder.name}\n").add_file(file).hex()


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
