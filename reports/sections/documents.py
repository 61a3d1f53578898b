"""Documents that a run lists by id (hubs, boundary points, those never found), as tables with their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embgeo.reports.blocks import Block, Facts, Paragraph
from embgeo.reports.facts import fact_tables, facts
from embgeo.reports.kept_documents import one_line
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult
from embgeo.results.measures import MeasureFacts, measure_facts
from embgeo.results.stored import objects
from embgeo.run import Run

MAX_CHARACTERS = 90


@section("documents", "Documents that stand out", of=AnalyzeResult, order=500)
def largest_values(shown: Shown[AnalyzeResult]) -> list[Block]:
    """The lists in the details of measures; the heading says what they contain, the column what is counted."""
    titled = []
    for measure, details in shown.result.details.items():
        known = measure_facts().get(str(measure), MeasureFacts()).documents
        value = known.value if known else "value"
        for name, items in details.items() if isinstance(details, Mapping) else ():
            if isinstance(items, list) and items and all(isinstance(item, Mapping) for item in items):
                title = str(name) if known else f"{measure}: {name}"
                renamed = [{value if key == "value" else key: part for key, part in item.items()} for item in items]
                titled.append((title[:1].upper() + title[1:], [with_text(item, shown.run) for item in renamed]))
    return [*fact_tables(titled, "documents")]


@section("retrievability", "Retrievability", of=AnalyzeResult, order=600)
def retrievability(shown: Shown[AnalyzeResult]) -> Iterator[Block]:
    """How evenly queries retrieve the documents; those found most often and never, with their text."""
    if (found := shown.result.retrievability) is None:
        return
    stored = found.to_json()
    yield Paragraph("How evenly the queries retrieve the documents, and which ones no query finds.", "note")
    yield Facts(facts(stored))
    listed = ((name, items) for name, items in stored.items() if isinstance(items, list))
    told = ((name, [with_text(item, shown.run) for item in objects(items)]) for name, items in listed)
    yield from fact_tables(told, "retrievability")


def with_text(item: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
    """`item` with the beginning of its document's text, if the run has it."""
    named = next((item[key] for key in ("id", "document") if item.get(key) is not None), None)
    text = None if named is None or "text" in item else run.documents.get(str(named))
    return item if text is None else {**item, "text": one_line(text, MAX_CHARACTERS)}
