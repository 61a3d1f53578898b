"""Folders in BEIR format: corpus.jsonl, queries.jsonl and qrels; errors name file and line."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from embgeo.datasets.checks import build_dataset, id_fault, without_texts
from embgeo.datasets.dataset import Dataset, Origin
from embgeo.datasets.qrels_columns import find_columns, name_columns
from embgeo.errors import DataError
from embgeo.judgements import LARGEST_GRADE
from embgeo.progress import Progress, silent

QREL_ENDINGS = (".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".txt", ".trec", ".qrels")
GRADE = re.compile(r"[+-]?[0-9]+(\.0*)?")
LINES_PER_REPORT = 20_000


def load_beir(
    folder: str | Path,
    *,
    split: str = "test",
    drop_own_document: bool = False,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Read a BEIR folder; a document is `title + " " + text`, stripped, as in MTEB.

    Files may be gzipped. Judgements are looked for as `qrels/<split>.tsv`, `qrels/<split>.jsonl`, then `qrels.tsv` or
    `qrels.jsonl` beside the corpus. Columns and keys are found by name, in any order (`find_columns`); a table
    without a header has three columns (query id, document id, grade) or the four of TREC. Only queries of the chosen
    split are kept; without any judgements all are, and a warning says so. Blank lines and a byte-order mark are
    skipped.

    Parameters
    ----------
    doc_ids, query_ids : the ids of precomputed vectors. They replace a corpus.jsonl or queries.jsonl that a folder
        with judgements lacks; the texts are then None.

    Raises
    ------
    DataError
        Naming file and line, for anything malformed, for an empty corpus, and for a split that does not exist.
    InputError
        Nothing can be measured with the judgements; see `check_judgements`.
    """
    folder = Path(folder)
    corpus, queries_file, qrels_file, notes = _found_files(folder, split, doc_ids, query_ids)
    documents = _texts(corpus, progress, titled=True) if corpus else without_texts(doc_ids or ())
    if not documents:
        raise DataError(f"the corpus must hold at least one document; {corpus} has none")
    queries: Sequence[tuple[str, str | None]] = _texts(queries_file, progress, titled=False) if queries_file else []
    facts = {"folder": str(folder)}
    qrels: dict[str, dict[str, int]] = {}
    if qrels_file is None:
        notes.append(f"there are no judgements; all {len(queries)} queries are kept" if queries else "no queries")
    else:
        qrels = read_qrels(qrels_file, progress)
        if queries_file is None:
            queries = without_texts(query_ids or ())
        facts["judgements"] = qrels_file.relative_to(folder).as_posix()
    origin = Origin(facts, notes, judgements=str(qrels_file))
    return build_dataset(folder.resolve().name, documents, queries, qrels, origin, drop_own_document)


def is_beir_folder(folder: Path) -> bool:
    return _one_of(folder, "corpus.jsonl") is not None


def read_qrels(path: Path, progress: Progress = silent) -> dict[str, dict[str, int]]:
    """Judgements {query id: {document id: grade}} of one file, in file order.

    Raises `DataError` with file and line for a wrong number of columns, a grade that is not an integer, two different
    grades for one pair, and a file without judgements.
    """
    rows = _json_qrels(path, progress) if ".jsonl" in path.suffixes else _table_qrels(path, progress)
    qrels: dict[str, dict[str, int]] = {}
    for number, query, document, grade in rows:
        judged = qrels.setdefault(query, {})
        if judged.setdefault(document, grade) != grade:
            raise DataError(
                f"{path}:{number}: a pair must have one grade; query {query!r} and document {document!r} have "
                f"{judged[document]} and {grade}"
            )
    if not qrels:
        raise DataError(f"{path} must hold judgements; it has none")
    return qrels


