"""What the chosen store changes beyond quality: neighbourhoods, documents out of reach, the constants it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.facts import Fact, FactTable, fact_tables, facts


def store_facts(best: Mapping[str, Any]) -> tuple[list[Fact], list[FactTable]]:
    """The effects of the built store and the arrays that its constant bytes are made of."""
    return facts(best.get("effects")), fact_tables({"Constant bytes, array by array": best.get("state")})
