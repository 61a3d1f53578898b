"""The value of a metadata key of every document, to group them by: from a parquet column or the lines of a corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embgeo.datasets.beir import corpus_metadata, is_beir_folder
from embgeo.datasets.registry import tiny_folder
from embgeo.encoders.resolve import VECTORS
from embgeo.errors import InputError
from embgeo.progress import Progress, silent
from embgeo.sources.columns import open_parquet

MODULE = "module"  # the key of pydocs: the first part of a dotted name
PYDOCS = ("pydocs", "pydocs:scientific")


@dataclass(frozen=True)
class GroupKey:
    """Values of the key `name`: by row of the vectors, or by document id; `where` they came from.

    None where a document has no value.
    """

    name: str
    where: str
    by_row: Sequence[str | None] | None
    by_id: Mapping[str, str | None]

    def of(self, doc_ids: Sequence[str]) -> list[str | None]:
        """The value of each document, in this order."""
        if self.by_row is not None:
            return list(self.by_row)
        if self.where in PYDOCS:
            return [name.partition(".")[0] for name in doc_ids]
        return [self.by_id.get(name) for name in doc_ids]


def read_group_key(model: str, dataset: str | None, key: str, progress: Progress = silent) -> GroupKey:
    """The values of `key` in a column of the parquet file of vectors, else in corpus.jsonl of the dataset folder.

    There it is a key of a document or of its `metadata`; pydocs has the key `module`. Text, numbers and flags are
    values. Raises InputError if neither has the key, naming those that there are; nothing is encoded before.
    """
    known: list[str] = []
    path = Path(model.removeprefix(VECTORS).partition("#")[0]).expanduser()
    if model.startswith(VECTORS) and path.suffix == ".parquet" and path.is_file():
        file = open_parquet(path)
        known += file.schema_arrow.names
        if key in known:
            batches = file.iter_batches(1 << 16, columns=[key], use_threads=False)
            rows = [_text(value) for batch in batches for value in batch.column(0).to_pylist()]
            return _checked(GroupKey(key, str(path), rows, {}), rows)
    if dataset in PYDOCS:
        known.append(MODULE)
        if key == MODULE:
            return GroupKey(key, dataset, None, {})
    folder = tiny_folder() if dataset == "tiny" else Path(dataset or "")
    if dataset and is_beir_folder(folder):
        seen: dict[str, None] = {}
        found = {name: _text(value) for name, value in _lines(folder, key, seen, progress)}
        if key in seen:
            return _checked(GroupKey(key, f"{folder}/corpus.jsonl", None, found), list(found.values()))
        known += seen
    raise InputError(
        f"no document has the key {key!r} to group by. "
        + (f"There are: {', '.join(known[:20])}" if known else "No keys are known of these documents")
        + ". Keys are columns of vectors:FILE.parquet, or those of a document or its metadata in corpus.jsonl"
    )


def _lines(folder: Path, key: str, seen: dict[str, None], progress: Progress) -> Iterator[tuple[str, object]]:
    for name, metadata in corpus_metadata(folder, progress):
        seen |= dict.fromkeys(metadata)
        yield name, metadata.get(key)


def _text(value: object) -> str | None:
    """One value as text; None for a missing one, and for lists and objects, which are not one value."""
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def _checked(found: GroupKey, values: Sequence[str | None]) -> GroupKey:
    if all(value is None for value in values):
        raise InputError(f"the key {found.name!r} of {found.where} must be a text, number or flag; no document has one")
    return found
