"""How a sweep was evaluated, as facts: what the page says elsewhere in words is not listed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embgeo.reports.facts import Fact, facts
from embgeo.reports.numbers import MISSING, byte_size, count, finite
from embgeo.reports.stored import Entry, entry

# told by the decision, and by the sentence "fit_budget"
SAID = ("selection", "left_out", "fit_budget_seconds")


def protocol_facts(stored: Any) -> list[Fact]:
    """The protocol without what is missing and what stands elsewhere; whatever else is stored in its place as it is."""
    protocol = entry(stored)
    if not protocol:
        return facts(stored)
    said = SAID if protocol.get("fit_budget") else SAID[:1]
    return [fact for fact in facts({k: v for k, v in protocol.items() if k not in said}) if fact.text != MISSING]


def estimator_sentence(rows: Sequence[Entry]) -> str:
    """How out-of-sample quality was estimated, for how many codecs each way, and why; "" for runs that do not say."""
    found: dict[str, list[Entry]] = {}
    for row in rows:
        used = entry(row.get("estimator"))
        if used.get("name"):
            found.setdefault(str(used["name"]), []).append(used)
    parts = []
    for name, alike in sorted(found.items(), key=lambda item: -len(item[1])):
        reason = next((str(used["reason"]).rstrip(".") for used in alike if used.get("reason")), "")
        codecs = f"{count(len(alike))} codec{'' if len(alike) == 1 else 's'}"
        parts.append(f"{name} for {codecs}" + (f" ({reason})" if reason else ""))
    return f"Quality out of sample is estimated by {'; '.join(parts)}." if parts else ""


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
