"""Collections that `embgeo deploy` filled: predicted and measured, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Data,
    Fold,
    Foreign,
    Line,
    Paragraph,
    RowGroup,
    Strong,
    Table,
    TableRow,
)
from embgeo.reports.numbers import byte_size, count, estimate, interval, milliseconds, number
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, CompressResult
from embgeo.results.deployment import DeployedMode, Deployment

SEARCHES = {
    "codes": ("codes alone", "All codes are compared: no index, no rescoring."),
    "configured": ("as configured", "The search that the kit's query.py runs."),
    "defaults": ("store's defaults", "No option of the search is given."),
}


@section("deployed", "Measured in the store", of=CompressResult, order=6, style="lead")
def deployed(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs from which something was deployed: one collection in full, several as a table with each below."""
    found = shown.run.deployments
    if len(found) > 1:
        yield collections_table(found)
    for place, one in enumerate(found):
        drawn = list(_collection(one, f"deployed-{place}" if place else "deployed"))
        yield from drawn if len(found) == 1 else [Fold(f"{one.spec} in {one.target}: {one.name}", drawn)]


def collections_table(found: Sequence[Deployment]) -> Table:
    """What each collection delivers as configured, the latest first."""
    judged = any(one.quality == NDCG for one in found)
    columns = [
        Column("Store", "word"),
        Column("Spec", "word"),
        Column("nDCG@10" if judged else "Recall@10", "number"),
        Column("Minus predicted", "number"),
        Column("95 % interval", "word"),
        *([Column("Recall@10", "number")] if judged else []),
        Column("Codes per vector", "number", "Bytes of codes by the plan."),
        Column(
            "In all",
            "number",
            "Bytes per vector that the store counts: codes, originals, links, ids; not what an empty one takes.",
        ),
    ]
    rows = [TableRow(_cells(one, judged)) for one in found]
    data = Data("collections", "Measured in stores", [one.to_json() for one in found])
    return Table("collections", "Collections, as configured", columns, [RowGroup(rows)], data=data)


def _cells(one: Deployment, judged: bool) -> list[Cell | Line]:
    best = one.configured or DeployedMode()
    total = round(sum(one.growing.values()) / one.rows) if one.rows and one.bytes else None
    return [
        Cell(one.target, head=True),
        Code(one.spec),
        number(best.ndcg if judged else best.recall, places=4),
        number(best.difference, places=4, signed=True),
        interval(best.difference_ci, 4, signed=True) or _few(best),
        *([number(best.recall, places=3)] if judged else []),
        byte_size(one.code_bytes),
        byte_size(total),
    ]


def _collection(found: Deployment, name: str) -> Iterator[Block]:
    yield Paragraph((Strong(f"{found.target}: {found.name}. "), Foreign(measured_sentence(found), 1000)))
    yield measured_table(found, name)
    for warning in found.warnings:
        yield Paragraph(Foreign(f"Warning: {warning}.", 600), style="note")
    said = [Foreign(f"{note}.", 600) for note in found.notes]
    yield Paragraph(
        (
            "The kit in ",
            Code(f"deploy/{found.target}-{found.name}", 120),
            " of this run keeps it going without embgeo: ingest.py adds documents, query.py searches, check.py "
            f"measures recall@10 of stored queries (exit code 1 below {number(found.floor, places=3)}): a nightly job.",
        )
    )
    lines = [Code(line, 400) for line in found.native.splitlines()]
    yield Fold("Configuration in the store's own words, and what differs from embgeo", [Bullets([*lines, *said])])


def measured_sentence(found: Deployment) -> str:
    """What was deployed where, its bytes, and whether it does what was predicted."""
    version = found.version
    parts = ", ".join(f"{byte_size(size)} {name}" for name, size in found.bytes.items() if size)
    where = f"{found.spec} in {found.target} ({version}) at {found.place}"
    sizes = f"{where}: {count(found.rows)} rows, {parts}."
    best = found.configured
    if best is None:
        return sizes
    by = f" by {found.predicted}" if found.predicted != found.spec else ""
    return f"{sizes} {_verdict(found, best, by)}."


def _verdict(found: Deployment, best: DeployedMode, by: str) -> str:
    quality = "nDCG@10" if found.quality == NDCG else "recall@10"
    measured = best.ndcg if found.quality == NDCG else best.recall
    gap = estimate(best.difference, best.difference_ci, 4, signed=True)
    said = f"Measured {quality} {number(measured, places=4)}, predicted {number(found.predicted_quality, places=4)}{by}"
    if best.difference_ci is None:
        few = "no query differs" if not best.changed else f"{best.changed} of {count(found.queries)} queries differ"
        return f"{said}: difference {gap} ({few})"
    low, high = best.difference_ci
    agreed = "as predicted" if low <= 0 <= high else "not as predicted"
    return f"{said}: {agreed}, difference {gap}"


def measured_table(found: Deployment, name: str = "deployed") -> Table:
    """The prediction, then what each way to search delivers."""
    judged = found.quality == NDCG
    quality = [Column("nDCG@10", "number")] if judged else []
    columns = [
        Column("Search", "word"),
        *quality,
        Column("Recall@10", "number"),
        Column("Minus predicted", "number"),
        Column("95 % interval", "word"),
        Column("Time", "number", "Of one query, as its client sees it; median."),
    ]
    first = [number(found.predicted_quality, places=4)] if judged else []
    rows = [TableRow([Cell("predicted", head=True), *first, number(found.predicted_recall, places=3), "", "", ""])]
    rows += [_row(one, judged) for one in found.modes]
    data = Data(name, "Measured in the store", [one.to_json() for one in found.modes])
    return Table(name, f"{found.target}: predicted and measured", columns, [RowGroup(rows)], data=data)


def _row(one: DeployedMode, judged: bool) -> TableRow:
    label, explain = SEARCHES.get(one.mode, (one.mode, ""))
    quality = [number(one.ndcg, places=4)] if judged else []
    return TableRow(
        [
            Cell(label, head=True, hover=explain),
            *quality,
            number(one.recall, places=3),
            number(one.difference, places=4, signed=True),
            interval(one.difference_ci, 4, signed=True) or _few(one),
            milliseconds(one.single_query_ms),
        ],
        best=one.mode == "configured",
    )


def _few(one: DeployedMode) -> str:
    if one.changed is None:
        return ""
    return f"{one.changed} differ: too few" if one.changed else "no query differs"
