"""How a sweep was judged, as facts: what the page says elsewhere in words is not listed again."""

from __future__ import annotations

from typing import Any

from embgeo.reports.facts import Fact, facts
from embgeo.reports.numbers import MISSING, byte_size, count, finite
from embgeo.reports.stored import entry

# told by the decision, and by the sentence "fit_budget"
SAID = ("selection", "left_out", "fit_budget_seconds")


def protocol_facts(stored: Any) -> list[Fact]:
    """The protocol without what is missing and what stands elsewhere; whatever else is stored in its place as it is."""
    protocol = entry(stored)
    if not protocol:
        return facts(stored)
    said = SAID if protocol.get("fit_budget") else SAID[:1]
    return [fact for fact in facts({k: v for k, v in protocol.items() if k not in said}) if fact.text != MISSING]


def budget_facts(stored: Any) -> list[Fact]:
    """What was asked for, and what it allows."""
    budget = entry(stored)
    per_vector, store, vectors = (finite(budget.get(key)) for key in ("per_vector", "store", "vectors"))
    found = [Fact("Asked for", str(budget["text"]))] if budget.get("text") else []
    if per_vector is not None:
        found.append(Fact("Bytes per vector, at most", byte_size(per_vector)))
    if store is not None:
        found.append(Fact("Whole store, at most", byte_size(store)))
    if vectors is not None:
        found.append(Fact("Vectors planned for", count(vectors)))
    return found