def _table_qrels(path: Path, progress: Progress) -> Iterator[tuple[int, str, str, int]]:
    """Rows (line, query, document, grade) of a table; its first non-blank line determines separator and columns."""
    separator: str | None = None
    columns = 0
    at = -1, -1, -1
    counted, lines, seconds = False, 0, set[str]()  # whether the first of TREC's four columns only counts the lines
    for number, line in _lines(path, progress):
        if not columns:
            separator = "\t" if "\t" in line else None  # None: any run of blanks
        cells = line.split(separator)
        cells[-1] = cells[-1].strip()
        if not columns:
            columns = len(cells)
            if not GRADE.fullmatch(cells[-1]) and name_columns(cells):
                at = find_columns(tuple(cells), f"{path}:{number}", "column")
                continue
            if columns not in (3, 4):
                raise DataError(
                    f"{path}:{number}: judgements must have 3 tab-separated columns (query id, document id, grade) or "
                    f"the 4 of TREC (query id, 0, document id, grade); got {len(cells)}"
                )
            at = 0, columns - 2, columns - 1
            counted = columns == 4
        elif len(cells) != columns:
            raise DataError(f"{path}:{number}: a line must have {columns} columns, like the first; got {len(cells)}")
        counted = counted and cells[0] in (str(lines), str(lines + 1))
        lines += 1
        seconds.add(cells[1])
        query, document, grade = (cells[place] for place in at)
        _check_id(query, path, number)
        _check_id(document, path, number)
        yield number, query, document, _grade(grade, path, number)
    if counted and len(seconds) > 1:
        raise DataError(
            f"{path}: the first column must be the query id, but it numbers the lines like an index. Write the table "
            "without its index (pandas: index=False) or with its header"
        )


def _json_qrels(path: Path, progress: Progress) -> Iterator[tuple[int, str, str, int]]:
    places: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for number, row in _objects(path, progress):
        keys = tuple(row)
        if keys not in places:
            places[keys] = find_columns(keys, f"{path}:{number}", "key")
        query_key, document_key, grade_key = (keys[place] for place in places[keys])
        query = _id_text(row[query_key], path, number)
        document = _id_text(row[document_key], path, number)
        score = row[grade_key]
        text = str(score) if isinstance(score, int | float | str) and not isinstance(score, bool) else repr(score)
        yield number, query, document, _grade(text, path, number)


def _grade(text: str, path: Path, number: int) -> int:
    """A whole number; `1.0` is one, `0.5` is not."""
    if not GRADE.fullmatch(text):
        raise DataError(f"{path}:{number}: a grade must be an integer; got {text[:40]!r}")
    digits = text.partition(".")[0]
    if len(digits) > 11 or abs(int(digits)) > LARGEST_GRADE:
        raise DataError(f"{path}:{number}: a grade must lie within ±{LARGEST_GRADE}; got {text[:40]}")
    return int(digits)


def _texts(path: Path, progress: Progress, titled: bool) -> list[tuple[str, str]]:
    """(id, text) of every line of a corpus or of queries."""
    rows = []
    first_line: dict[str, int] = {}
    for number, row in _objects(path, progress):
        key = "_id" if "_id" in row else "id"
        for needed in (key, "text"):
            if needed not in row:
                shown = '"_id" (or "id")' if needed == key else f'"{needed}"'
                raise DataError(f"{path}:{number}: the key {shown} is missing")
        name = _id_text(row[key], path, number)
        if name in first_line:
            raise DataError(f"{path}:{number}: ids must be unique; {name!r} is already in line {first_line[name]}")
        first_line[name] = number
        text = _string(row["text"], "text", path, number)
        if titled:
            title = row.get("title")
            text = (_string(title, "title", path, number) + " " + text if title else text).strip()
        rows.append((name, text))
    return rows


def corpus_metadata(folder: Path, progress: Progress = silent) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, metadata) of every document: what its `metadata` holds, and the keys beside id, title and text."""
    path = _one_of(folder, "corpus.jsonl")
    for number, row in _objects(path, progress) if path else ():
        inner = row.get("metadata")
        own = {key: value for key, value in row.items() if key not in ("_id", "id", "title", "text", "metadata")}
        yield (
            _id_text(row.get("_id", row.get("id")), path or folder, number),
            own | (inner if isinstance(inner, dict) else {}),
        )


def _string(value: object, key: str, path: Path, number: int) -> str:
    if not isinstance(value, str):
        raise DataError(f'{path}:{number}: "{key}" must be a string; got {type(value).__name__}')
    return value


def _id_text(value: object, path: Path, number: int) -> str:
    """An id as a string; integers are accepted, since many exports write them."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{path}:{number}: an id must be a string or an integer; got {type(value).__name__}")
    name = str(value)
    _check_id(name, path, number)
    return name


