"""Where the recommended store can be deployed: the stores that hold its spec in a format of their own, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from embgeo.reports.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Commands,
    Fold,
    Foreign,
    Line,
    Paragraph,
    RowGroup,
    Strong,
    Table,
    TableRow,
)
from embgeo.reports.numbers import byte_size, estimate, interval, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, CompressResult, Row
from embgeo.results.compress import Deploy, Deployable
from embgeo.results.rows import Holding

MARKS = {"same": "✔", "approximate": "≈"}
LEGEND = "✔ as measured here, ≈ approximately, – not in a format of its own."


@section("deploy", "Where it can be deployed", of=CompressResult, order=5, style="lead")
def deploy(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs that stored it."""
    found = shown.result.deploy
    if found is not None and found.picks is not None:
        yield from _picked(shown.result, found)
        return
    if found is None or not found.targets:
        return
    yield Paragraph((Code(found.spec, 80), f": {marks(found.targets)}. {LEGEND}"))
    if found.other is not None:
        yield Paragraph(
            (
                Strong("What a server or an embedded database can hold."),
                f" {other_sentence(found.other, shown.result.measure)}",
            )
        )
    yield Fold("What differs, and why not", [Bullets([_why(one) for one in found.targets])])


def _picked(result: CompressResult, found: Deploy) -> Iterator[Block]:
    """For the stores that `--target` named: where the recommended row lives, and what each store would get."""
    for one in found.targets:
        where = f" {_mark(one)}, {in_store(one)}."
        yield Paragraph((Strong(f"Picked for {one.target}: "), Code(found.spec, 80), where))
    rows = {row.spec: row for row in result.rows}
    judged = result.measure == NDCG
    picks = [_pick_row(pick, rows.get(pick.spec), judged, pick.spec == found.spec) for pick in found.picks or ()]
    ties = [_tied_row(row, one, judged) for row, one in _tied(result.recommendation.tied_with or (), rows)]
    hot = "Hot: what a search reads or keeps in memory. Bytes are per vector, by each store's own account."
    yield Table("stores", "The pick for each store", _columns(judged), [RowGroup(picks)], hot)
    if ties:
        table = Table("tied", "Rows tied with the recommended one", _columns(judged)[:-2], [RowGroup(ties)])
        yield Fold("The rows statistically tied with the recommended one, in each store", [table])
    yield Commands([_configuration(one) for one in found.targets])
    others = [pick.targets[0] for pick in found.picks or () if pick.spec and pick.spec != found.spec]
    if others:
        yield Fold("The configuration of the other picks", [Commands([_configuration(one) for one in others])])
    differs = [one for one in (*found.targets, *others) if one.reason]
    if differs:
        yield Fold("What differs from embgeo", [Bullets([_why(one) for one in differs])])
    accounts = (found.accounts or {}).items()
    said: list[Line] = [(Strong(f"{name}: "), Foreign(f"{text}.", 1000)) for name, text in accounts]
    yield Fold("How each store counts bytes, and what of that was measured", [Bullets(said)])


def _configuration(one: Holding) -> tuple[str, str]:
    return f"The configuration of {one.target}", one.native or ""


def _columns(judged: bool) -> list[Column]:
    return [
        Column("Store", "word"),
        Column("Spec"),
        Column("Hot", "number"),
        Column("On disk", "number"),
        Column("nDCG@10 kept" if judged else "Recall@10 of exact", "number"),
        Column("Minus recommended", "number"),
        Column("95 % interval", "word"),
    ]


def _tied(specs: Sequence[str], rows: Mapping[str, Row]) -> Iterator[tuple[Row, Holding]]:
    for spec in specs:
        if (row := rows.get(spec)) is not None:
            yield from ((row, one) for one in row.targets or () if one.fits_budget is not False)


def _pick_row(pick: Deployable, row: Row | None, judged: bool, best: bool) -> TableRow:
    one = pick.targets[0]
    if row is None:
        return TableRow([Cell(one.target, head=True), Cell(Foreign(one.reason, 300), span=6)])
    change = "" if best else number(pick.difference, places=4, signed=True)
    ends = "" if best else interval(pick.difference_ci, 4, signed=True) or "too few differ"
    return TableRow([*_store_cells(one, row, judged), change, ends], best)


def _tied_row(row: Row, one: Holding, judged: bool) -> TableRow:
    return TableRow(_store_cells(one, row, judged))


