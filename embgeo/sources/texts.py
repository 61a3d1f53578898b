"""The texts beside the vectors of a store: which column holds them, and where they are while a run works."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, overload

import numpy as np

from embgeo.errors import DataError

TEXT_NAMES = ("text", "content", "document", "chunk", "page_content")


@dataclass(frozen=True)
class TextColumn:
    """Which column of a store holds its texts.

    Attributes
    ----------
    name : of the column; None finds it by itself, "" reads no texts.
    required : an unknown name is an error; otherwise the column is found as if none was named.
    """

    name: str | None = None
    required: bool = True

    def among(self, columns: Sequence[str], place: str) -> str:
        """The column to read, or "": the one named, else the only one of `columns` that is called as in `TEXT_NAMES`.

        Raises DataError that lists the columns of `place` if it has none of that name.
        """
        if self.name is not None and (not self.name or self.name in columns):
            return self.name
        if self.name is not None and self.required:
            raise DataError(f"{place} has no column of texts {self.name!r}; it has {', '.join(columns) or 'none'}")
        found = [name for name in columns if name.lower() in TEXT_NAMES]
        return found[0] if len(found) == 1 else ""


NO_TEXTS = TextColumn("")


class StoredTexts(Sequence[str]):
    """Texts in a file, one after another as UTF-8, so that those of a large corpus are not in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = array("q", [0])
        self._bytes: np.ndarray | None = None

    def extend(self, texts: Iterable[str | None]) -> None:
        """Append texts; None is ""."""
        for text in texts:
            written = self._file.write((text or "").encode("utf-8", "replace"))
            self._ends.append(self._ends[-1] + written)

    def close(self) -> None:
        """Map the file for reading; it needs no name and no handle any more."""
        self._file.flush()
        if self._ends[-1]:
            self._bytes = np.memmap(self._file, np.uint8, "r")

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        row = range(len(self))[row]  # a negative row, IndexError beyond the end
        start, end = self._ends[row], self._ends[row + 1]
        return "" if self._bytes is None else self._bytes[start:end].tobytes().decode("utf-8")
