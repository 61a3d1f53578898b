"""The files of a corpus in shards: those of a folder or a pattern, in natural order, and the ids beside them.

Ids are looked for as embedding_reader and the LAION corpora keep them: in `emb_3.txt` or `emb_3.parquet` beside
`emb_3.npy`, in `metadata/metadata_3.parquet` beside the shards or their folder, or in one file `ids` for all.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from embgeo.errors import DataError
from embgeo.files.ids import Ids, PackedIds, RowNumbers, stacked_ids
from embgeo.sources.columns import IN_WORDS, id_column, open_parquet, parquet_ids

UNFINISHED = (".part", ".partial", ".tmp", ".incomplete", ".crdownload", ".aria2", ".download")
ONE_FILE = ("ids.txt", "ids.parquet", "ids.npy")
DATES = 10_000_000  # numbers from here on are dates or times, of which a series has gaps
_NUMBER = re.compile(r"\d+")
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # as Spark names a job


def is_pattern(place: str) -> bool:
    """Whether a path that does not exist is a pattern of files."""
    return bool(glob.has_magic(place))


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A sort key under which emb_2 comes before emb_10."""
    return [(0, int(one), "") if one.isdecimal() else (1, 0, one) for one in re.split(r"(\d+)", str(path)) if one]


def shards_of(place: str, suffixes: Collection[str]) -> list[Path]:
    """The shards of a folder or a pattern in natural order; `suffixes` are those of vector files.

    Hidden files, those that begin with _, and other kinds of files are ignored.

    Raises
    ------
    DataError
        There are none, they are of several kinds or names, one is unfinished, or one is missing from their numbers.
    """
    folder = Path(place).expanduser()
    whole = folder.is_dir()
    files = sorted(folder.iterdir() if whole else map(Path, glob.glob(str(folder), recursive=True)), key=natural)
    files = [path for path in files if path.is_file() and not path.name.startswith((".", "_"))]
    shards = [path for path in files if path.suffix.lower() in suffixes and path.name.lower() not in ONE_FILE]
    stems = {path.with_suffix("") for path in shards if path.suffix.lower() != ".parquet"}
    shards = [path for path in shards if path.suffix.lower() != ".parquet" or path.with_suffix("") not in stems]
    if not shards:
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir()) if whole else []
        hint = f"; its folders are {', '.join(inside[:8])}" if inside else ""
        what = "the folder" if whole else "the pattern"
        raise DataError(f"{what} {place} holds no vector files ({', '.join(sorted(suffixes))}){hint}")
    if len(kinds := sorted({path.suffix.lower() for path in shards})) > 1:
        example = _one(place, whole, kinds[0])
        raise DataError(f"{place} holds several kinds of vector files ({', '.join(kinds)}); name one, as '{example}'")
    series = _series(shards)
    if whole and len(series) > 1:
        first, second = (paths[0].name for paths in list(series.values())[:2])
        raise DataError(
            f"{place} holds files of several names ({first}, {second}); name those of one corpus by a quoted pattern, "
            f"as in '{_one(place, whole, first)}'"
        )
    if "[" not in folder.name:
        _refuse_unfinished(series)
        for paths in series.values():
            _check_complete(paths)
    return shards


def ids_beside(shards: Sequence[Path], rows: Sequence[int]) -> tuple[Ids | None, str]:
    """The ids of all shards, which hold so many `rows` each, and where they came from; None if there are none.

    Raises DataError if the ids of one shard are missing, are not as many as its rows, or are not UTF-8.
    """
    for find in (_same_name(".txt"), _same_name(".parquet"), _metadata):
        files = [find(path) for path in shards]
        there = [path.is_file() for path in files]
        if not any(there):
            continue
        if not all(there):
            raise DataError(f"{files[there.index(False)]} is missing: others of these shards have ids in such a file")
        where = (
            files[0].name if len(files) == 1 else f"{len(files)} files such as {files[0].parent.name}/{files[0].name}"
        )
        if files[0].suffix == ".parquet" and not id_column(open_parquet(files[0]).schema_arrow):
            return None, f"row numbers: {files[0].parent.name}/{files[0].name} has no column {IN_WORDS}"
        return stacked_ids([_read_ids(path, count) for path, count in zip(files, rows, strict=True)]), where
    folders = {path.parent for path in shards}
    for name in ONE_FILE if len(folders) == 1 else ():
        path = next(iter(folders)) / name
        if path.is_file():
            return _read_ids(path, sum(rows)), name
    return None, "row numbers"


def _one(place: str, whole: bool, name: str) -> str:
    """A pattern of the files like `name` in a place."""
    inside = Path(place) if whole else Path(place).parent
    return str(inside / ("*" + name if name.startswith(".") else _NUMBER.sub("*", name, count=1)))