def _store_cells(one: Holding, row: Row, judged: bool) -> list[Cell]:
    kept = percent(row.retained) if judged else number(row.recall, places=3)
    name = Cell(f"{one.target} {_mark(one)}", head=True)
    return [name, Cell(Code(row.spec, 80)), Cell(byte_size(one.hot_bytes)), Cell(byte_size(one.disk_bytes)), Cell(kept)]


def _mark(one: Holding) -> str:
    return MARKS.get(one.fidelity or "", "–")


def in_store(one: Holding) -> str:
    """`431 B hot, 454 B on disk per vector`, what an empty store takes, and what is left to the client."""
    fixed = f", and {byte_size(one.fixed_bytes)} without any vectors" if one.fixed_bytes else ""
    client = f"; the client applies {', '.join(one.client)}" if one.client else ""
    return f"{byte_size(one.hot_bytes)} hot, {byte_size(one.disk_bytes)} on disk per vector{fixed}{client}"


def marks(targets: Sequence[Holding]) -> str:
    """`faiss ✔ · qdrant ≈ · pgvector –`, those that hold it first."""
    order = [*MARKS, None]
    known = sorted(targets, key=lambda one: order.index(one.fidelity) if one.fidelity in MARKS else len(MARKS))
    return " · ".join(f"{one.target} {MARKS.get(one.fidelity or '', '–')}" for one in known)


def other_sentence(other: Deployable, measure: str) -> str:
    """The best deployable row and its price in quality."""
    quality = "nDCG@10" if measure == NDCG else "recall@10"
    price = estimate(other.difference, other.difference_ci, 4, signed=True)
    recall = ""
    if other.recall is not None and measure == NDCG:
        recall = f"; its recall@10 of exact search is {number(other.recall, places=3)}"
    where = "; ".join(_size(one) for one in other.targets)
    return (
        f"No server or embedded database here holds the recommended spec. Of the other rows {other.spec}, at "
        f"{byte_size(other.bytes_per_vector)} per vector, can be held ({where}): {quality} {price} against the "
        f"recommended one{recall}."
    )


def _size(one: Holding) -> str:
    """`qdrant ≈ 388 B beside the original`."""
    beside = " beside the original" if one.original_bytes else ""
    by = f", predicted by {one.predicted}" if one.predicted else ""
    return f"{one.target} {MARKS.get(one.fidelity or '', '–')} {byte_size(one.code_bytes)}{beside}{by}"


def sentences(found: Deploy | None, measure: str) -> Iterator[str]:
    """The same for the terminal."""
    if found is not None and found.picks is not None:
        yield from _picked_sentences(found, measure)
    elif found is not None and found.targets:
        yield f"Stores for {found.spec}: {marks(found.targets)} (`embgeo targets --spec {found.spec}` says why)."
        if found.other is not None:
            yield other_sentence(found.other, measure)


def _picked_sentences(found: Deploy, measure: str) -> Iterator[str]:
    quality = "nDCG@10" if measure == NDCG else "recall@10"
    for one in found.targets:
        yield f"Picked for {one.target}: {found.spec} {_mark(one)}, {in_store(one)}."
    for pick in found.picks or ():
        one = pick.targets[0]
        if not pick.spec:
            yield f"For {one.target}: {one.reason}."
        elif pick.spec != found.spec:
            price = estimate(pick.difference, pick.difference_ci, 4, signed=True)
            where = f"{pick.spec} {_mark(one)}, {in_store(one)}"
            yield f"For {one.target}: {where}; {quality} {price} against the recommended one."


def native_lines(found: Deploy | None) -> list[str]:
    """The configuration of the recommended row in the words of the named stores; empty without `--target`."""
    if found is None or found.picks is None:
        return []
    several = len(found.picks) > 1
    return [
        line
        for one in found.targets
        for line in ([f"configuration of {one.target}:"] if several else []) + (one.native or "").splitlines()
    ]


def _why(one: Holding) -> Line:
    beside = f" {byte_size(one.original_bytes)} of the original beside the codes." if one.original_bytes else ""
    near = f" Nearest: {one.nearest}." if one.nearest else ""
    said = f" Predicted by {one.predicted}." if one.predicted else ""
    said += f" {one.reason}." if one.reason else ""
    mark = MARKS.get(one.fidelity or "", "–")
    return (Strong(f"{one.target} {mark}"), Foreign(f"{said}{beside}{near}", 2000))
