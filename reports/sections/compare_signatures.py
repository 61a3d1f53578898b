"""The signatures of several runs as a heat map: which run is high or low in which measure, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Line, Paragraph, RowGroup, Swatch, Table, TableRow
from embgeo.reports.numbers import MISSING, NARROW, count, interval, number
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.results import CompareResult
from embgeo.results.compare import ComparedMeasure, ComparedSignatures, ComparedValue
from embgeo.results.measures import MeasureFacts, measure_facts

INTERVALS = {None: "", True: "overlap", False: "apart"}
MAX_STEP = 4  # colours on each side of the heat map's middle, half a standard deviation each
MAX_RUNS = 6  # that fit beside a measure's name in the terminal
OF_TWO = (
    "The first run minus the second. Intervals that do not overlap indicate a difference; overlapping ones do not rule "
    "one out."
)
OF_MANY: Line = (
    "Colour: how far a run lies above ", Swatch("above", f"z-p{MAX_STEP}"), " or below ",
    Swatch("below", f"z-n{MAX_STEP}"), " the mean of these runs, in standard deviations. Similar measures and similar "
    "runs are grouped. Rows whose intervals all overlap are not coloured.",
)  # fmt: skip


@section("signatures", "Signatures", of=CompareResult, order=600)
def signatures(shown: Shown[CompareResult]) -> Iterator[Block]:
    stored = shown.result.signatures
    if stored is None or not (rows := _rows(stored)):
        return
    two = len(stored.runs) == 2
    yield Paragraph(OF_TWO if two else OF_MANY, "note")
    labels = [visible(label, 8) for label in stored.run_order or stored.runs]
    columns = [Column("Measure"), *(Column(label, "number") for label in labels)]
    columns += [Column("Difference", "number"), Column("Relative", "number")] if two else []
    columns += [Column("Intervals"), Column("n", "number")]
    records = [
        {"measure": row.name, "run": label, **value.to_json()}
        for row in stored.measures
        for label, value in zip(stored.runs, row.values, strict=False)
    ]
    data = Data("signatures", "Signatures", records)
    yield Table("signatures", "Signatures", columns, [RowGroup(rows)], data=data, style="heat")


def _rows(stored: ComparedSignatures) -> list[TableRow]:
    """One row per measure, in the stored order; none if the stored orders do not match the runs."""
    order = stored.run_order or stored.runs
    if len(order) < 2 or sorted(order) != sorted(stored.runs):
        return []
    places = [stored.runs.index(label) for label in order]
    by_name = {row.name: row for row in stored.measures if len(row.values) == len(order)}
    names = stored.measure_order or list(by_name)
    return [_row(by_name[name], places) for name in names if name in by_name]


def _row(row: ComparedMeasure, places: Sequence[int]) -> TableRow:
    meaning = measure_facts().get(row.name, MeasureFacts()).summary
    # no colour where all intervals overlap
    z = row.z if row.z and row.intervals_overlap is not True else [None] * len(places)
    cells = [_cell(row.values[at], z[at]) for at in places]
    if len(places) == 2:
        change = "" if row.difference is None else number(row.difference, row.values[0].ci, signed=True)
        cells += [Cell(change), Cell(_signed_percent(row.relative_difference))]
    apart = INTERVALS.get(row.intervals_overlap) or MISSING
    sizes = [count(row.values[at].n) for at in places]
    n = count(row.values[0].n) if row.same_n is True else ", ".join(sizes)
    spread = Cell(apart, style="beside note" if apart == "overlap" else "beside")
    return TableRow([Cell(Code(row.name), [meaning], head=True), *cells, spread, Cell(n, style="note")])


def _cell(value: ComparedValue, z: float | None) -> Cell:
    """Coloured by `z` in steps from −4 to 4; 0 is the mean of the runs or unknown."""
    step = 0 if z is None else max(-MAX_STEP, min(MAX_STEP, round(2 * z)))
    note = (value.reason or "" if value.value is None else "") or interval(value.ci)
    style = f"z-{'p' if step > 0 else 'n'}{abs(step)}" if step else ""
    return Cell(number(value.value, value.ci), [visible(note, 80)] if note else [], style=style)


def _signed_percent(share: float | None) -> str:
    return "" if share is None else f"{number(100 * share, places=1, signed=True)}{NARROW}%"


def signatures_table(result: CompareResult) -> Table | None:
    """For the terminal, the first six runs; None without signatures."""
    stored = result.signatures
    if stored is None:
        return None
    by_name = {row.name: row for row in stored.measures}
    labels, two = stored.runs[:MAX_RUNS], len(stored.runs) == 2
    rows = []
    for row in (by_name[name] for name in stored.measure_order if name in by_name):
        values = [number(value.value, value.ci) for value in row.values[:MAX_RUNS]]
        extra = [number(row.difference, row.values[0].ci, signed=True)] if two else []
        rows.append(TableRow([row.name, *values, *extra, INTERVALS[row.intervals_overlap]]))
    left_out = len(stored.runs) - len(labels)
    more = f" ({left_out} more runs in the report)" if left_out else ""
    numbers = [*labels, *([" - ".join(labels)] if two else [])]
    columns = [Column("measure"), *(Column(name, "number") for name in numbers), Column("intervals", "word")]
    return Table("signatures", "Signatures", columns, [RowGroup(rows)], f"Signatures{more}")
