"""Where the recommended store can be deployed: the stores that hold its spec in a format of their own, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import Block, Bullets, Code, Fold, Foreign, Line, Paragraph, Strong
from embgeo.reports.numbers import byte_size, estimate, number
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, CompressResult
from embgeo.results.compress import Deploy, Deployable, Holding

MARKS = {"same": "✔", "approximate": "≈"}
LEGEND = "✔ as measured here, ≈ approximately, – not in a format of its own."


@section("deploy", "Where it can be deployed", of=CompressResult, order=5, style="lead")
def deploy(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs that stored it."""
    found = shown.result.deploy
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
    if found is not None and found.targets:
        yield f"Stores for {found.spec}: {marks(found.targets)} (`embgeo targets --spec {found.spec}` says why)."
        if found.other is not None:
            yield other_sentence(found.other, measure)


def _why(one: Holding) -> Line:
    beside = f" {byte_size(one.original_bytes)} of the original beside the codes." if one.original_bytes else ""
    near = f" Nearest: {one.nearest}." if one.nearest else ""
    said = f" Predicted by {one.predicted}." if one.predicted else ""
    said += f" {one.reason}." if one.reason else ""
    mark = MARKS.get(one.fidelity or "", "–")
    return (Strong(f"{one.target} {mark}"), Foreign(f"{said}{beside}{near}", 2000))
