"""Arrow files, and the folders of Hugging Face datasets (`save_to_disk`), memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.errors import DataError
from embgeo.files.ids import stacked_ids
from embgeo.files.mapped import release_pages
from embgeo.files.rows import Opening, Rows, StackedRows
from embgeo.sources.columns import arrow, column_dtype, id_column, ids_of, matrix_of, vector_column
from embgeo.sources.vector_files import vectors

Columns = Mapping[str, Any]
END = b"\xff\xff\xff\xff\0\0\0\0"


@vectors(".arrow", columns=True)
def read_arrow(path: Path, column: str) -> Columns:
    """The column named, or the only one of lists of floats, in a file of either Arrow format, not compressed."""
    docs, batches, ids = _opened(path, column)
    found: dict[str, Any] = {"docs": docs}
    if ids:
        batches = [batch.column(ids) for batch in batches]
        found |= {"doc_ids": ids_of(batches, f"column {ids} of {path}"), "ids_from": f"column {ids}"}
    docs.release()
    return found


def _opened(path: Path, column: str) -> tuple[MappedBatches, list[Any], str]:
    """The vectors, the record batches that hold rows, and the column of ids or ""."""
    pyarrow = arrow()
    mapped = np.memmap(path, np.uint8, "r")
    source = pyarrow.BufferReader(pyarrow.py_buffer(mapped))
    if mapped[:6].tobytes() == b"ARROW1":
        file = pyarrow.ipc.open_file(source)
        schema, batches = file.schema, [file.get_batch(number) for number in range(file.num_record_batches)]
    else:
        if mapped[-len(END) :].tobytes() != END:
            raise DataError(f"{path} is unfinished: it lacks the end of an Arrow stream")
        stream = pyarrow.ipc.open_stream(source)
        schema, batches = stream.schema, list(stream)
    column = vector_column(schema, column, path)
    batches = [batch for batch in batches if len(batch)]
    parts, rows = list[np.ndarray](), 0
    for batch in batches:
        X = matrix_of(batch.column(column), parts[0].shape[1] if parts else None, str(path), rows)
        if not 0 <= X.ctypes.data - mapped.ctypes.data < len(mapped):
            raise DataError(
                f"{path} is compressed, so it cannot be mapped; write it without compression, or as parquet"
            )
        parts.append(X)
        rows += len(X)
    empty = np.empty((0, 0), column_dtype(schema.field(column).type))
    docs = MappedBatches(mapped, parts or [empty], (path.absolute(), column))
    return docs, batches, id_column(schema)


@vectors("/state.json", columns=True, folder=True)
def read_dataset(path: Path, column: str) -> Columns:
    """A dataset in a folder that `Dataset.save_to_disk` wrote."""
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    if state.get("_indices_data_files"):
        raise DataError(f"{path} has an index mapping; save it again with flatten_indices()")
    parts = [read_arrow(path / one["filename"], column) for one in state["_data_files"]]
    parts = [part for part in parts if len(part["docs"])] or parts[:1]
    try:
        docs = StackedRows([part["docs"] for part in parts])
    except ValueError:
        raise DataError(f"the files of {path} hold vectors of several dimensions or dtypes") from None
    ids = [part["doc_ids"] for part in parts if "doc_ids" in part]
    return {**parts[0], "docs": docs, **({"doc_ids": stacked_ids(ids)} if ids else {})}


@vectors("/dataset_dict.json", columns=True, folder=True)
def read_dataset_dict(path: Path, column: str) -> Columns:
    """The only split in a folder that `DatasetDict.save_to_disk` wrote."""
    splits = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
    if len(splits) != 1:
        raise DataError(f"{path} holds the splits {', '.join(splits)}; name the folder of one, as {path / splits[0]}")
    return read_dataset(path / splits[0], column)


class MappedBatches(StackedRows):
    """The record batches of one mapped file, whose pages are released together; `place` is its path and column."""

    def __init__(self, mapped: np.ndarray, parts: list[np.ndarray], place: tuple[Path, str]) -> None:
        super().__init__(parts)
        self._mapped, self._place = mapped, place

    @classmethod
    def of(cls, path: Path, column: str) -> MappedBatches:
        """Those of the column of this name."""
        return _opened(path, column)[0]

    @property
    def pieces(self) -> tuple[Rows]:
        return (self,)

    def opening(self) -> Opening | None:
        return MappedBatches.of, self._place

    def release(self) -> None:
        self._read.clear()
        release_pages(self._mapped)
