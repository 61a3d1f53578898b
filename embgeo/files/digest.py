"""SHA-256, the only way in which embgeo decides that bytes are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from embgeo.files.mapped import release_pages

if TYPE_CHECKING:
    import numpy as np

    from embgeo.files.rows import Rows

BLOCK_BYTES = 1 << 24
BLOCK_ROWS = 16384


class Digest:
    """SHA-256 over what is added, in order; text counts as UTF-8 (lone surrogates as their three bytes)."""

    def __init__(self, *parts: str | bytes) -> None:
        self._hash = hashlib.sha256()
        self.add(*parts)

    def add(self, *parts: str | bytes) -> Digest:
        for part in parts:
            self._hash.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        return self

    def add_texts(self, texts: Iterable[str]) -> Digest:
        """Each text preceded by its length, so that different lists of texts give different bytes."""
        block, size = list[bytes](), 0
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            block += (b"%d\n" % len(data), data)
            size += len(data) + 1
            if size > 1 << 16:  # one call for many short ids
                self.add(b"".join(block))
                block, size = [], 0
        return self.add(b"".join(block))

    def add_rows(self, X: np.ndarray | Rows) -> Digest:
        """The bytes of an array (n, …) in row order, read in blocks; the pages of a memory map are released."""
        for start in range(0, len(X), BLOCK_ROWS):
            self.add(X[start : start + BLOCK_ROWS].tobytes())
            release_pages(X)
        return self

    def add_file(self, file: BinaryIO) -> Digest:
        """All bytes of an open file, from its beginning."""
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            self.add(block)
        return self

    def bytes(self) -> bytes:
        return self._hash.digest()

    def hex(self) -> str:
        return self._hash.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
