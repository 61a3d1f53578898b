"""What the chosen store changes beyond quality: neighbourhoods, hubs, unreachable documents."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Facts, Fold, Foreign, Paragraph
from embgeo.reports.facts import facts
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult


@section("effects", "Side effects of the store", of=CompressResult, order=900)
def side_effects(shown: Shown[CompressResult]) -> Iterator[Block]:
    effects = shown.result.recommendation.effects
    if effects is None:
        return
    yield Paragraph(
        "The built store compared with exact float32 search: the share of a document's ten nearest neighbours that it "
        "still finds, the hubness of its neighbourhoods (higher: a few documents crowd the results), and how many "
        "documents the queries can still reach in their top 100.",
        "note",
    )
    lost = effects.newly_unreachable
    yield Facts(facts(effects.to_json() | ({"newly_unreachable": lost.count} if lost else {})))
    if lost and lost.ids:
        listed = f" ({len(lost.ids)} listed)" if len(lost.ids) > 1 else ""
        names = Paragraph(Foreign(", ".join(lost.ids), 4000))
        yield Fold(f"Documents no longer reachable{listed}", [names])
