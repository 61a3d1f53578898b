"""All codecs: every number of a row that may decide the choice."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from embgeo.reports.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Data,
    Foreign,
    Glossary,
    Line,
    Paragraph,
    RowFilter,
    RowGroup,
    Table,
    TableRow,
)
from embgeo.reports.facts import Fact
from embgeo.reports.numbers import MISSING, interval, shown
from embgeo.reports.section import Shown, section
from embgeo.reports.sections.deploy import MARKS
from embgeo.results import NDCG, CompressResult, Row
from embgeo.results.rows import Estimator
from embgeo.results.stored import Field

FIELDS = sorted((each for each in Row.declared().values() if each.shown.place), key=lambda each: each.shown.place)
FOLDED = (NDCG, "qps")  # their intervals are shown only with all columns
TITLE = "All codecs"


@section("table", TITLE, of=CompressResult, order=300, style="wide")
def all_codecs(shown: Shown[CompressResult]) -> Iterator[Block]:
    result = shown.result
    rows = by_size(result.rows)
    if not rows:
        return
    fields = fields_of(rows)
    over = [("over budget", "only within the budget")] if result.budget else []
    yield RowFilter([("Pareto front", "only the Pareto front")], over)
    for fact in shared_facts(rows):
        yield Paragraph((f"{fact.label}, all rows: ", Foreign(fact.text, 120)), "note")
    if any(row.stores for row in rows):
        yield Paragraph(f"Under a spec: {Row.declared()['stores'].shown.explain}.", "note")
    drawn = [
        TableRow([_head(row, marks := _marks(row, result)), *(_cell(row, each) for each in fields)], marks[:1] == BEST)
        for row in rows
    ]
    spec = Row.declared()["spec"]
    columns = [column(each) for each in (spec, *fields)]
    data = Data("codecs", TITLE, [row.to_json() for row in rows])
    yield Table("codecs", TITLE, columns, [RowGroup(drawn)], data=data, sortable=True)
    for remark in remarks(rows):
        yield Paragraph(Foreign(remark), "note")
    yield Glossary("What the columns mean", [(each.shown.title, each.shown.explain) for each in fields])


BEST = ["recommended"]


def column(field: Field) -> Column:
    """The column of a declared field."""
    how = field.shown
    return Column(how.title, "text" if how.words else "number", how.explain, not how.main)


def by_size(rows: Sequence[Row]) -> list[Row]:
    """Smallest first; rows of equal size by quality, best first."""

    def size(row: Row) -> tuple[float, float]:
        return (
            math.inf if row.bytes_per_vector is None else row.bytes_per_vector,
            math.inf if row.ndcg is None else -row.ndcg,
        )

    return sorted(rows, key=size)


def fields_of(rows: Sequence[Row]) -> list[Field]:
    """Fields that at least one row has, without texts that are the same in all rows."""
    return [
        field
        for field in FIELDS
        if any(row.at(field.key) is not None for row in rows) and not (field.shown.words and _shared(rows, field))
    ]


def shared_facts(rows: Sequence[Row]) -> list[Fact]:
    """Texts that are the same in all rows, shown once above the table."""
    return [Fact(f.shown.title, text) for f in FIELDS if f.shown.words and (text := _shared(rows, f))]


def _shared(rows: Sequence[Row], field: Field) -> str:
    texts = {text for row in rows if (text := _word(row.at(field.key)))}
    return texts.pop() if len(texts) == 1 else ""


def _word(value: Any) -> str:
    return value.name if isinstance(value, Estimator) else value or ""


def why_none(row: Row) -> str:
    """Why the difference has no interval, shown in its place: the beginning of the note; "" if it has one."""
    return _beginning(row) if row.difference is not None and row.difference_ci is None else ""


def _beginning(row: Row) -> str:
    """A note up to its colon: the full note is shown under the table."""
    return (row.note or "").partition(": ")[0]


def remarks(rows: Sequence[Row]) -> list[str]:
    """The rows' notes in full, each with the first row that has it; a row itself shows the part before the colon."""
    like: dict[str, list[str]] = {}
    for row in by_size(rows):
        if row.note and ": " in row.note:
            like.setdefault(re.sub(r"\d+", "#", row.note), []).append(f"{row.spec or MISSING}: {row.note}")
    return [found[0] + (f" (likewise {len(found) - 1} more)" if len(found) > 1 else "") for found in like.values()]


def _head(row: Row, marks: list[str]) -> Cell:
    note = "" if why_none(row) else _beginning(row)  # otherwise shown in place of the interval
    reasons = "; ".join(str(said) for said in (row.at("reason"), note) if said)
    notes: list[Line] = [Foreign(reasons, 200)] if reasons else []
    if row.stores:
        notes.append(Foreign(" · ".join(f"{name} {MARKS.get(how, MISSING)}" for name, how in row.stores.items()), 200))
    return Cell(Code(row.spec or MISSING), notes, sort=row.spec or MISSING, head=True, marks=marks)


def _cell(row: Row, field: Field) -> Cell:
    """A field has a fixed number of digits, so that decimal points line up."""
    value, how = row.at(field.key), field.shown
    if how.words:
        word = _word(value)
        hover = value.reason if isinstance(value, Estimator) else ""
        return Cell(word or MISSING, hover=hover, sort=word)
    ends, scale = row.at(how.interval) if how.interval else None, 100.0 if how.unit == "share of float32" else 1.0
    note = interval(ends, how.digits, how.signed, scale) or (why_none(row) if how.interval == "difference_ci" else "")
    sort = repr(float(value)) if isinstance(value, int | float) else ""
    return Cell(shown(value, how), [note] if note else [], sort=sort, folded=field.key in FOLDED)


def _marks(row: Row, result: CompressResult) -> list[str]:
    """Labels of a row; without a budget no row is over it, even if `fits_budget` is false for another reason."""
    best = bool(row.spec) and row.spec == result.recommendation.spec
    labels = {
        "recommended": best,
        "tied": row.tied and not best,
        "Pareto front": row.pareto,
        "over budget": result.budget and row.fits_budget is False,
        row.status or "": row.status not in (None, "", "ok"),
    }
    return [label for label, holds in labels.items() if holds]
