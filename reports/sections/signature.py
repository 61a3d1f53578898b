"""The signature as a table: each measure with its value, interval and meaning, grouped by family."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Foreign, Line, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.facts import facts
from embgeo.reports.heading import title_of
from embgeo.reports.numbers import MISSING, count, dotted, duration, interval, number
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult, MeasuredValue
from embgeo.results.measures import MeasureFacts, measure_facts
from embgeo.run import Run

FAMILIES = {
    "dimension": "How many dimensions the data use",
    "spectrum": "How the variance is shared among directions",
    "isotropy": "Whether all directions are used equally",
    "similarity": "How similar two random documents are",
    "diversity": "How many distinct items the corpus holds",
    "topology": "How the point cloud is connected",
    "magnitude": "Effective size of the space at every scale",
    "clustering": "Whether documents form groups",
    "hubs": "Documents that are near neighbours of many others, or of none",
    "capacity": "How many items the space can keep apart",
    "retrievability": "Which documents a search can return at all",
    "other": "Measures that this version of embgeo does not know",
}
# the mean cosine again, without the pairs of a document with itself: avg_pair_sim_cosine has its own row
REPEATED = {"epsilon_corpus": ("Mean",)}
Signature = Mapping[str, MeasuredValue]


@section("signature", "Signature", of=AnalyzeResult, order=200)
def signature(shown: Shown[AnalyzeResult]) -> Iterator[Block]:
    """The other runs' values get columns of their own."""
    measured = shown.result.signature or {}
    if not measured:
        return
    yield Paragraph(
        "Each measure with its 95 % interval where one exists; n is the number of documents it was computed on.", "note"
    )
    beside = [(title_of(run.findings.model.name) or "unnamed model", signature_of(run)) for run in shown.beside]
    columns = [
        Column("Measure"),
        Column("Value", "number"),
        Column("95 % interval"),
        *(Column(visible(name, 28), "number", style="beside") for name, _ in beside),
        Column("Possible values", "word"),
        Column("Better", "word"),
        Column("Sample, time", "word"),
    ]
    grouped: dict[str, list[TableRow]] = {}
    known = measure_facts()
    for name, value in measured.items():
        fact = known.get(name, MeasureFacts())
        others = [_value(other.get(name)) for _, other in beside]
        grouped.setdefault(fact.family, []).append(_row(name, value, fact, shown.result.details.get(name), others))
    order = [*FAMILIES, *sorted(set(grouped) - set(FAMILIES))]
    groups = [RowGroup(grouped[name], name, FAMILIES.get(name, "")) for name in order if name in grouped]
    records = [{"measure": name, **value.to_json()} for name, value in measured.items()]
    data = Data("signature", "Signature", records)
    yield Table("signature", "Signature", columns, groups, data=data, style="signature")


def signature_table(result: AnalyzeResult) -> Table | None:
    """The same for the terminal: value, interval, sample size, seconds; the reason if a measure has no value."""
    if not result.signature:
        return None
    rows = []
    for name, value in result.signature.items():
        missing = Foreign(value.reason) if value.value is None and value.reason else dotted(value.ci)
        seconds = number(value.seconds, places=1)
        rows.append(TableRow([name, number(value.value, value.ci), missing, number(value.n), seconds]))
    columns = [
        Column("measure", "word"),
        Column("value", "number"),
        Column("95 % interval (or why it is missing)"),
        Column("n", "number"),
        Column("s", "number"),
    ]
    return Table("signature", "Signature", columns, [RowGroup(rows)], "Signature")


def signature_of(run: Run) -> Signature:
    """The signature of an analyze run; an empty one of any other."""
    found = run.findings
    return (found.signature or {}) if isinstance(found, AnalyzeResult) else {}


def side_by_side(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """(measure, one value per run) of every measure that at least two of the runs have."""
    signatures = [signature_of(run) for run in runs]
    names = dict.fromkeys(name for signature in signatures for name in signature)
    rows = [(name, [_value(signature.get(name)) for signature in signatures]) for name in names]
    return [row for row in rows if sum(value != MISSING for value in row[1]) >= 2]


def range_text(low: float, high: float) -> str:
    """`0 to 1`, `at least 0`, `at most 0`, `any`."""
    if math.isfinite(low) and math.isfinite(high):
        return f"{number(low)} to {number(high)}"
    if math.isfinite(low):
        return f"at least {number(low)}"
    return f"at most {number(high)}" if math.isfinite(high) else "any"


def _value(value: MeasuredValue | None) -> str:
    return number(value.value, value.ci) if value else MISSING


def _row(name: str, value: MeasuredValue, fact: MeasureFacts, details: object, others: Sequence[str]) -> TableRow:
    said = " · ".join(
        f"{item.label} {item.text}"
        for item in facts(details)
        if item.text != MISSING
        and not item.label.startswith("Half sample")
        and item.label not in REPEATED.get(name, ())
    )
    notes: list[Line] = [fact.summary, *([visible(said, 240)] if said else [])]
    spread = Cell(interval(value.ci) or MISSING, style="nowrap")
    if value.value is None:
        status = value.status if value.status not in ("", "ok") else "no value"
        spread = Cell(Foreign(value.reason or status, 200), style="problem")
    possible = range_text(*fact.range) if fact.range else MISSING
    better = fact.better if fact.better != "neither" else MISSING
    head = Cell(Code(name, 2000), notes, head=True)
    return TableRow([head, _value(value), spread, *others, possible, better, Cell(_cost(value), style="note")])


def _cost(value: MeasuredValue) -> str:
    rows, took = count(value.n), duration(value.seconds)
    return " · ".join([*([f"n {rows}"] if rows != MISSING else []), *([took] if took != MISSING else [])])
