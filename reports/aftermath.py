"""What the chosen store changes beyond quality: neighbourhoods, documents out of reach, the constants it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.facts import Fact, FactTable, fact_tables, facts
from embgeo.reports.stored import entry


def store_facts(best: Mapping[str, Any]) -> tuple[list[Fact], list[FactTable]]:
    """The effects of the built store and the arrays that its constant bytes are made of."""
    effects = entry(best.get("effects"))
    lost = entry(effects.get("newly_unreachable"))
    shown = {**effects, "newly_unreachable": lost.get("count")} if lost else effects
    return facts(shown), fact_tables({"Constant bytes, array by array": best.get("state")})


def lost_documents(best: Mapping[str, Any]) -> list[str]:
    """Ids of documents that float32 brings to some query and the store to none."""
    ids = entry(entry(best.get("effects")).get("newly_unreachable")).get("ids")
    return [str(id) for id in ids] if isinstance(ids, list) else []
