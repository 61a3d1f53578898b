"""Documents that a run lists by id (hubs, boundary points, those never found), as tables with their text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embgeo.reports.facts import FactTable, fact_tables
from embgeo.reports.kept_documents import one_line
from embgeo.reports.wording import DOCUMENT_MEASURES
from embgeo.runs import Run

CHARACTERS = 90


def standout_tables(run: Run) -> list[FactTable]:
    """The lists among the details of the measures; the heading says what they hold, the column what is counted."""
    details = run.result.get("details")
    tables = []
    for measure, entry in details.items() if isinstance(details, Mapping) else ():
        value = DOCUMENT_MEASURES.get(str(measure), "value")
        for name, items in entry.items() if isinstance(entry, Mapping) else ():
            if isinstance(items, list) and items and all(isinstance(item, Mapping) for item in items):
                renamed = [{value if key == "value" else key: part for key, part in item.items()} for item in items]
                title = str(name) if measure in DOCUMENT_MEASURES else f"{measure}: {name}"
                tables += fact_tables({title[:1].upper() + title[1:]: [with_text(item, run) for item in renamed]})
    return tables


def retrievability_tables(run: Run) -> list[FactTable]:
    """Documents found most often and never, with their text."""
    stored = run.result.get("retrievability")
    if not isinstance(stored, Mapping):
        return []
    return fact_tables(
        {
            name: [with_text(item, run) if isinstance(item, Mapping) else item for item in items]
            for name, items in stored.items()
            if isinstance(items, list | tuple)
        }
    )


def with_text(item: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
    """`item` with the beginning of its document's text, where the run has it."""
    known = item.get("id", item.get("document"))
    if known is None or "text" in item:
        return item
    text = run.documents.get(str(known))
    return item if text is None else {**item, "text": one_line(text, CHARACTERS)}
