"""Parquet: a column of lists, read batch by batch within its row groups; ids from a column `id`, `_id`, …"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.files.ids import Ids
from embgeo.files.rows import Opening, Rows
from embgeo.sources.columns import (
    BATCH_ROWS,
    column_dtype,
    id_column,
    matrix_of,
    open_parquet,
    parquet_ids,
    vector_column,
)
from embgeo.sources.vector_files import vectors


@vectors(".parquet", columns=True)
def read_parquet(path: Path, column: str) -> dict[str, Rows | Ids | str]:
    """The column named, or the only one of lists of floats; lists of fixed or of variable size, all equally long."""
    file = open_parquet(path)
    column = vector_column(file.schema_arrow, column, path)
    found: dict[str, Rows | Ids | str] = {"docs": ParquetRows(path, column, file)}
    if ids := id_column(file.schema_arrow):
        found |= {"doc_ids": parquet_ids(path), "ids_from": f"column {ids}"}
    return found


class ParquetRows(Rows):
    """The vectors of a column. A read goes on where the last one ended; an earlier row begins its row group anew.

    The file is open while a row group is being read; memory is a batch of rows and the pages that they lie in.
    """

    in_order = True

    def __init__(self, path: Path, column: str, file: Any) -> None:
        self._path, self._column = path, column
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._batches: Iterator[Any] = iter(())
        self._first, self._block = 0, np.empty((0, 0))
        kind = file.schema_arrow.field(column).type
        self.dtype, self.shape = column_dtype(kind), (file.metadata.num_rows, 0)
        if len(self):
            self.shape = (len(self), matrix_of(self._batch(0, 1), None, str(path), 0).shape[1])

    @classmethod
    def of(cls, path: Path, column: str) -> ParquetRows:
        """The column of this name."""
        return cls(path, column, open_parquet(path))

    def opening(self) -> Opening | None:
        return ParquetRows.of, (self._path.absolute(), self._column)

    def between(self, start: int, stop: int) -> np.ndarray:
        found = np.empty((stop - start, self.shape[1]), self.dtype)
        at = start
        while at < stop:
            self._seek(at)
            end = min(stop, self._first + len(self._block))
            found[at - start : end - start] = self._block[at - self._first : end - self._first]
            at = end
        return found

    def release(self) -> None:
        """Nothing: the last batch is needed if the next read begins within it."""

    def _seek(self, row: int) -> None:
        """Make the block that holds a row the current one."""
        after = self._first + len(self._block)
        if self._first <= row < after:
            return
        group = int(np.searchsorted(self._ends, row, "right"))
        begin = int(self._ends[group - 1]) if group else 0
        if row < after or after < begin or not len(self._block):
            groups = range(group, len(self._ends))
            self._batches = self._open(list(groups), BATCH_ROWS)
            after = begin
        while row >= after:
            batch = next(self._batches)
            self._first, self._block = after, matrix_of(batch.column(0), self.shape[1], str(self._path), after)
            after += len(self._block)
        if after == len(self):
            self._batches = iter(())  # closes the file

    def _open(self, groups: list[int], rows: int) -> Iterator[Any]:
        with open_parquet(self._path) as file:
            yield from file.iter_batches(rows, groups, columns=[self._column], use_threads=False)

    def _batch(self, group: int, rows: int) -> Any:
        return next(batch for batch in self._open(list(range(group, len(self._ends))), rows) if len(batch)).column(0)
