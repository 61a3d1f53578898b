"""How well exact search retrieves in the space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from embgeo.reports.blocks import Block, Column, Data, Paragraph, RowGroup, Table, TableRow, Tiles
from embgeo.reports.numbers import dotted, estimate, number
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult, Estimate, LimitsResult

NAMES = {
    "ndcg@10": "nDCG@10",
    "recall@10": "Recall@10",
    "recall@100": "Recall@100",
    "map@100": "MAP@100",
    "mrr@10": "MRR@10",
}


@section("retrieval", "Retrieval baseline", of=AnalyzeResult, order=100, label="Retrieval")
@section("retrieval", "Retrieval baseline", of=LimitsResult, order=100, label="Retrieval")
def retrieval(shown: Shown[AnalyzeResult | LimitsResult]) -> Iterator[Block]:
    """Each measure with its value and interval, the usual ones first."""
    found = shown.result.retrieval or {}
    order = [*(name for name in NAMES if name in found), *(name for name in found if name not in NAMES)]
    known = [name for name in order if found[name].value is not None or found[name].ci is not None]
    tiles = []
    for name in known:
        value, _, interval = estimate(found[name].value, found[name].ci, 4).partition(" ")
        tiles.append((NAMES.get(name, name), value, interval))
    if tiles:
        yield Paragraph("Exact search over the float32 vectors; 95 % intervals by bootstrap over queries.", "note")
        yield Tiles(tiles)
        yield Data(
            "retrieval", "Retrieval", [{"measure": name, **estimate.to_json()} for name, estimate in found.items()]
        )


def retrieval_table(result: AnalyzeResult | LimitsResult) -> Table | None:
    """The same for the terminal, in the stored order; None without judgements."""
    if not result.retrieval:
        return None
    return estimates_table((((name,), each) for name, each in result.retrieval.items()), "measure")


def estimates_table(estimates: Iterable[tuple[Sequence[str], Estimate]], *heads: str) -> Table:
    """For the terminal: the words of each estimate under `heads`, its value and its interval."""
    rows = [TableRow([*words, number(each.value, places=4), dotted(each.ci, 4)]) for words, each in estimates]
    columns = [*(Column(head, "word") for head in heads), Column("value", "number"), Column("95 % interval", "word")]
    return Table("retrieval", "Retrieval", columns, [RowGroup(rows)], "Retrieval with exact search")
