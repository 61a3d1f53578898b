"""The race on samples of a large corpus: its stages, and the specs that went no further, each with its sample."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Foreign, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import byte_size, count, duration, estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult
from embgeo.results.compress import DroppedSpec, Race

TITLE = "Judged on samples first"
STAGES = ("Documents", "Specs", "Clearly beaten", "Left behind", "Time")


@section("race", TITLE, of=CompressResult, order=350, label="Samples")
def race(shown: Shown[CompressResult]) -> Iterator[Block]:
    found = shown.result.race
    if found is None or not found.stages:
        return
    yield Paragraph(race_sentence(found))
    columns = [Column(title, "number") for title in STAGES]
    rows = [
        TableRow([count(s.documents), count(s.specs), count(s.beaten), count(s.cut), duration(s.seconds)])
        for s in found.stages
    ]
    yield Table("stages", "The samples", columns, [RowGroup(rows)])
    titles = ["Spec", "Bytes / vector", "Sample", "Kept there", "Recall there", "Recall, to leader", "Leader", "Why"]
    kinds = {"Bytes / vector": "number", "Sample": "number"}
    drawn = [TableRow(_cells(one)) for one in found.dropped]
    data = Data("dropped", TITLE, [one.to_json() for one in found.dropped])
    columns = [Column(title, "number" if title in kinds else "text") for title in titles]
    yield Table("dropped", "Specs that were not judged on the whole corpus", columns, [RowGroup(drawn)], data=data)
    yield Paragraph(Foreign(found.meaning, 2000), "note")


def race_sentence(found: Race) -> str:
    """How many specs were ruled out on how many documents."""
    sizes = ", then ".join(count(stage.documents) for stage in found.stages)
    first = found.stages[0].specs
    return (
        f"{count(first)} specs were judged on samples of {sizes} documents, and {len(found.finalists)} of them on the "
        "whole corpus. Samples are easier: compare their values only with each other."
    )


def _cells(one: DroppedSpec) -> list[Cell]:
    return [
        Cell(Code(one.spec), head=True),
        Cell(byte_size(one.bytes_per_vector)),
        Cell(count(one.documents)),
        Cell(percent(one.retained, one.retained_ci)),
        Cell(number(one.recall, places=3)),
        Cell(estimate(one.difference, one.difference_ci, 3, signed=True)),
        Cell(Code(one.leader)),
        Cell(Foreign(one.reason, 200)),
    ]
