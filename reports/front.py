"""The Pareto front of a run, by the one rule of the code base; for the terminal, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from embgeo.compression.choosing.front import pareto_front
from embgeo.reports.blocks import Column, RowGroup, Table, TableRow
from embgeo.reports.numbers import count, dotted, number, three_digits
from embgeo.results import NDCG, RECALL, CompressResult, Row
from embgeo.results.stored import Field

FIELDS = [field for field in Row.declared().values() if field.shown.short and field.key != "spec"]


def front_of(rows: Sequence[Row], key: str) -> list[Row]:
    """Rows that no row of at most their size beats in `key`, by rising bytes per vector; of equal ones the first.

    The stored "pareto" flag is for one quality, and under a budget on the whole store it counts the constants too: a
    line through its rows could fall as bytes per vector rise.
    """
    rows = [row for row in rows if row.reference is None]  # another metric is no approximation of float32
    sizes, quality = np.array([_point(row, key) for row in rows]).reshape(-1, 2).T
    front = pareto_front(sizes, quality)
    return sorted((row for row, on in zip(rows, front, strict=True) if on), key=lambda row: _point(row, key)[0])


def front_table(result: CompressResult, width: int = 80) -> Table:
    """The baseline and the Pareto front, largest first; with --spec all rows.

    `kept` is the share of float32's quality, its interval paired by query; without judgements the interval is that of
    the recall. `ratio` is that at the planned number of vectors, if one was given. The range of the QPS over the
    repeats is shown if `width` has room for it. With `--target` the bytes are those of the stores, hot and on disk, and
    the stores are named instead of the speed, which is embgeo's.
    """
    named = bool(result.asked("specs"))
    rows = sorted(result.tradeoffs, key=lambda row: -(row.bytes_per_vector or 0))
    if not named:
        rows = _front(rows, NDCG if result.baseline.ndcg is not None else RECALL, result.recommendation.spec)
    if result.baseline.keys:
        second = [] if named else second_baselines(result)
        rows = [result.baseline, *second, *rows]
    title = "The specs that were asked for" if named else "Pareto front: the smallest store for each quality"
    if planned := result.recommendation.planned:
        title += f"; ratio at {count(planned.vectors)} vectors"
    fields = [field for field in FIELDS if result.baseline.ndcg is not None or field.key not in (NDCG, "retained")]
    stores = bool(result.asked("targets"))
    if stores:
        fields = [field for field in fields if field.key not in ("qps", "ratio")]
        title += "; hot, and on disk"
    full = any(row.qps_range for row in rows) and not stores
    drawn = [_row(row, result, fields, full, stores) for row in rows]
    return Table("front", title, list(_columns(fields, full, stores)), [RowGroup(drawn)], title)


def second_baselines(result: CompressResult) -> list[Row]:
    """Uncompressed vectors by another metric, for rows that compare by it."""
    return [row for row in result.tradeoffs if row.reference == result.baseline.spec and row.spec != row.reference]


def _columns(fields: Sequence[Field], ranges: bool, stores: bool) -> Iterator[Column]:
    yield Column("", "word")
    yield Column("spec")
    for field in fields:
        size = stores and field.key == "bytes_per_vector"
        yield Column("hot" if size else field.shown.short, "number")
        if size:
            yield Column("disk", "number")
        if field.key == _with_interval(fields):
            yield Column("95 % interval", "word")
    if stores:
        yield Column("store", "word")
    if ranges:
        yield Column("QPS range", "word", extra=True)


def _with_interval(fields: Sequence[Field]) -> str:
    return "retained" if any(field.key == "retained" for field in fields) else RECALL


def _row(row: Row, result: CompressResult, fields: Sequence[Field], ranges: bool, stores: bool) -> TableRow:
    chosen = bool(row.spec) and row.spec == result.recommendation.spec
    paired = row is not result.baseline
    cells = ["→" if chosen else "", row.spec]
    for field in fields:
        cells.append(_value(row, field) if paired or field.key != "retained" else "")
        if stores and field.key == "bytes_per_vector":
            cells.append(count(row.targets[0].disk_bytes) if row.targets else "")
        if field.key == _with_interval(fields):
            share = field.key == "retained"
            ends = row.retained_ci if share else row.recall_ci
            shown = dotted([100 * end for end in ends], 1) if share and ends else dotted(ends, 3)
            cells.append(shown if paired else "")
    if stores:
        # the bytes are those of the first
        held = [one.target for one in row.targets or ()]
        cells.append(", ".join(held) if len(held) < 3 else f"{held[0]} +{len(held) - 1}")
    return TableRow([*cells, *(["…".join(map(three_digits, row.qps_range or ()))] if ranges else [])])


def _value(row: Row, field: Field) -> str:
    value, how = row.at(field.key), field.shown
    if field.key == "ratio" and row.planned is not None:
        value = row.planned.ratio
    if how.unit == "queries/s":
        return three_digits(value)
    return number(100 * value if value is not None and "share" in how.unit else value, places=how.digits)


def _front(rows: Sequence[Row], key: str, always: str) -> list[Row]:
    """Rows on the front, equal ones all, and the one whose spec is `always`; most bytes first."""
    known = [row for row in rows if row.at(key) is not None and row.bytes_per_vector is not None]
    front = {_point(row, key) for row in front_of(known, key)}
    kept = [row for row in known if _point(row, key) in front or (always and row.spec == always)]
    return sorted(kept, key=lambda row: (-_point(row, key)[0], -_point(row, key)[1]))


def _point(row: Row, key: str) -> tuple[float, float]:
    return float(row.bytes_per_vector or 0.0), float(row.at(key) or 0.0)
