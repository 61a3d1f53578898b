"""The table of all codecs: every number of a row that a decision may hang on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports.facts import Fact
from embgeo.reports.numbers import (
    MISSING,
    bounds,
    byte_size,
    duration,
    finite,
    interval,
    number,
    percent,
    times,
)
from embgeo.reports.stored import entry

Row = Mapping[str, Any]
QUALITY_PLACES = 4
MAIN = {"bytes_per_vector", "ratio", "ndcg@10", "difference", "retained", "recall@10_exact", "qps"}


@dataclass(frozen=True)
class Column:
    """A column: `explain` is the sentence shown on demand; `better` is which end sorts first."""

    key: str
    label: str
    explain: str
    text: Callable[[Row, int], str]
    interval: Callable[[Row, int], str] = lambda row, places: ""
    numeric: bool = True
    hover: Callable[[Row], str] = lambda row: ""
    fine: bool = False  # the interval is shown only with all columns

    @property
    def main(self) -> bool:
        """Whether the column is shown without asking: what fits a screen of 1,000 pixels."""
        return self.key in MAIN


@dataclass(frozen=True)
class Cell:
    """`sort` is the raw number ("" when missing); `note` stands small beside the text, `hover` explains it."""

    text: str
    note: str
    sort: str
    hover: str


@dataclass(frozen=True)
class TableRow:
    """`marks` are short words for what is special: recommended, Pareto front, tied, over budget, failed."""

    spec: str
    marks: list[str]
    reason: str
    cells: list[Cell]


def _plain(key: str, places: int | None = None) -> Callable[[Row, int], str]:
    return lambda row, most: number(row.get(key), places=most if places is None else places)


def _bytes(key: str) -> Callable[[Row, int], str]:
    return lambda row, most: byte_size(row.get(key))


def _time(key: str, scale: float = 1.0) -> Callable[[Row, int], str]:
    return lambda row, most: MISSING if finite(row.get(key)) is None else duration(float(row[key]) * scale)


def why_none(row: Row, key: str) -> str:
    """Why a value has no interval `key`, to stand in its place: the beginning of its note; "" where it has one."""
    known = finite(row.get(key.removesuffix("_ci"))) is not None
    return _beginning(row) if known and not bounds(row.get(key)) else ""


def _beginning(row: Row) -> str:
    """A note as far as its colon: the rest stands under the table."""
    note = row.get("note")
    return note.partition(": ")[0] if isinstance(note, str) else ""


def _word(value: Any) -> str:
    """A text, or the name of an object that has one; "" without."""
    return str((value.get("name") if isinstance(value, Mapping) else value) or "")


def _tie_band(row: Row, most: int) -> str:
    band = row.get("tie_band")
    if bounds(band):
        return interval(band, 4).strip("()")
    return number(band)


COLUMNS = (
    Column("bytes_per_vector", "Bytes / vector", "Marginal bytes: what one more vector adds to the store",
           lambda row, most: number(row.get("bytes_per_vector"))),
    Column("ratio", "Whole store", "Float32 store divided by this store, constants included",
           lambda row, most: times(row.get("ratio"))),
    Column("ndcg@10", "nDCG@10", "Quality on the judgements, out of sample",
           _plain("ndcg@10"), lambda row, most: interval(row.get("ndcg@10_ci"), most), fine=True),
    Column("difference", "Difference", "This row minus float32, paired by query, with its 95 % interval",
           lambda row, most: number(row.get("difference"), places=most, signed=True),
           lambda row, most: interval(row.get("difference_ci"), most, signed=True) or why_none(row, "difference_ci")),
    Column("retained", "Retained", "This row's nDCG@10 divided by that of float32",
           lambda row, most: percent(row.get("retained")),
           lambda row, most: interval(row.get("retained_ci"), 1, scale=100)),
    Column("in_sample_ndcg@10", "nDCG@10 in sample",
           "The same with the codec fitted on all documents: too optimistic where a codebook overfits",
           _plain("in_sample_ndcg@10")),
    Column("recall@10_exact", "Recall@10 of exact", "Share of float32's first ten that this store also returns",
           _plain("recall@10_exact", 3)),
    Column("predicted_recall@10_exact", "Predicted recall",
           "Recall@10 of exact search, predicted from the spectrum and the mean norm before any codec was run",
           _plain("predicted_recall@10_exact", 3)),
    Column("changed_queries", "Queries changed", "Queries whose quality differs from that of float32",
           lambda row, most: number(row.get("changed_queries"), places=0)),
    Column("store_bytes", "Store", "Codes and constants together", _bytes("store_bytes")),
    Column("constant_bytes", "Constants", "Rotations, ranges, codebooks: stored once", _bytes("constant_bytes")),
    Column("disk_bytes", "Disk", "Size of the store's file, ids included", _bytes("disk_bytes")),
    Column("ram_bytes", "RAM", "Memory while searching", _bytes("ram_bytes")),
    Column("qps", "Queries / s", "Searched in batches; see the protocol below",
           lambda row, most: number(row.get("qps"), places=0), lambda row, most: interval(row.get("qps_range"), 0),
           fine=True),
    Column("single_query_ms", "One query", "Time of a single query", _time("single_query_ms", 1e-3)),
    Column("fit_seconds", "Fit", "Time to fit the codec", _time("fit_seconds")),
    Column("encode_seconds", "Encode", "Time to encode all documents", _time("encode_seconds")),
    Column("estimator", "Estimator", "How quality out of sample was estimated; hover for the reason",
           lambda row, most: _word(row.get("estimator")) or MISSING, numeric=False,
           hover=lambda row: str(entry(row.get("estimator")).get("reason") or "")),
    Column("query_side", "Query side", "How a query is compared with the codes",
           lambda row, most: str(row.get("query_side") or MISSING), numeric=False),
    Column("searcher", "Searched by", "The index that answers", lambda row, most: str(row.get("searcher") or MISSING),
           numeric=False),
    Column("tie_band", "Tie band", "Range of nDCG@10 over the possible orders of equal scores", _tie_band),
)  # fmt: skip


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """Columns in which at least one row has something to say, and not all the same words."""
    return [
        column
        for column in COLUMNS
        if any(row.get(column.key) is not None for row in rows) and (column.numeric or not _shared_text(rows, column))
    ]


def shared_facts(rows: Sequence[Row]) -> list[Fact]:
    """What is said once above the table, because it is the same in every row."""
    return [Fact(c.label, text) for c in COLUMNS if not c.numeric and (text := _shared_text(rows, c))]


def _shared_text(rows: Sequence[Row], column: Column) -> str:
    texts = {text for row in rows if (text := _word(row.get(column.key)))}
    return texts.pop() if len(texts) == 1 else ""


def table_rows(
    rows: Sequence[Row], columns: Sequence[Column], recommended: str | None, budgeted: bool = True
) -> list[TableRow]:
    """All rows, smallest first. A column has one number of digits, so that its points stand under each other.

    Without a budget no row is marked as over it, whatever kept the row from competing.
    """
    return [
        TableRow(
            spec=str(row.get("spec", MISSING)),
            marks=_marks(row, recommended, budgeted),
            reason="; ".join(_reasons(row)),
            cells=[
                Cell(
                    column.text(row, QUALITY_PLACES),
                    column.interval(row, QUALITY_PLACES),
                    _sort_key(row.get(column.key)) if column.numeric else _word(row.get(column.key)),
                    column.hover(row),
                )
                for column in columns
            ],
        )
        for row in by_size(rows)
    ]


def by_size(rows: Sequence[Row]) -> list[Row]:
    """Smallest first, of one size the best first."""
    return sorted(rows, key=_size)


def remarks(rows: Sequence[Row]) -> list[str]:
    """The rows' notes in full, each with the first row that has it; a row itself shows the part before the colon."""
    like: dict[str, list[tuple[str, str]]] = {}
    for row in by_size(rows):
        text = row.get("note")
        if isinstance(text, str) and ": " in text:
            like.setdefault(re.sub(r"\d+", "#", text), []).append((str(row.get("spec", MISSING)), text))
    return [
        f"{found[0][0]}: {found[0][1]}" + (f" (likewise {len(found) - 1} more)" if len(found) > 1 else "")
        for found in like.values()
    ]


def _size(row: Row) -> tuple[float, float]:
    size, quality = finite(row.get("bytes_per_vector")), finite(row.get("ndcg@10"))
    return math.inf if size is None else size, math.inf if quality is None else -quality


def _sort_key(value: Any) -> str:
    x = finite(value)
    return "" if x is None else repr(x)


def _marks(row: Row, recommended: str | None, budgeted: bool) -> list[str]:
    best = recommended is not None and row.get("spec") == recommended
    marks = ["recommended"] if best else []
    if row.get("tied") is True and not best:
        marks.append("tied")
    if row.get("pareto") is True:
        marks.append("Pareto front")
    if budgeted and row.get("fits_budget") is False:
        marks.append("over budget")
    if row.get("status") not in (None, "ok"):
        marks.append(str(row["status"]))
    return marks


def _reasons(row: Row) -> list[str]:
    note = "" if why_none(row, "difference_ci") else _beginning(row)  # it stands where the interval would
    found = [row.get("reason"), note, row.get("notes"), row.get("warnings")]
    return [str(item) for entry in found if entry for item in (entry if isinstance(entry, list) else [entry])]
