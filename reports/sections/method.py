"""How a run can be repeated, and where it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from embgeo.reports.blocks import Block, Commands, Download, Fact, Facts, Fold, Paragraph
from embgeo.reports.commands import commands
from embgeo.reports.facts import facts
from embgeo.reports.numbers import MISSING
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.results import Result


@section("method", "Method and environment", of=Result, order=10_000)
def method(shown: Shown[Result]) -> Iterator[Block]:
    result = shown.result
    yield Commands(commands(shown.run))
    yield Download(shown.run.name, shown.run.result)
    yield Fold("Versions, hardware, threads", [Facts(_environment(result))], style="")
    if asked := [fact for fact in facts(result.request) if fact.text != MISSING]:
        yield Fold("All options of this run", [Facts(asked)], style="")
    measured = f"Measured {visible(result.created, 40)}. " if result.created else ""
    yield Paragraph(f"{measured}Generated from stored results; nothing was recomputed.", "note")


def _environment(result: Result) -> list[Fact]:
    stored = dict(result.environment)
    versions = stored.pop("versions", None)
    named = [Fact(str(name), str(value)) for name, value in versions.items()] if isinstance(versions, Mapping) else []
    return [*named, *facts(stored)] or [Fact("embgeo", result.embgeo or "")]