def _check_id(name: str, path: Path, number: int) -> None:
    if fault := id_fault(name):
        raise DataError(f"{path}:{number}: id {name[:40]!r} {fault}; ids must be plain non-empty strings")


def _objects(path: Path, progress: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSON-lines file."""
    for number, line in _lines(path, progress):
        try:
            row = json.loads(line)
        except RecursionError:
            raise DataError(f"{path}:{number}: JSON is nested too deeply; a line must be one flat object") from None
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}:{number}: every line must be one JSON object; {error.msg} at column {error.colno}"
            ) from None
        except ValueError as error:  # an integer of thousands of digits
            raise DataError(f"{path}:{number}: every line must be one JSON object; {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: every line must be one JSON object; got {type(row).__name__}")
        yield number, row


def _lines(path: Path, progress: Progress) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a UTF-8 file, plain or gzipped; blank lines are skipped."""
    number = 0
    stage = f"reading {path.name}"
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            for number, data in enumerate(file, start=1):
                if number == 1:
                    data = data.removeprefix(b"\xef\xbb\xbf")
                line = data.decode("utf-8").rstrip("\r\n")
                if line.strip():
                    yield number, line
                if number % LINES_PER_REPORT == 0:
                    progress(stage, min(raw.tell(), size - 1), size)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: the file must be UTF-8; byte {error.start + 1} of the line is "
            f"0x{error.object[error.start]:02x}. Convert the file to UTF-8 or fix that line."
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}:{number + 1}: the gzip file is damaged ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    progress(stage, size, size)


def _one_of(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _found_files(
    folder: Path, split: str, doc_ids: Sequence[str] | None, query_ids: Sequence[str] | None
) -> tuple[Path | None, Path | None, Path | None, list[str]]:
    """Corpus, queries and judgements, with a warning about the split; raises if a required file is missing."""
    if not split or Path(split).name != split:
        raise DataError(f"a split must be a plain name such as test; got {split!r}")
    corpus = _one_of(folder, "corpus.jsonl")
    if corpus is None and not (doc_ids and folder.is_dir()):
        raise DataError(f"a dataset folder must hold corpus.jsonl or corpus.jsonl.gz; {folder} holds neither")
    qrels_file, notes = _qrels_file(folder, split)
    if corpus is None and qrels_file is None:
        raise DataError(f"a dataset folder must hold corpus.jsonl or judgements of the vectors; {folder} holds neither")
    queries_file = _one_of(folder, "queries.jsonl")
    if queries_file is None and qrels_file is not None and not query_ids:
        raise DataError(
            f"{folder} must hold queries.jsonl or queries.jsonl.gz beside its judgements {qrels_file.name}, unless "
            "query vectors with ids (query_ids) replace it"
        )
    return corpus, queries_file, qrels_file, notes


def _qrels_file(folder: Path, split: str) -> tuple[Path | None, list[str]]:
    """The judgements of the split, or None if the folder has no judgements, with a warning if another split is used."""
    splits: dict[str, Path] = {}
    others = []
    if (folder / "qrels").is_dir():
        for ending in reversed(QREL_ENDINGS):  # .tsv takes precedence over .jsonl
            for path in sorted((folder / "qrels").glob(f"*{ending}")):
                splits[path.name.removesuffix(ending)] = path
        others = [p.name for p in sorted((folder / "qrels").iterdir()) if p.is_file() and not p.name.startswith(".")]
    if split in splits:
        return splits[split], []
    if split == "test" and len(splits) == 1:
        [(other, path)] = splits.items()
        return path, [f"there is no split test; {other} is used, the only split"]
    if splits:
        raise DataError(f"{folder} has no judgements for the split {split!r}; it has {', '.join(sorted(splits))}")
    unsplit = _one_of(folder, "qrels.tsv") or _one_of(folder, "qrels.jsonl")
    if unsplit is not None:
        return unsplit, [] if split == "test" else [
            f"{unsplit.name} has no splits; all of its judgements are used, not only {split}"
        ]
    if others:
        raise DataError(
            f"judgements must be {', '.join(QREL_ENDINGS)} files; {folder / 'qrels'} holds {', '.join(others[:5])}"
        )
    if split != "test":
        raise DataError(f"{folder} has no judgements for the split {split!r}; it has no judgements at all")
    return None, []