def _template(path: Path) -> str:
    return _NUMBER.sub("#", _RANDOM.sub("?", str(path)))


def _series(shards: Sequence[Path]) -> dict[str, list[Path]]:
    """The shards by what their names have in common: all but the numbers."""
    series: dict[str, list[Path]] = {}
    for path in shards:
        series.setdefault(_template(path), []).append(path)
    return series


def _refuse_unfinished(series: Mapping[str, Sequence[Path]]) -> None:
    """Raise DataError if a file beside the shards would be one of them if it were complete."""
    for folder in {path.parent for paths in series.values() for path in paths}:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in UNFINISHED and _template(path.with_suffix("")) in series:
                raise DataError(f"{path} is unfinished; complete or delete it")


def _check_complete(paths: Sequence[Path]) -> None:
    """Raise DataError if the one number in which the names differ leaves one out, or -of-N says that there are more."""
    texts = [str(path) for path in paths]
    # random parts are covered by as many other characters, so that the places of the numbers stay
    places = [list(_NUMBER.finditer(_RANDOM.sub(lambda m: "?" * len(m.group()), text))) for text in texts]
    total = re.search(r"(\d+)-of-(\d+)[^/]*$", texts[0])
    varying = [at for at in range(len(places[0])) if len({found[at].group() for found in places}) > 1]
    if total is not None:
        varying = [at for at, found in enumerate(places[0]) if found.start() == total.start()]
    if len(varying) != 1:
        return
    totals = {found[varying[0] + 1].group() for found in places} if total is not None else set[str]()
    if len(totals) > 1:
        raise DataError(
            f"{paths[0].parent} mixes shards of several corpora, -of-{' and -of-'.join(sorted(totals))}; name those of "
            f"one by a quoted pattern such as '*-of-{min(totals)}*'"
        )
    numbers = {int(found[varying[0]].group()) for found in places}
    expected = _expected(numbers, None if total is None else int(total.group(2)))
    gaps = [] if expected[-1] >= DATES else [number for number in expected if number not in numbers]
    if gaps:
        found = places[0][varying[0]]
        padded = str(gaps[0]).zfill(len(found.group()) if found.group().startswith("0") else 0)
        name = texts[0][: found.start()] + padded + texts[0][found.end() :]
        more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        raise DataError(
            f"{name}{more} is missing from the series {paths[0].name} … {paths[-1].name}; complete it, or name the "
            "files that you mean by a pattern with […]"
        )


def _expected(numbers: Collection[int], total: int | None) -> range:
    """The numbers of a complete series; without a total it begins where it begins: the later shards of a corpus."""
    if total is not None:
        first = 0 if min(numbers) == 0 or max(numbers) < total else 1
        return range(first, max(max(numbers) + 1, first + total))
    return range(min(numbers), max(numbers) + 1)


def _same_name(suffix: str) -> Callable[[Path], Path]:
    """The file of this suffix beside a shard; one that cannot exist beside a shard of this very suffix."""
    return lambda path: path.with_suffix(suffix) if path.suffix.lower() != suffix else path / "ids"


def _metadata(path: Path) -> Path:
    """`metadata/metadata_N.parquet` beside the shard or beside its folder, for the last number N of its name."""
    numbers = _NUMBER.findall(path.stem)
    name = f"metadata_{numbers[-1]}.parquet" if numbers else "metadata.parquet"
    beside = path.parent / "metadata" / name
    return beside if beside.is_file() or not path.parent.name else path.parent.parent / "metadata" / name


def _read_ids(path: Path, rows: int) -> Ids:
    try:
        if path.suffix == ".parquet":
            ids: Ids = parquet_ids(path)
        elif path.suffix == ".npy":
            named = np.load(path, allow_pickle=False)
            ids = PackedIds.of(str(one) for one in named.tolist())
        else:
            ids = _lines(np.fromfile(path, np.uint8))
    except UnicodeDecodeError:
        raise DataError(f"the ids in {path} must be UTF-8") from None
    except ValueError as error:
        raise DataError(f"{path} is not a file of ids: {error}") from None
    if len(ids) != rows:
        raise DataError(f"{path} must hold one id for each of {rows:,} vectors; it has {len(ids):,}")
    return ids


def _lines(data: np.ndarray) -> Ids:
    """One id a line; the last line may lack its end."""
    if len(data) and data[-1] != ord("\n"):
        data = np.append(data, np.uint8(ord("\n")))
    ends = np.flatnonzero(data == ord("\n"))
    dropped = data == ord("\n")
    returns = ends[1 if len(ends) and ends[0] == 0 else 0 :] - 1
    dropped[returns[data[returns] == ord("\r")]] = True
    return PackedIds(data[~dropped], ends + 1 - np.cumsum(dropped)[ends]) if len(data) else RowNumbers(0)
