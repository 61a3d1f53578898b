"""embgeo reproduce: published tables and claims, computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embgeo.cli.options import Common, with_reproduce_request
from embgeo.errors import GateError, InputError
from embgeo.requests import ReproduceRequest

if TYPE_CHECKING:
    from embgeo.cli.output import Output
    from embgeo.results.reproduce import ReproduceResult


@click.command(short_help="Compute published numbers again, with the deviation.")
@with_reproduce_request
@click.option("--list", "listed", is_flag=True, help="List the entries and the data that each needs; run nothing.")
def command(request: ReproduceRequest, common: Common, listed: bool) -> None:
    """Compute published tables and claims again: what was published, what is measured here, and the deviation.

    Without NAME the quick entries run; a NAME runs alone, however long it takes. Published data is read from --data and
    never downloaded: an entry whose files are missing says which, and where they come from. The exit code is 3 if a
    number is outside its tolerance.

    \b
    Examples:
      embgeo reproduce --list
      embgeo reproduce --data papers/ --html papers.html
      embgeo reproduce turboquant-distortion
    """
    from embgeo.cli.outcome import finish, follow
    from embgeo.pipelines.reproduce import reproduce
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.reproductions import numbers_table, outcome
    from embgeo.results.reproduce import NOT_RUN, ReproduceResult

    if listed:
        _list(request, common.output)
        return
    output, name = common.output, "-".join(request.names or ())
    run = follow(output, request.out, "reproduce", name, None, lambda progress: reproduce(request, progress))
    found = ReproduceResult.from_json(run.result)
    if any(each.numbers for each in found.reproductions) and request.names:
        output.show(draw(numbers_table(found), gap=2), "")
    # an entry that was named and could not run is the error at the end
    said = [each for each in found.reproductions if not request.names or each.status != NOT_RUN]
    for each in said:
        output.sentence(f"{each.status:8}{each.name:24} {plain(outcome(each).translate(PLAIN))}")
    if said:
        output.line()
    finish(run, common)
    _conclude(found, bool(request.names))


def _conclude(found: ReproduceResult, named: bool) -> None:
    """Raises GateError if an entry failed, InputError if one that was named could not run."""
    from embgeo.results.reproduce import FAILED, NOT_RUN

    if failed := found.of(FAILED):
        raise GateError(f"outside the tolerance: {', '.join(each.name for each in failed)}")
    if named and (waiting := found.of(NOT_RUN)):
        raise InputError("; ".join(f"{each.name} {each.reason}" for each in waiting))


def _list(request: ReproduceRequest, output: Output) -> None:
    from embgeo.reports.drawing.terminal import table
    from embgeo.reproductions.registry import origin, select

    entries = select(request.names or (), slow=True)
    columns = [("name", "left"), ("slow", "left"), ("what", "text"), ("needs in --data", "text")]
    folders = [", ".join(dict.fromkeys(file.partition("/")[0] for file in e.needs)) for e in entries]
    cells = zip(entries, folders, strict=True)
    output.show(table("", columns, [[e.name, "yes" if e.slow else "", e.title, folder] for e, folder in cells]))
    files = dict.fromkeys(file for e in entries for file in e.needs)
    output.line()
    for told, group in {told: [f for f in files if origin(f) == told] for told in map(origin, files)}.items():
        output.sentence(f"{', '.join(group)}: {told}")
    shown = ("name", "title", "source", "slow", "verdict")
    output.json([{**{k: vars(e)[k] for k in shown}, "needs": {f: origin(f) for f in e.needs}} for e in entries])
