"""Whether another metric finds more of the relevant documents: the verdict, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Paragraph, RowGroup, Strong, Table, TableRow
from embgeo.reports.numbers import byte_size, count, estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult, Row
from embgeo.results.compress import MetricChange

TITLE = "Another metric"
CAVEAT = (
    "Partial whitening changes the metric: leading directions count for less, so exact search's neighbours are no "
    "longer what is looked for, and recall of them falls by construction. Only these judgements speak for it, or "
    "against it; with other queries, documents or another model it must be judged again."
)
COLUMNS = ("Spec", "Bytes / vector", "nDCG@10", "Gain of its metric", "Recall@10 of exact")


@section("metric_change", TITLE, of=CompressResult, order=320, label="Metric")
def metric_change(shown: Shown[CompressResult]) -> Iterator[Block]:
    found = shown.result.metric_change
    if found is None:
        return
    yield Paragraph((Strong("Taken." if found.accepted else "Not taken."), f" {verdict(found)}"))
    yield Paragraph(CAVEAT)
    rows = [row for row in shown.result.tradeoffs if row.reference and row.reference != row.spec]
    drawn = [TableRow(_cells(row)) for row in rows]
    columns = [Column(title, "number" if title == COLUMNS[1] else "text") for title in COLUMNS]
    data = Data("metric_change", TITLE, [row.to_json() for row in rows])
    yield Table("metric_change", "Each against the same codec without it", columns, [RowGroup(drawn)], data=data)
    if found.mean_norm is not None:
        yield Paragraph(hypothesis(found.mean_norm), "note")


def verdict(found: MetricChange) -> str:
    """What the choice on half of the queries was worth on the other half, in one or two sentences."""
    halves = f"Chosen on half of the queries and evaluated on the other half, {count(found.halvings)} times"
    if not found.spec:
        return f"{halves}, no codec with another metric gains on these queries."
    gain = estimate(found.gain, found.gain_ci, 4, signed=True)
    text = f"{halves}, another metric gains {gain} nDCG@10 over the same codec without it"
    if found.difference != found.gain:
        text += f", and {estimate(found.difference, found.difference_ci, 4, signed=True)} over {found.instead}"
    if found.accepted:
        return f"{text}: {found.spec} is recommended in place of {found.instead}."
    return f"{text}. That is not surely above zero, so {found.instead} stays; the best of them is {found.spec}."


def hypothesis(mean_norm: float) -> str:
    """What is known about when it helps, and how little that is."""
    return (
        f"The mean document has length {number(mean_norm, places=2)} here. With one model, gains at float32 were "
        "+.038, +.012 and +.022 in corpora where it has .55, .54 and .50, +.019 and +.004 (within its error) where it "
        "has .36, and −.016 and −.007 (within their errors) where it has .17 and .16. That is a hypothesis, not a "
        "rule: few corpora are anecdotes, so nothing here decides by it."
    )


def _cells(row: Row) -> list[Cell]:
    return [
        Cell(Code(row.spec), head=True),
        Cell(byte_size(row.bytes_per_vector)),
        Cell(estimate(row.ndcg, row.ndcg_ci, 4)),
        Cell(estimate(row.gain, row.gain_ci, 4, signed=True)),
        Cell(percent(row.recall)),
    ]
