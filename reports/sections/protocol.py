"""How a sweep was evaluated, as facts: what the page says elsewhere in words is not listed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embgeo.reports.blocks import Block, Fact, Facts, Foreign, Heading, Paragraph
from embgeo.reports.facts import fact_tables, facts
from embgeo.reports.numbers import MISSING, byte_size, count
from embgeo.reports.section import Shown, section
from embgeo.results import CompressResult, Row
from embgeo.results.compress import Budget, Protocol
from embgeo.results.rows import Estimator

# shown by the decision section, and by the sentence "fit_budget"
SHOWN_ELSEWHERE = ("selection", "left_out", "fit_budget_seconds")


@section("protocol", "Protocol", of=CompressResult, order=1000)
def protocol(shown: Shown[CompressResult]) -> Iterator[Block]:
    result = shown.result
    if said := estimator_sentence(result.rows):
        yield Paragraph(Foreign(said, 1200))
    if listed := protocol_facts(result.protocol):
        yield Facts(listed)
    yield from fact_tables(result.protocol.to_json().items(), "protocol")
    if asked := budget_facts(result.budget):
        yield Heading("Budget")
        yield Facts(asked)


def protocol_facts(stored: Protocol) -> list[Fact]:
    """The protocol without missing values and without what is shown elsewhere."""
    said = SHOWN_ELSEWHERE if stored.fit_budget else SHOWN_ELSEWHERE[:1]
    told = {key: value for key, value in stored.to_json().items() if key not in said}
    return [fact for fact in facts(told) if fact.text != MISSING]


def estimator_sentence(rows: Sequence[Row]) -> str:
    """How out-of-sample quality was estimated, for how many codecs each way, and why; "" for runs that do not say."""
    found: dict[str, list[Estimator]] = {}
    for row in rows:
        if row.estimator and row.estimator.name:
            found.setdefault(row.estimator.name, []).append(row.estimator)
    parts = []
    for name, alike in sorted(found.items(), key=lambda item: -len(item[1])):
        reason = next((used.reason.rstrip(".") for used in alike if used.reason), "")
        codecs = f"{count(len(alike))} codec{'' if len(alike) == 1 else 's'}"
        parts.append(f"{name} for {codecs}" + (f" ({reason})" if reason else ""))
    return f"Out-of-sample quality is estimated by {'; '.join(parts)}." if parts else ""


def budget_facts(budget: Budget | None) -> list[Fact]:
    """The requested budget, and what it allows."""
    if budget is None:
        return []
    allowed = {
        "Requested": budget.text,
        "Bytes per vector, at most": budget.per_vector and byte_size(budget.per_vector),
        "Whole store, at most": budget.store and byte_size(budget.store),
        "Planned number of vectors": budget.vectors and count(budget.vectors),
    }
    return [Fact(label, text) for label, text in allowed.items() if text]
